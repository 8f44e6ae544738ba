"""Guests in a request: who may become one, who is one, and when one was last active."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, JsonResponse
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
#: Backends of the sessions that guests had with the old packages, and that of this app.
OLD_BACKENDS = (
    "lazysignup.backends.LazySignupBackend",
    "guest_user.backends.GuestBackend",
    "invitation.lazysignup.backends.LazySignupBackend",
)
#: Methods that only look, and headers of browsers that load a page in advance.
LOOKING = frozenset({"HEAD", "OPTIONS", "TRACE"})
IN_ADVANCE = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
LIMIT_TEMPLATE = "lazysignup/limit.html"


def is_lazy_user(user: Any) -> bool:
    """Return whether an account is that of a guest.

    Asks the database once, and not at all for an account with a password, or where
    ``LazySignupMiddleware`` knows.
    """
    if not getattr(user, "is_authenticated", False):
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
    agent = request.headers.get("User-Agent", "")
    looks_on = conf.LAZYSIGNUP_ON_GET if on_get is None else on_get
    if request.method == "GET" and not (looks_on and agent):  # Every browser names itself.
        return False
    if any("pre" in request.headers.get(name, "").lower() for name in IN_ADVANCE):
        return False
    robots = conf.robots
    return robots is None or not robots.search(agent)


def session_backend() -> str:
    """Return the backend of a guest's session: one that the site has."""
    names = [name for name in settings.AUTHENTICATION_BACKENDS if name not in OLD_BACKENDS]
    return BACKEND if BACKEND in names or not names else names[0]


def become_guest(request: HttpRequest) -> Any:
    """Make the anonymous visitor of this request a guest, and return the account.

    What the session holds stays in it, under a new id. Raises ``TooManyGuests``.
    """
    limiting.count(request)
    user, _name = LazyUser.objects.create_lazy_user(request)
    auth.login(request, user, backend=session_backend())
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
            return too_many(request, error)
    return None


def too_many(request: HttpRequest, error: TooManyGuests) -> HttpResponse:
    """Return the answer to a client that has done something too often."""
    response: HttpResponse = JsonResponse({"detail": str(error)}, status=429)
    if not wants_json(request):
        response = render(request, LIMIT_TEMPLATE, invited.looks(), status=429)
    response["Retry-After"] = str(error.seconds)
    return response


def wants_json(request: HttpRequest) -> bool:
    """Return whether the client prefers JSON to a page."""
    preferred = request.get_preferred_type(["text/html", "application/json"])
    script = request.headers.get("X-Requested-With") == "XMLHttpRequest"
    return script or preferred == "application/json"


def adopt(request: HttpRequest) -> None:
    """Let the session of a guest of one of the old packages go on."""
    if request.session.get(auth.BACKEND_SESSION_KEY) in OLD_BACKENDS:
        request.session[auth.BACKEND_SESSION_KEY] = session_backend()
        request.session[FLAG] = request.session.get(auth.SESSION_KEY)


def remember(request: HttpRequest, user: Any) -> None:
    """Let the session know that an account that has just logged in is a guest."""
    if is_lazy_user(user):
        request.session[FLAG] = str(user.pk)


def recognise(request: HttpRequest, user: Any) -> None:
    """Let an account know whether it is a guest, and record the activity of a guest.

    The session tells the first. The second is one statement, and at most one in an hour.
    """
    known = request.session.get(FLAG) == str(user.pk) and not user.has_usable_password()
    setattr(user, KNOWN, known)
    if known:
        _note_activity(request, user, timezone.now())


def _note_activity(request: HttpRequest, user: Any, now: datetime) -> None:
    if not 0 <= now.timestamp() - request.session.get(SEEN, 0) < conf.apart.total_seconds():
        request.session[SEEN] = now.timestamp()
        if not LazyUser.objects.seen(user.pk, now):  # It has signed up elsewhere.
            setattr(user, KNOWN, False)
            request.session.pop(FLAG)


def fresh(user: Any) -> Any:
    """Return the row of a guest's account, ready for the form that signs the guest up.

    As a member, the account begins now: the time in an activation link counts from then.
    """
    rows: Any = auth.get_user_model()._base_manager
    row = rows.get(pk=user.pk)
    # The member begins now: a login as a guest is none. A model without such fields ignores it.
    row.date_joined, row.last_login = timezone.now(), None
    return row


def leave_session(request: HttpRequest) -> None:
    """Log a guest out who has signed up. What else is in the session stays, under a new id."""
    session = request.session
    if FLAG not in session:
        return  # The host has logged the new account in.
    for key in (FLAG, SEEN, auth.SESSION_KEY, auth.BACKEND_SESSION_KEY, auth.HASH_SESSION_KEY):
        session.pop(key, None)
    session.cycle_key()
    anonymous = AnonymousUser()

    async def auser() -> Any:
        return anonymous

    vars(request).update(user=anonymous, auser=auser, _cached_user=anonymous)
