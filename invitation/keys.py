"""Make, recognise and compare invitation keys.

    key = <locator> "." <signature>

The locator is random and stands in the row; the signature is derived from it with the site's
signing keys and stands nowhere. So a copy of the database opens nothing, and the same link can
be made again for a resend or a retry. The salt binds a key to its channel and its site:

``MAIL``
    put only into the mail to the recipient: who shows it can read that mailbox.
``COPY``
    what an inviter may see and pass on: it proves nothing.

Expiry, uses and state are always the row's, never the key's.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.core.signing import Signer
from django.db.models import Model, QuerySet
from django.utils.crypto import constant_time_compare
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_variables

from invitation.conf import conf

MAIL = "mail"
COPY = "copy"
CHANNELS = (MAIL, COPY)

#: 16 random bytes, 128 bits, as URL-safe base64 (OWASP ASVS 5.0, 11.5.1 asks for 128).
LOCATOR_BYTES = 16
LOCATOR_LENGTH = 22
#: HMAC-SHA256, 32 bytes, as URL-safe base64.
SIGNATURE_LENGTH = 43
KEY_LENGTH = LOCATOR_LENGTH + 1 + SIGNATURE_LENGTH

#: The shape of a key, for those who must find one in a text.
PATTERN = re.compile(rf"[A-Za-z0-9_-]{{{LOCATOR_LENGTH}}}\.[A-Za-z0-9_-]{{{SIGNATURE_LENGTH}}}")

#: What opens something, wherever it stands in a text: a key, or what the link to opt out ends with,
#: which is the other way round (see ``optouts``), as a browser or a proxy may have rewritten it;
#: the code of a shared link as its owner is shown it (see ``codes``); the link as a QR code (see
#: ``qr``); a host's activation key, by what stands before it.
_WRITTEN = re.compile(
    rf"(?P<key>{PATTERN.pattern}|[A-Za-z0-9_-]{{43}}\.[A-Za-z0-9_-]{{22}})".replace(
        r"\.", r"(?:\.|%(?:25)*2[Ee])"
    )
    + r"|(?:(?<![0-9A-Z-])|(?<=%[0-9A-F]{2}))"
    + r"(?P<code>[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){2})(?![0-9A-Z-])"
    + r"|(?P<drawn><svg\b[^>]*\bsegno\b.*?(?:</svg>|\Z))"
    + r"|(?P<before>/activate/|activation_key['\"]?\s*[:=]\s*['\"]?)(?P<activation>[\w.:%-]{20,})",
    re.DOTALL,
)
#: What hosts call the key that activates an account; it has no shape of its own.
ACTIVATION = "activation_key"
#: What is shown in place of a code: no part of it, as it is short.
_CODE_MASK = "****-****-****"

Row = TypeVar("Row", bound=Model)


class Secret(str):
    """A text that opens something: a page or an email prints it, but no ``repr`` shows it.

    So that words such as those of ``NoReverseMatch``, which quote what a template was given, do
    not tell it to a log.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(conceal(str(self)))


class SecretMarkup(SafeString):
    """The same as a piece of HTML."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(conceal(str.__str__(self)))


@dataclass(frozen=True)
class Resolved(Generic[Row]):
    """Hold the row that a key names, and the channel by which the key left the house."""

    row: Row = field(repr=False)
    channel: str


def new_locator() -> str:
    """Return a new random locator of ``LOCATOR_LENGTH`` URL-safe characters."""
    return secrets.token_urlsafe(LOCATOR_BYTES)


def mask(locator: str) -> str:
    """Return what people and logs may see of a locator."""
    return f"{locator[:6]}…"


@sensitive_variables()
def make(locator: str, channel: str, site_id: int) -> Secret:
    """Return the key of this locator for a channel and a site, signed with the first key."""
    signature = _signature(conf.INVITATION_SIGNING_KEYS[0], locator, channel, site_id)
    return Secret(f"{locator}.{signature}")


@sensitive_variables()
def resolve(text: object, rows: QuerySet[Row], site_id: int) -> Resolved[Row] | None:
    """Turn text into the row it names among ``rows``, or ``None``; one query at most.

    Blank, overlong, mutated, not a string, signed for another site or with a lost key: the
    answer is the same, and costs no query.
    """
    channel = channel_of(text, site_id)
    if channel is None or not isinstance(text, str):
        return None
    locator = text.split(".")[0]
    row = rows.filter(locator=locator, site_id=site_id).first()
    # MariaDB compares text without regard to case; the signature was made for this very text.
    if row is None or getattr(row, "locator", None) != locator:
        return None
    return Resolved(row=row, channel=channel)


@sensitive_variables()
def channel_of(text: object, site_id: int) -> str | None:
    """Return by which channel a key left the house, or ``None`` for what this site never signed."""
    if not isinstance(text, str) or len(text) != KEY_LENGTH or not PATTERN.fullmatch(text):
        return None
    locator, signature = text.split(".")
    return _channel(locator, signature, site_id)


@sensitive_variables()
def _channel(locator: str, signature: str, site_id: int) -> str | None:
    for secret in conf.INVITATION_SIGNING_KEYS:
        for channel in CHANNELS:
            if constant_time_compare(signature, _signature(secret, locator, channel, site_id)):
                return channel
    return None


@sensitive_variables()
def _signature(secret: str, locator: str, channel: str, site_id: int) -> str:
    signer = Signer(key=secret, salt=f"invitation:{channel}:{site_id}", algorithm="sha256")
    return signer.signature(locator)


def conceal(text: str) -> str:
    """Return the text with every secret in it cut to what people and logs may see.

    These are keys, what opts out, codes of shared links, links as QR codes, and activation keys. A
    custom code stays: it is public.
    """
    return _WRITTEN.sub(_cut, text)


def _cut(found: re.Match[str]) -> str:
    if found["code"]:
        return _CODE_MASK
    if found["drawn"]:
        return "<svg…>"
    if found["activation"]:
        return found["before"] + mask(found["activation"])
    return mask(found["key"])
