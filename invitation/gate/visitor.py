"""Cookies that store a visitor's invitation key and the result of a member's form.

A visitor's key is in a cookie, not in the session. The visit of an email scanner must write nothing
to the database. The invitation must also survive the flush of the session at login. A forged or
replayed cookie gains nothing: the signature of the key is verified, and the row decides. The name
of the cookie contains "key", so Django's error reports hide it.

A member's cookie tells the page after the form which invitation it is about. It is signed, and
contains the id of a row and a yes or no. In the session, it would cost one write for every
invitation.

While a member previews an email, another cookie contains the text that they typed. The frame with
the preview needs it. The text must not be in an address, because logs keep addresses. This cookie
is signed, is sent only to the address of the frame, and expires after some minutes.
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

#: Cookie with the last link that opened nothing. It is separate, so a visitor who has an invitation
#: and follows an old link keeps the invitation.
ENDED_COOKIE_NAME = "invitation_ended_key"
#: Values of that cookie: for a text that is not a key, and after a sign-up in this browser.
NO_KEY, SIGNED_UP = "none", "signed-up"

OUTCOME_COOKIE_NAME = "invitation_outcome"
OUTCOME_COOKIE_AGE = timedelta(hours=1)

PREVIEW_COOKIE_NAME = "invitation_preview"
PREVIEW_COOKIE_AGE = timedelta(minutes=10)
#: Longest value of the cookie. Browsers drop a cookie of more than 4096 bytes, with its name and
#: attributes (RFC 6265, 6.1).
PREVIEW_LENGTH_MAX = 3800


def remember(response: HttpResponseBase, key: str, *, secure: bool) -> None:
    """Store this key in the visitor's cookie; ``secure`` means that they came over TLS."""
    _set(response, COOKIE_NAME, key, COOKIE_AGE, secure)


def recall(cookies: Mapping[str, str]) -> str:
    """Return the key from the visitor's cookie, or an empty string.

    The text is not verified.
    """
    return cookies.get(COOKIE_NAME, "")[: keys.KEY_LENGTH + 1]


def forget(response: HttpResponseBase) -> None:
    """Delete the visitor's cookies with keys."""
    for name in (COOKIE_NAME, ENDED_COOKIE_NAME):
        response.delete_cookie(
            name,
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            samesite="Lax",
        )


def finish(response: HttpResponseBase, *, secure: bool) -> None:
    """Delete the key with which this visitor has just signed up, and store only that they did.

    The browser's back button then shows that the account is there. The cookie says nothing about
    the account or the invitation.
    """
    forget(response)
    _set(response, ENDED_COOKIE_NAME, SIGNED_UP, COOKIE_AGE, secure)


def has_signed_up(cookies: Mapping[str, str]) -> bool:
    """Return whether somebody has just signed up in this browser."""
    return cookies.get(ENDED_COOKIE_NAME) == SIGNED_UP


def remember_ended(response: HttpResponseBase, text: str, *, secure: bool) -> None:
    """Store the key that opened nothing, so that the visitor can ask for a new link."""
    key = text if keys.PATTERN.fullmatch(text) else NO_KEY
    _set(response, ENDED_COOKIE_NAME, key, COOKIE_AGE, secure)


def recall_ended(cookies: Mapping[str, str]) -> str:
    """Return the key that opened nothing, ``NO_KEY`` for another text, or an empty string."""
    if has_signed_up(cookies):
        return ""
    return cookies.get(ENDED_COOKIE_NAME, "")[: keys.KEY_LENGTH + 1]


def note_outcome(
    response: HttpResponseBase, invitation_id: int, mailed: bool, *, secure: bool
) -> None:
    """Store which invitation the form created or renewed, and whether an email was requested.

    The page after the form reads this.
    """
    noted = TimestampSigner(salt=OUTCOME_COOKIE_NAME).sign(f"{invitation_id}.{int(mailed)}")
    _set(response, OUTCOME_COOKIE_NAME, noted, OUTCOME_COOKIE_AGE, secure)


def recall_outcome(cookies: Mapping[str, str]) -> tuple[int, bool] | None:
    """Return the invitation's id and whether an email was requested, or ``None``."""
    signer = TimestampSigner(salt=OUTCOME_COOKIE_NAME)
    try:
        noted = signer.unsign(cookies.get(OUTCOME_COOKIE_NAME, ""), max_age=OUTCOME_COOKIE_AGE)
    except BadSignature:
        return None
    invitation_id, mailed = noted.split(".")
    return int(invitation_id), mailed == "1"


def forget_outcome(response: HttpResponseBase) -> None:
    """Delete the cookie that names the invitation, after a page has shown it."""
    response.delete_cookie(
        OUTCOME_COOKIE_NAME,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        samesite="Lax",
    )


def note_preview(
    response: HttpResponseBase, typed: Mapping[str, Any], path: str, *, secure: bool
) -> bool:
    """Store the typed text for the frame at this path, and return whether it fits."""
    noted = signing.dumps(dict(typed), salt=PREVIEW_COOKIE_NAME, compress=True)
    if len(noted) > PREVIEW_LENGTH_MAX:
        return False
    _set(response, PREVIEW_COOKIE_NAME, noted, PREVIEW_COOKIE_AGE, secure, path=path)
    return True


def recall_preview(cookies: Mapping[str, str]) -> dict[str, Any]:
    """Return the text that the member typed, or an empty dictionary."""
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
