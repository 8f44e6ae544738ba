"""Guests in a request: who may become one, who is one, and what its session holds."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render, resolve_url
from django.utils import timezone
from django.utils.crypto import salted_hmac

from invitation.addresses.networks import network
from invitation.conf import conf as invitation_conf
from invitation.lazysignup.conf import conf
from invitation.lazysignup.exceptions import TooManyGuests
from invitation.lazysignup.models import KNOWN, GuestCounter, LazyUser

#: Keys of the session: the id of the account that is a guest, and when its activity was recorded.
FLAG, SEEN = "lazysignup_guest", "lazysignup_seen"
#: Keys of the session that belong to one account.
OWN = (FLAG, SEEN, auth.SESSION_KEY, auth.BACKEND_SESSION_KEY, auth.HASH_SESSION_KEY)
#: Backend of a guest's session. It logs nobody in by name alone.
BACKEND = "django.contrib.auth.backends.ModelBackend"
#: Backends of the sessions that guests had with the old packages, and that of this app.
INERT = "invitation.lazysignup.backends.LazySignupBackend"
OLD_BACKENDS = ("lazysignup.backends.LazySignupBackend", "guest_user.backends.GuestBackend", INERT)
#: Methods that only look, and headers of browsers that load a page in advance.
LOOKING = frozenset({"HEAD", "OPTIONS", "TRACE"})
IN_ADVANCE = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
#: Emails that confirm an address in an hour: for one client, and to one mailbox.
EMAILS_PER_CLIENT, EMAILS_PER_MAILBOX = 20, 5
#: Whether the site has invitations. Then their templates give our pages their look.
WITH_INVITATIONS = apps.is_installed("invitation")
BASE, FIELDS = "invitation/base.html", "invitation/includes/form.html"
LOOK = {"base_template": BASE, "fields_template": FIELDS} if WITH_INVITATIONS else {}


def is_lazy_user(user: Any) -> bool:
    """Return whether an account is that of a guest.

    Asks the database once, and not at all where ``LazySignupMiddleware`` knows. A guest who sets a
    password on another page, such as that of allauth, is a guest still.
    """
    if not getattr(user, "is_authenticated", False):
        return False
    known: bool | None = getattr(user, KNOWN, None)
    if known is None:
        known = LazyUser.objects.filter(user=user.pk).exists()
        setattr(user, KNOWN, known)
    return known


#: Name in django-guest-user.
is_guest_user = is_lazy_user


# Becoming a guest


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


def become_guest(request: HttpRequest) -> Any:
    """Make the anonymous visitor of this request a guest, and return the account.

    What the session holds stays in it, under a new id. Raises ``TooManyGuests``.
    """
    count(request)
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


# Limits, kept in the database


def count(request: Any) -> None:
    """Count a new guest. Raises ``TooManyGuests``; then nothing is made.

    The counter of the client comes first, so that one client cannot use up the common limit.
    """
    take = GuestCounter.objects.take
    take(hashed("client", client_of(request)), conf.LAZYSIGNUP_LIMIT_PER_CLIENT)
    take("all", conf.LAZYSIGNUP_LIMIT)


def count_email(request: Any, email: str) -> None:
    """Count an email that confirms an address. Raises ``TooManyGuests``; then none is sent."""
    GuestCounter.objects.take(hashed("sender", client_of(request)), EMAILS_PER_CLIENT)
    GuestCounter.objects.take(hashed("mailbox", email.lower()), EMAILS_PER_MAILBOX)


def hashed(kind: str, text: str) -> str:
    """Return a keyed hash, from which nobody can tell the address."""
    return salted_hmac(f"lazysignup.{kind}", text, algorithm="sha256").hexdigest()[:32]


def client_of(request: Any) -> str:
    """Return a client's address; of an IPv6 address, its network of 64 bits."""
    rule = invitation_conf.client_address
    return network(str((rule(request) if rule else request.META.get("REMOTE_ADDR")) or ""))


# Answers


def wants_json(request: HttpRequest) -> bool:
    """Return whether the client prefers JSON to a page."""
    preferred = request.get_preferred_type(["text/html", "application/json"])
    script = request.headers.get("X-Requested-With") == "XMLHttpRequest"
    return script or preferred == "application/json"


def page(request: HttpRequest, template: str, status: int = 200, **context: Any) -> HttpResponse:
    """Return a page of this app."""
    return render(request, template, {**LOOK, **context}, status=status)


def too_many(request: HttpRequest, error: TooManyGuests) -> HttpResponse:
    """Return the answer to a client that has done something too often."""
    response: HttpResponse = JsonResponse({"detail": str(error)}, status=429)
    if not wants_json(request):
        login = resolve_url(settings.LOGIN_URL)
        response = page(request, "lazysignup/limit.html", 429, login_url=login)
    response["Retry-After"] = str(error.seconds)
    return response


# The session of a guest


def session_backend() -> str:
    """Return the backend of a guest's session: one that the site has."""
    names = [name for name in settings.AUTHENTICATION_BACKENDS if name not in OLD_BACKENDS]
    return BACKEND if BACKEND in names or not names else names[0]


def recognise(request: HttpRequest, user: Any) -> Any:
    """Return the account of a request, which then knows whether it is a guest.

    The session tells. That of a guest of one of the old packages goes on. The activity of a guest
    is recorded with one statement, at most once in an hour.
    """
    session, now = request.session, timezone.now()
    if session.get(auth.BACKEND_SESSION_KEY) in OLD_BACKENDS:
        session[auth.BACKEND_SESSION_KEY] = session_backend()
        session[FLAG] = session.get(auth.SESSION_KEY)
    if not user.is_authenticated:
        return user
    known = session.get(FLAG) == str(user.pk)
    if known and not 0 <= now.timestamp() - session.get(SEEN, 0) < conf.apart.total_seconds():
        session[SEEN] = now.timestamp()
        known = LazyUser.objects.seen(user.pk, now)
        if not known:  # It has signed up elsewhere.
            session.pop(FLAG)
    # Staff may make a member of a guest with a password, whose session goes on: the row knows.
    setattr(user, KNOWN, None if known and user.has_usable_password() else known)
    return user


def fresh(user: Any) -> Any:
    """Return the row of a guest's account, ready for the form that signs the guest up.

    As a member, the account begins now: the time in an activation link counts from then.
    """
    row: Any = auth.get_user_model()._base_manager.get(pk=user.pk)
    # The member begins now: a login as a guest is none. A model without such fields ignores it.
    row.date_joined, row.last_login = timezone.now(), None
    return row


def leave_session(request: HttpRequest) -> None:
    """Log a guest out who has signed up. What else is in the session stays, under a new id."""
    session = request.session
    if FLAG not in session:
        return  # The host has logged the new account in.
    for key in OWN:
        session.pop(key, None)
    session.cycle_key()
    nobody = AnonymousUser()
    vars(request).update(user=nobody, auser=sync_to_async(AnonymousUser), _cached_user=nobody)


def log_in(request: HttpRequest, user: Any) -> None:
    """Log in the account with which the guest of a request has signed up; the session stays."""
    leave_session(request)
    auth.login(request, user, backend=session_backend())


def convert_connected(sender: Any, request: HttpRequest, sociallogin: Any, **kwargs: Any) -> None:
    """Make a regular user of a guest who has connected an account of a provider."""
    if is_lazy_user(sociallogin.user):
        LazyUser.objects.convert_account(sociallogin.user)
        log_in(request, sociallogin.user)
