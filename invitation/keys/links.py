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

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.core.signing import base64_hmac
from django.db.models import Model
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from invitation.conf import conf
from invitation.keys.written import (
    LOCATOR_BYTES,
    LOCATOR_LENGTH,
    PATTERN,
    SIGNATURE_LENGTH,
    Secret,
)

MAIL = "mail"
COPY = "copy"
CHANNELS = (MAIL, COPY)

KEY_LENGTH = LOCATOR_LENGTH + 1 + SIGNATURE_LENGTH

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Resolved(Generic[Row]):
    """Row that a key names, and the channel through which the key was given out."""

    row: Row = field(repr=False)
    channel: str


def new_locator() -> str:
    """Return a new random locator of ``LOCATOR_LENGTH`` URL-safe characters."""
    return secrets.token_urlsafe(LOCATOR_BYTES)


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
    # What Signer(key=secret, salt=f"invitation:{channel}:{site_id}").signature(locator) returns.
    return base64_hmac(f"invitation:{channel}:{site_id}signer", locator, secret, algorithm="sha256")
