"""Guests in a request: who may become one, who is one, and when one was last active."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from invitation.lazysignup import invited, limiting
from invitation.lazysignup.conf import conf
from invitation.lazysignup.exceptions import TooManyGuests
from invitation.lazysignup.models import KNOWN, LazyUser

#: Keys of the session: the id of the account that is a guest, and when its activity was recorded.
FLAG, SEEN = "lazysignup_guest", "lazysignup_seen"
#: Backend of a guest's session. It logs nobody in by name alone.
BACKEND = "django.contrib.auth.backends.ModelBackend"
#: Time between two records of a guest's activity, at most a tenth of the time that it may rest.
APART = timedelta(hours=1)
#: Methods that only look, and headers of browsers that load a page in advance.
LOOKING = frozenset({"HEAD", "OPTIONS", "TRACE"})
IN_ADVANCE = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
LIMIT_TEMPLATE = "lazysignup/limit.html"


def is_lazy_user(user: Any) -> bool:
    """Return whether an account is that of a guest.

    Asks the database once, and not at all for an account with a password, or where
    ``LazySignupMiddleware`` knows.
    """
    if user is None or not user.is_authenticated:
        return False
    known: bool | None = getattr(user, KNOWN, None)
    if known is None:
        known = not user.has_usable_password() and LazyUser.objects.filter(user=user.pk).exists()
        setattr(user, KNOWN, known)
    return known


#: Name in django-guest-user.
is_guest_user = is_lazy_user


def may_become_guest(request: HttpRequest, on_get: bool | None = None) -> bool:
    """Return whether the visitor of this request may become a guest: a person who does something.

    ``on_get`` says whether a GET request counts as such; ``None`` asks LAZYSIGNUP_ON_GET.
    """
    if not conf.LAZYSIGNUP_ENABLE or request.method in LOOKING:
        return False
    if request.method == "GET" and not (conf.LAZYSIGNUP_ON_GET if on_get is None else on_get):
        return False
    if any("pre" in request.headers.get(name, "").lower() for name in IN_ADVANCE):
        return False
    robots = conf.robots
    return robots is None or not robots.search(request.headers.get("User-Agent", ""))


def become_guest(request: HttpRequest) -> Any:
    """Make the anonymous visitor of this request a guest, and return the account.

    What the session holds stays in it, under a new id. Raises ``TooManyGuests``.
    """
    limiting.count(request)
    user, _name = LazyUser.objects.create_lazy_user(request)
    login(request, user, backend=BACKEND)
    request.session[FLAG] = str(user.pk)
    request.session[SEEN] = timezone.now().timestamp()
    return user


def prepare(request: HttpRequest, on_get: bool | None = None) -> HttpResponse | None:
    """Make the visitor of this request a guest if they may become one.

    Returns the page for a client that has made too many guests, or ``None``.
    """
    if request.user.is_anonymous and may_become_guest(request, on_get):
        try:
            become_guest(request)
        except TooManyGuests as error:
            response = render(request, LIMIT_TEMPLATE, invited.looks(), status=429)
            response["Retry-After"] = str(error.seconds)
            return response
    return None


def recognise(request: HttpRequest, user: Any) -> None:
    """Let an account know whether it is a guest, and record the activity of a guest.

    The session tells the first. The second is one statement, and at most one in an hour.
    """
    guest = request.session.get(FLAG)
    setattr(user, KNOWN, guest is not None and guest == str(user.pk))
    if getattr(user, KNOWN):
        _note_activity(request, user, timezone.now())


def _note_activity(request: HttpRequest, user: Any, now: datetime) -> None:
    seen, apart = request.session.get(SEEN, 0), min(APART, conf.max_age / 10)
    if not 0 <= now.timestamp() - seen < apart.total_seconds():
        setattr(user, KNOWN, LazyUser.objects.seen(user.pk, now))
        request.session[SEEN] = now.timestamp()


def forget_guest(request: HttpRequest) -> None:
    """Remove what the session knows of a guest."""
    for key in (FLAG, SEEN):
        request.session.pop(key, None)
