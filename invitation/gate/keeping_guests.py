"""Guests at the gate: visitors whose account exists before they sign up.

An optional app makes them, such as ``invitation.lazysignup``. The trunk knows only what is in
``Guests``. Without such an app, nothing here runs a query.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from invitation.flows import quota

#: Names of attributes of a request: the account of its guest, or ``None``; and, while the guest
#: signs up, its id.
GUEST, KEPT = "_invitation_guest", "_invitation_guest_kept"


class Guests(Protocol):
    """What an optional app does with its guests. A module may be one."""

    def is_guest(self, user: Any) -> bool:
        """Return whether an account is that of a guest."""

    def find(self, request: HttpRequest) -> Any:
        """Return a fresh row of the account of a request's guest, or ``None``."""

    def hold(self, guest: Any) -> None:
        """Lock a guest in the transaction that signs them up. Raises ``Busy`` if it is gone."""

    def finish(self, user: Any) -> None:
        """Make a regular user of a guest whose account is saved, in the same transaction."""

    def leave(self, request: HttpRequest) -> None:
        """End the login of a guest who has signed up. The rest of the session stays."""

    def watch(self, request: HttpRequest) -> None:
        """Keep what is in the session of a guest if a login to another account ends it."""

    def bound_key(self, request: HttpRequest, guest: Any) -> str:
        """Return the key of the invitation that a guest came with, or an empty string.

        ``guest`` is ``None`` after a login to another account.
        """

    def may_look_around(self, request: HttpRequest, invitation: Any) -> bool:
        """Return whether the holder of an invitation may become a guest first."""


_known: dict[Guests, None] = {}


def know_guests(guests: Guests) -> None:
    """Let the sign-up pages know the guests of an optional app."""
    _known[guests] = None
    quota.know_guests(guests.is_guest)


def knows_guests() -> bool:
    """Return whether an optional app has guests."""
    return bool(_known)


def guest_of(request: Any) -> Any:
    """Return a copy of the account that this visitor has as a guest, or ``None``.

    Signing up makes a regular user of it, with the same id.
    """
    guest = _remembered(innermost(request))
    return None if guest is None else copy.copy(guest)


def _remembered(request: HttpRequest) -> Any:
    if GUEST not in vars(request):
        found = (guests.find(request) for guests in _known)
        setattr(request, GUEST, next((guest for guest in found if guest is not None), None))
    return getattr(request, GUEST)


def is_member(request: HttpRequest) -> bool:
    """Return whether somebody is logged in who is not a guest."""
    return request.user.is_authenticated and guest_of(request) is None


def renew_guest(request: HttpRequest) -> None:
    """Read the guest of a request again, before another try of a transaction."""
    guest = vars(request).get(GUEST)
    if guest is not None:
        rows: Any = type(guest)._default_manager
        setattr(request, GUEST, rows.filter(pk=guest.pk).first())


@contextmanager
def keeping_guest(request: Any) -> Iterator[list[Any]]:
    """Make a regular user of a guest if the block creates no other account.

    It runs in the transaction of the sign-up. The block appends the account that it has saved to
    the list. Raises ``Busy`` if the guest has signed up or expired in the meantime.
    """
    inner, made = innermost(request), list[Any]()
    guest = _remembered(inner)
    if guest is None:
        yield made
        return
    for guests in _known:
        guests.hold(guest)
    setattr(inner, KEPT, guest.pk)
    try:
        yield made
    finally:
        delattr(inner, KEPT)
    for guests in _known:
        if made and made[0].pk == guest.pk:
            guests.finish(made[0])


def is_keeping(request: Any, user: Any) -> bool:
    """Return whether the running block of a sign-up makes a regular user of this guest."""
    kept = getattr(innermost(request), KEPT, None)
    return kept is not None and kept == user.pk


def leave_guest(request: Any, user: Any) -> None:
    """Log a guest out after the commit, if the account that signed up is that of the guest.

    What else is in the session stays. Then the host logs the account in, or not, as it does with
    any account that has just signed up.
    """
    inner = innermost(request)
    guest = _remembered(inner)
    if guest is not None and user is not None and guest.pk == user.pk:
        for guests in _known:
            guests.leave(inner)
        setattr(inner, GUEST, None)


def watch_guest(request: HttpRequest) -> None:
    """Keep what is in the session of a guest, where a host has put another in its place."""
    for guests in _known:
        guests.watch(request)


@contextmanager
def as_anonymous(request: HttpRequest) -> Iterator[None]:
    """Let a host take a guest for an anonymous visitor in the block: most redirect others away."""
    if _remembered(request) is None:
        yield
        return
    user = request.user
    request.user = anonymous = AnonymousUser()
    try:
        yield
    finally:
        if request.user is anonymous and _remembered(request) is not None:
            request.user = user


def bound_key(request: HttpRequest) -> str:
    """Return the key of the invitation that a visitor came with as a guest, or nothing."""
    guest = _remembered(request)
    keys = (guests.bound_key(request, guest) for guests in _known)
    return next(filter(None, keys), "")


def may_look_around(request: HttpRequest, invitation: Any) -> bool:
    """Return whether the visitor may use the site as a guest before they accept an invitation."""
    if not _known or is_member(request):
        return False
    return any(guests.may_look_around(request, invitation) for guests in _known)


def innermost(request: Any) -> HttpRequest:
    """Return Django's request, which the request of an API framework may wrap.

    Its attributes are not held in a variable: an error report would print the headers that the site
    hides.
    """
    inner: HttpRequest = getattr(request, "_request", request)
    return inner
