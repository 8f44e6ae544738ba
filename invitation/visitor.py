"""Remember, recall and forget which invitation a visitor carries: a cookie, and nothing else.

A cookie and not the session, because a mail scanner's visit must write nothing, and because the
invitation must survive the session flush of a login. The cookie is only a carrier: the key
verifies itself and the row decides, so a forged or replayed cookie gains nothing. Its name
contains "key", which Django's error reports hide.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.http import HttpResponseBase

from invitation import keys

COOKIE_NAME = "invitation_key"
COOKIE_AGE = timedelta(days=1)


def remember(response: HttpResponseBase, key: str, *, secure: bool) -> None:
    """Let the visitor carry this key; ``secure`` says that he came over TLS."""
    response.set_cookie(
        COOKIE_NAME,
        key,
        max_age=COOKIE_AGE,
        secure=secure or settings.SESSION_COOKIE_SECURE,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        httponly=True,
        samesite="Lax",
    )


def recall(cookies: Mapping[str, str]) -> str:
    """Return the key that the visitor carries, or an empty string; it may be anything."""
    return cookies.get(COOKIE_NAME, "")[: keys.KEY_LENGTH + 1]


def forget(response: HttpResponseBase) -> None:
    """Take the key from the visitor."""
    response.delete_cookie(
        COOKIE_NAME,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        samesite="Lax",
    )
