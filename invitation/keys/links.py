"""Invitation keys: how they are made, read and compared.

    key = <locator> "." <signature>

The locator is random and is stored in the row. The signature is derived from it with the site's
signing keys and is not stored. So a copy of the database opens nothing. The same link can be made
again for a resend or a retry. The salt binds a key to its channel and its site:

``MAIL``
    only in the email to the invited person: its holder can read that mailbox.
``COPY``
    visible to the inviter, who may pass it on: it proves nothing.

Expiry, uses and state are always in the row, never in the key.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Generic, TypeVar

from django.core.signing import Signer
from django.db.models import Model
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

#: Pattern of a key, for finding one in a text.
PATTERN = re.compile(rf"[A-Za-z0-9_-]{{{LOCATOR_LENGTH}}}\.[A-Za-z0-9_-]{{{SIGNATURE_LENGTH}}}")

#: Pattern of the text between the symbols of a typed code, also percent-encoded (see ``codes``).
_BETWEEN = (
    r"(?:[\s+\u2010-\u2015\u2212-]|%(?:25)*2[0Dd]"
    r"|%(?:25)*[Ee]2%(?:25)*(?:80%(?:25)*9[0-5]|88%(?:25)*92))*"
)
_SLASH = r"(?:/|%(?:25)*2[Ff])"


#: Secrets in a text, as a browser or a proxy may have rewritten them. In this order: keys, and
#: tokens of unsubscribe links, which have the two parts the other way round (see ``optouts``);
#: codes of shared links as the owner sees them (see ``codes``); QR codes of links (see ``qr``);
#: codes as people type them, and activation keys of a registration backend, both found by the text
#: before them.
_WRITTEN = (
    rf"(?P<key>{PATTERN.pattern}|[A-Za-z0-9_-]{{43}}\.[A-Za-z0-9_-]{{22}})".replace(
        r"\.", r"(?:\.|%(?:25)*2[Ee])"
    )
    + r"|(?:(?<![0-9A-Z-])|(?<=%[0-9A-F]{2}))"
    + r"(?P<code>[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){2})(?![0-9A-Z-])"
    + r"|(?P<drawn><svg\b[^>]*\bsegno\b.*?(?:</svg>|\Z))"
    # As people type it: only what stands before it tells.
    + rf"|(?P<asked>{_SLASH}join{_SLASH}|\b(?:code|word)(?:['\"]: ?\[?['\"]|=['\"]?))"
    + rf"{_BETWEEN}(?P<typed>[0-9A-TV-Za-tv-z](?:{_BETWEEN}[0-9A-TV-Za-tv-z]){{11}})"
    + r"(?![0-9A-Za-z_])"
    + rf"|(?P<before>{_SLASH}activate{_SLASH}|activation_key['\"]?\s*[:=]\s*['\"]?)"
    + r"(?P<activation>[\w.:%-]{20,})"
)
#: Name that registration backends give to an activation key. It has no pattern of its own.
ACTIVATION = "activation_key"
#: Text shown in place of a code. It contains no part of the code, because a code is short.
CODE_MASK = "****-****-****"

Row = TypeVar("Row", bound=Model)


class Secret(str):
    """Text that opens something: pages and emails print it, but ``repr`` hides it.

    Messages such as those of ``NoReverseMatch`` quote the values of a template. With this class,
    they do not write a secret into a log.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(conceal(str(self)))


class SecretMarkup(SafeString):
    """HTML whose ``repr`` hides the secrets in it, as ``Secret`` does."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(conceal(str.__str__(self)))


@dataclass(frozen=True)
class Resolved(Generic[Row]):
    """Row that a key names, and the channel through which the key was given out."""

    row: Row = field(repr=False)
    channel: str


def new_locator() -> str:
    """Return a new random locator of ``LOCATOR_LENGTH`` URL-safe characters."""
    return secrets.token_urlsafe(LOCATOR_BYTES)


def mask(locator: str) -> str:
    """Return the part of a locator that people and logs may see."""
    return f"{locator[:6]}…"


@sensitive_variables()
def make(locator: str, channel: str, site_id: int) -> Secret:
    """Return the key of this locator for a channel and a site, signed with the first key."""
    signature = _signature(conf.INVITATION_SIGNING_KEYS[0], locator, channel, site_id)
    return Secret(f"{locator}.{signature}")


@sensitive_variables()
def resolve(
    text: object, find: Callable[[str, int], Row | None], site_id: int
) -> Resolved[Row] | None:
    """Return the row that a text names, and its channel, or ``None``.

    ``find`` returns the row of a locator and a site. It is not called for a text that this site
    never signed. Such a text is blank, too long, changed, or not a string. Or it was signed for
    another site, or with a lost key.
    """
    channel = channel_of(text, site_id)
    if channel is None or not isinstance(text, str):
        return None
    locator = text.split(".")[0]
    row = find(locator, site_id)
    # MariaDB ignores case when it compares text. The signature is valid for the exact text only.
    if row is None or getattr(row, "locator", None) != locator:
        return None
    return Resolved(row=row, channel=channel)


@sensitive_variables()
def channel_of(text: object, site_id: int) -> str | None:
    """Return the channel of a key, or ``None`` for a text that this site never signed."""
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
    """Return the text with every secret in it cut to the part that people may see.

    Secrets are keys, tokens of unsubscribe links, codes of shared links, QR codes of links, and
    activation keys. A custom code stays: it is public.
    """
    return _written().sub(_cut, text)


@cache
def _written() -> re.Pattern[str]:
    """Return the pattern of all secrets, which takes long to compile."""
    return re.compile(_WRITTEN, re.DOTALL)


def _cut(found: re.Match[str]) -> str:
    if found["code"]:
        return CODE_MASK
    if found["typed"]:
        return found["asked"] + CODE_MASK
    if found["drawn"]:
        return "<svg…>"
    if found["activation"]:
        return found["before"] + mask(found["activation"])
    return mask(found["key"])
