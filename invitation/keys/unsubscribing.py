"""Unsubscribed addresses: how they are recognised without storing them.

    digest = HMAC-SHA256 of the canonical address, in the table
    token  = the same in base64 "." signature, in the link of an email

Both use the site's signing keys. Neither can be reversed without the key, even by hashing every
address. A token needs no row. It is valid as long as the site lists the key that made it, even
after the invitation was deleted. It is valid for all sites with the same keys and database.

Addresses are compared in the form of ``addresses.canonical``. Upper and lower case are the same,
and so are all forms of a domain. ``ann+club@...`` and ``ann@...`` are two addresses. A mail server
need not know the first one. Then an email to one of them bounces, and an email to the other does
not.
"""

from __future__ import annotations

import base64
import re
from typing import NamedTuple

from django.core.signing import Signer
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.debug import sensitive_variables

from invitation import addresses
from invitation.conf import conf
from invitation.exceptions import AddressRefused
from invitation.keys import written

#: HMAC-SHA256, 32 bytes, as URL-safe base64; the signature is 128 bits of another HMAC.
DIGEST_LENGTH = 43
SIGNATURE_LENGTH = 22
TOKEN_LENGTH = DIGEST_LENGTH + 1 + SIGNATURE_LENGTH
KEY_ID_LENGTH = 16

_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{DIGEST_LENGTH}}}\.[A-Za-z0-9_-]{{{SIGNATURE_LENGTH}}}")

# One salt for each purpose: a hash for one purpose is never valid for another.
UNSUBSCRIBE = "invitation:unsubscribe:address"
PROOF = "invitation:proof:address"
_TOKEN_SALT = "invitation:unsubscribe:token"  # noqa: S105 (it is no secret)
_KEY_SALT = "invitation:unsubscribe:key"


class Digest(NamedTuple):
    """Hash that stands for an address, and the id of the key that made it."""

    digest: bytes
    key_id: str


@sensitive_variables()
def digests(email: str, purpose: str = UNSUBSCRIBE) -> list[Digest]:
    """Return the hashes of an address, one for each signing key; write the first.

    ``purpose`` is ``UNSUBSCRIBE`` or ``PROOF``: the same address has another hash in each table.
    """
    listed = conf.INVITATION_SIGNING_KEYS
    return [Digest(_mac(key, email, purpose), key_id(key)) for key in listed]


@sensitive_variables()
def make_token(email: str) -> written.Secret:
    """Return the end of the unsubscribe link for this address, made with the first key."""
    key = conf.INVITATION_SIGNING_KEYS[0]
    digest = base64.urlsafe_b64encode(_mac(key, email)).rstrip(b"=").decode()
    return written.Secret(f"{digest}.{_signature(key, digest)}")


@sensitive_variables()
def resolve(text: object) -> Digest | None:
    """Return the hash of the address that a token stands for, or ``None``; no query.

    The length is checked first. Then every key is tried, even after one was right. So the time of
    the answer shows only whether a text looks like a token.
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
    return Digest(base64.urlsafe_b64decode(f"{digest}="), key_id(made_by[0]))


@sensitive_variables()
def key_id(key: str) -> str:
    """Return the id of a signing key for the rows; it does not show the key."""
    fingerprint = salted_hmac(_KEY_SALT, "", secret=key, algorithm="sha256").hexdigest()
    return fingerprint[:KEY_ID_LENGTH]


def key_ids() -> list[str]:
    """Return the ids of all keys that the site lists."""
    return [key_id(key) for key in conf.INVITATION_SIGNING_KEYS]


@sensitive_variables()
def _mac(key: str, email: str, purpose: str = UNSUBSCRIBE) -> bytes:
    return salted_hmac(purpose, comparable(email), secret=key, algorithm="sha256").digest()


@sensitive_variables()
def _signature(key: str, digest: str) -> str:
    signer = Signer(key=key, salt=_TOKEN_SALT, algorithm="sha256")
    return signer.signature(digest)[:SIGNATURE_LENGTH]


def comparable(email: str) -> str:
    """Return the canonical form of an address; a refused address in lower case.

    So the rules for new addresses can become stricter, and old addresses are still recognised.
    """
    try:
        return addresses.canonical(email)
    except AddressRefused:
        return email.replace("\0", "").strip().lower()
