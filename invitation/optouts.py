"""Remember and recognise addresses that want no more invitations, without keeping them.

    digest = HMAC-SHA256 of the canonical address, as hexadecimal digits: what the table holds
    token  = the same in base64 "." signature: what the link in a mail holds

Both are keyed with the site's signing keys, so that neither a copy of the database nor a link
tells an address, not even by trying all that there are. A token needs no row: it is good for as
long as the key that made it is listed, also when the invitation is long deleted. It holds for
every site that shares keys and database.

Addresses are compared as ``addresses.canonical`` has them: letters of any case and a domain in
any of its forms are one address, ``ann+club@...`` and ``ann@...`` are two (a mail server need not
know the former, and then one bounces and the other does not).
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from django.core.signing import Signer
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.debug import sensitive_variables

from invitation import addresses, keys
from invitation.conf import conf
from invitation.exceptions import AddressRefused

#: HMAC-SHA256, 32 bytes, as URL-safe base64; 128 bits of another one.
DIGEST_LENGTH = 43
SIGNATURE_LENGTH = 22
TOKEN_LENGTH = DIGEST_LENGTH + 1 + SIGNATURE_LENGTH
KEY_ID_LENGTH = 16

_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{DIGEST_LENGTH}}}\.[A-Za-z0-9_-]{{{SIGNATURE_LENGTH}}}")

# One for each purpose, so that none of these hashes can pass for another.
OPT_OUT = "invitation:opt-out:address"
PROOF = "invitation:proof:address"
_TOKEN_SALT = "invitation:opt-out:token"  # noqa: S105 (it is no secret)
_KEY_SALT = "invitation:opt-out:key"


@dataclass(frozen=True)
class Digest:
    """Hold what stands for an address, and which key made it."""

    digest: str
    key_id: str


@sensitive_variables()
def digests(email: str, purpose: str = OPT_OUT) -> list[Digest]:
    """Return what may stand for an address, by each signing key: the first is for writing.

    ``purpose`` is ``OPT_OUT`` or ``PROOF``: the same address has another hash in each table.
    """
    listed = conf.INVITATION_SIGNING_KEYS
    return [Digest(_mac(key, email, purpose).hex(), key_id(key)) for key in listed]


@sensitive_variables()
def make_token(email: str) -> keys.Secret:
    """Return what the link in a mail to this address ends with, made with the first key."""
    key = conf.INVITATION_SIGNING_KEYS[0]
    digest = base64.urlsafe_b64encode(_mac(key, email)).rstrip(b"=").decode()
    return keys.Secret(f"{digest}.{_signature(key, digest)}")


@sensitive_variables()
def resolve(text: object) -> Digest | None:
    """Turn the text of a link into what stands for an address, or ``None``; no query.

    Length first, then every key is tried, whether or not one of them has fitted: how long the
    answer takes says nothing but that a text has the shape of a token.
    """
    if not isinstance(text, str) or len(text) != TOKEN_LENGTH or not _TOKEN.fullmatch(text):
        return None
    digest, _dot, signature = text.partition(".")
    made_by = [
        key
        for key in conf.INVITATION_SIGNING_KEYS
        if constant_time_compare(signature, _signature(key, digest))
    ]
    if not made_by:
        return None
    return Digest(base64.urlsafe_b64decode(f"{digest}=").hex(), key_id(made_by[0]))


@sensitive_variables()
def key_id(key: str) -> str:
    """Return by what a row tells which key made it, without telling the key."""
    fingerprint = salted_hmac(_KEY_SALT, "", secret=key, algorithm="sha256").hexdigest()
    return fingerprint[:KEY_ID_LENGTH]


def key_ids() -> list[str]:
    """Return that of every key that the site lists."""
    return [key_id(key) for key in conf.INVITATION_SIGNING_KEYS]


@sensitive_variables()
def _mac(key: str, email: str, purpose: str = OPT_OUT) -> bytes:
    return salted_hmac(purpose, comparable(email), secret=key, algorithm="sha256").digest()


@sensitive_variables()
def _signature(key: str, digest: str) -> str:
    signer = Signer(key=key, salt=_TOKEN_SALT, algorithm="sha256")
    return signer.signature(digest)[:SIGNATURE_LENGTH]


def comparable(email: str) -> str:
    """Return the canonical form; what nobody could be invited by stands for itself.

    So that the rules for new addresses may become stricter and no old one is forgotten.
    """
    try:
        return addresses.canonical(email)
    except AddressRefused:
        return email.replace("\0", "").strip().lower()
