"""Guests who sign up on the pages of another app: of ``invitation``, or of allauth."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.http import HttpRequest

from invitation.lazysignup import invited
from invitation.lazysignup.guests import forget_guest, is_lazy_user
from invitation.lazysignup.models import LazyUser


def connect() -> None:
    """Let the pages of the installed apps know guests."""
    if invited.is_on():
        from invitation import gate

        gate.know_guests(find, finish)
    if apps.is_installed("allauth.socialaccount"):
        from allauth.socialaccount.signals import social_account_added

        social_account_added.connect(convert_connected, dispatch_uid="lazysignup.allauth")


def find(request: HttpRequest) -> Any:
    """Return the guest of a request, or ``None``."""
    if not is_lazy_user(request.user):
        return None
    invited.carry(request, request.user)
    rows: Any = get_user_model()._default_manager
    return rows.get(pk=request.user.pk)


def finish(request: HttpRequest, user: Any) -> None:
    """Make a regular user of a guest whose account another app has just saved."""
    LazyUser.objects.finish(user)
    forget_guest(request)


def convert_connected(sender: Any, request: HttpRequest, sociallogin: Any, **kwargs: Any) -> None:
    """Make a regular user of a guest who has connected an account of a provider."""
    if is_lazy_user(sociallogin.user):
        with invited.claiming(request, getattr(sociallogin.user, "email", "")) as claim:
            claim.user = sociallogin.user
            finish(request, sociallogin.user)
