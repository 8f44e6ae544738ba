"""Guests who sign up on the pages of another app: of ``invitation``, or of allauth."""

from __future__ import annotations

from sys import modules
from typing import Any

from django.apps import apps
from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest

from invitation.lazysignup import invited, late_login
from invitation.lazysignup.exceptions import NotLazyError
from invitation.lazysignup.guests import fresh, is_lazy_user, leave_session, session_backend
from invitation.lazysignup.models import LazyUser


def connect() -> None:
    """Let the pages of the installed apps know guests."""
    if invited.is_on():
        from invitation import gate

        gate.know_guests(modules[__name__])
    if apps.is_installed("allauth.socialaccount"):
        from allauth.socialaccount.signals import social_account_added

        social_account_added.connect(convert_connected, dispatch_uid="lazysignup.allauth")


#: Part of ``gate.Guests``, as all functions that follow.
is_guest = is_lazy_user


def find(request: HttpRequest) -> Any:
    """Return a fresh row of the account of a request's guest, or ``None``."""
    user = getattr(request, "user", None)
    return fresh(user) if is_lazy_user(user) else None


def hold(guest: Any) -> None:
    """Lock a guest in the transaction that signs them up. Raises ``Busy`` if it is gone."""
    from invitation.exceptions import Busy

    try:
        LazyUser.objects.hold(guest)
    except NotLazyError as error:
        raise Busy() from error


def finish(user: Any) -> None:
    """Make a regular user of a guest whose account is saved, in the same transaction."""
    LazyUser.objects.finish(user)


def leave(request: HttpRequest) -> None:
    """End the login of a guest who has signed up; what else is in the session stays."""
    leave_session(request)


watch = late_login.watch


def bound_key(request: HttpRequest, guest: Any) -> str:
    """Return the key of the invitation that a guest came with, or an empty string."""
    return invited.bound_key(request, guest)


def may_look_around(request: HttpRequest, invitation: Any) -> bool:
    """Return whether the holder of an invitation may become a guest first."""
    return invited.may_look_around(invitation)


def convert_connected(sender: Any, request: HttpRequest, sociallogin: Any, **kwargs: Any) -> None:
    """Make a regular user of a guest who has connected an account of a provider."""
    # With the app ``invitation``, its adapter makes a sign-up of it, which the gate lets through.
    if not invited.is_on() and is_lazy_user(sociallogin.user):
        with transaction.atomic():
            LazyUser.objects.finish(sociallogin.user)
        leave_session(request)
        login(request, sociallogin.user, backend=session_backend())
