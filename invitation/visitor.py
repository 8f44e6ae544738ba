"""Remember in cookies which invitation a visitor carries, and what a member's form has done.

A cookie and not the session, because a mail scanner's visit must write nothing, and because the
invitation must survive the session flush of a login. The cookie is only a carrier: the key
verifies itself and the row decides, so a forged or replayed cookie gains nothing. Its name
contains "key", which Django's error reports hide.

A member's cookie only tells the page after the form which invitation it is about. It is signed and
holds a row's id and a yes or no; in the session it would cost every invitation a write.

While he looks at a mail before it is sent, another one holds what he has typed, for the frame in
which the mail is shown: nothing of that belongs into an address, which logs keep. It is signed,
goes to the frame's address alone, and is gone after some minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpResponseBase

from invitation import keys

COOKIE_NAME = "invitation_key"
COOKIE_AGE = timedelta(days=1)

#: The link that the visitor followed last and that opened nothing. A cookie of its own: who
#: carries an invitation and then follows an old link keeps what he carries.
ENDED_COOKIE_NAME = "invitation_ended_key"
#: What it holds in place of a text that is no key.
NO_KEY = "none"

OUTCOME_COOKIE_NAME = "invitation_outcome"
OUTCOME_COOKIE_AGE = timedelta(hours=1)

PREVIEW_COOKIE_NAME = "invitation_preview"
PREVIEW_COOKIE_AGE = timedelta(minutes=10)
#: Browsers drop a cookie of more than 4096 bytes, its name and attributes included (RFC 6265, 6.1).
PREVIEW_LENGTH_MAX = 3800


def remember(response: HttpResponseBase, key: str, *, secure: bool) -> None:
    """Let the visitor carry this key; ``secure`` says that he came over TLS."""
    _set(response, COOKIE_NAME, key, COOKIE_AGE, secure)


def recall(cookies: Mapping[str, str]) -> str:
    """Return the key that the visitor carries, or an empty string; it may be anything."""
    return cookies.get(COOKIE_NAME, "")[: keys.KEY_LENGTH + 1]


def forget(response: HttpResponseBase) -> None:
    """Take the key from the visitor."""
    for name in (COOKIE_NAME, ENDED_COOKIE_NAME):
        response.delete_cookie(
            name,
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            samesite="Lax",
        )


def remember_ended(response: HttpResponseBase, text: str, *, secure: bool) -> None:
    """Let the visitor carry the key that has opened nothing, to ask for a new one with it."""
    key = text if keys.PATTERN.fullmatch(text) else NO_KEY
    _set(response, ENDED_COOKIE_NAME, key, COOKIE_AGE, secure)


def recall_ended(cookies: Mapping[str, str]) -> str:
    """Return the key that has opened nothing, ``NO_KEY`` for another text, or an empty string."""
    return cookies.get(ENDED_COOKIE_NAME, "")[: keys.KEY_LENGTH + 1]


def note_outcome(
    response: HttpResponseBase, invitation_id: int, mailed: bool, *, secure: bool
) -> None:
    """Tell the page after the form which invitation was made or renewed, and whether by mail."""
    noted = TimestampSigner(salt=OUTCOME_COOKIE_NAME).sign(f"{invitation_id}.{int(mailed)}")
    _set(response, OUTCOME_COOKIE_NAME, noted, OUTCOME_COOKIE_AGE, secure)


def recall_outcome(cookies: Mapping[str, str]) -> tuple[int, bool] | None:
    """Return the invitation's id and whether a mail was asked for, or ``None``."""
    signer = TimestampSigner(salt=OUTCOME_COOKIE_NAME)
    try:
        noted = signer.unsign(cookies.get(OUTCOME_COOKIE_NAME, ""), max_age=OUTCOME_COOKIE_AGE)
    except BadSignature:
        return None
    invitation_id, mailed = noted.split(".")
    return int(invitation_id), mailed == "1"


def note_preview(
    response: HttpResponseBase, typed: Mapping[str, Any], path: str, *, secure: bool
) -> bool:
    """Tell the frame at this path which mail it is to show; tell whether there was room for it."""
    noted = signing.dumps(dict(typed), salt=PREVIEW_COOKIE_NAME, compress=True)
    if len(noted) > PREVIEW_LENGTH_MAX:
        return False
    _set(response, PREVIEW_COOKIE_NAME, noted, PREVIEW_COOKIE_AGE, secure, path=path)
    return True


def recall_preview(cookies: Mapping[str, str]) -> dict[str, Any]:
    """Return what the member had typed, or nothing."""
    noted = cookies.get(PREVIEW_COOKIE_NAME, "")
    try:
        typed: dict[str, Any] = signing.loads(
            noted, salt=PREVIEW_COOKIE_NAME, max_age=PREVIEW_COOKIE_AGE
        )
    except BadSignature:
        return {}
    return typed


def _set(
    response: HttpResponseBase,
    name: str,
    value: str,
    max_age: timedelta,
    secure: bool,
    *,
    path: str | None = None,
) -> None:
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        secure=secure or settings.SESSION_COOKIE_SECURE,
        path=settings.SESSION_COOKIE_PATH if path is None else path,
        domain=settings.SESSION_COOKIE_DOMAIN,
        httponly=True,
        samesite="Lax",
    )
