"""Confirmed addresses of accounts: what allauth knows of them, and what it means for a claim.

``verified_addresses`` is a rule for INVITATION_VERIFIED_ADDRESSES.
"""

from __future__ import annotations

from typing import Any

from allauth.account import app_settings
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed
from allauth.account.utils import has_verified_email
from django.http import HttpRequest

from invitation.flows import arriving


def verified_addresses(user: Any) -> list[str]:
    """Return the verified addresses of an account; one query."""
    rows = EmailAddress.objects.filter(user=user, verified=True).order_by("pk")
    return list(rows.values_list("email", flat=True))


def listen() -> None:
    """Connect the receiver of allauth's signal; ``backends.receivers`` calls it."""
    email_confirmed.connect(record_confirmation, dispatch_uid="invitation.email_confirmed")


def record_confirmation(
    sender: Any, request: HttpRequest, email_address: Any, **kwargs: Any
) -> None:
    """Record that the holder of an account has proven its address, and can use the account."""
    user = email_address.user
    if arriving.own_address(user).lower() == email_address.email.lower():
        arriving.prove(user)
    arriving.activate(user)


def was_usable(user: Any) -> bool:
    """Return whether the holder of an account could log in: after confirming, if that is needed."""
    mandatory = app_settings.EmailVerificationMethod.MANDATORY
    if mandatory != app_settings.EMAIL_VERIFICATION:
        return bool(user.is_active)
    return bool(user.is_active) and has_verified_email(user)
