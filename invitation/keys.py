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

#: The same, or what the link to opt out ends with, which is the other way round (see ``optouts``),
#: as a browser or a proxy may have rewritten it.
_WRITTEN = re.compile(
    rf"{PATTERN.pattern}|[A-Za-z0-9_-]{{43}}\.[A-Za-z0-9_-]{{22}}".replace(r"\.", r"(?:\.|%2[Ee])")
)

Row = TypeVar("Row", bound=Model)


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


def make(locator: str, channel: str, site_id: int) -> str:
    """Return the key of this locator for a channel and a site, signed with the first key."""
    return f"{locator}.{_signature(conf.INVITATION_SIGNING_KEYS[0], locator, channel, site_id)}"


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


def channel_of(text: object, site_id: int) -> str | None:
    """Return by which channel a key left the house, or ``None`` for what this site never signed."""
    if not isinstance(text, str) or len(text) != KEY_LENGTH or not PATTERN.fullmatch(text):
        return None
    locator, signature = text.split(".")
    return _channel(locator, signature, site_id)


def _channel(locator: str, signature: str, site_id: int) -> str | None:
    for secret in conf.INVITATION_SIGNING_KEYS:
        for channel in CHANNELS:
            if constant_time_compare(signature, _signature(secret, locator, channel, site_id)):
                return channel
    return None


def _signature(secret: str, locator: str, channel: str, site_id: int) -> str:
    signer = Signer(key=secret, salt=f"invitation:{channel}:{site_id}", algorithm="sha256")
    return signer.signature(locator)


def conceal(text: str) -> str:
    """Return the text with every key in it cut to what people and logs may see."""
    return _WRITTEN.sub(lambda found: mask(found.group()), text)
