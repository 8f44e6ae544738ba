"""Tell which addresses an account has proven: rules for INVITATION_VERIFIED_ADDRESSES.

Django keeps no note of it, so each rule says by what it knows, and what it takes for granted.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import Exists

from invitation import addresses
from invitation.exceptions import AddressRefused
from invitation.models import Acceptance


def activated_address(user: Any) -> list[str]:
    """Return the account's address if its holder has followed redux's activation mail.

    Unless it came by an invitation to another address: then the present one was typed later. One
    query. Takes for granted that members of a site with open registration or shared links
    cannot change their address without proving the new one.
    """
    email = _canonical(user)
    if not email or not apps.is_installed("registration"):
        return []
    profiles = apps.get_model("registration", "RegistrationProfile")._default_manager
    came = Acceptance.objects.filter(user=user, new_account=True)
    addressed = came.exclude(invitation__email_key="")
    proven = profiles.filter(user=user, activated=True).filter(
        ~Exists(addressed) | Exists(came.filter(invitation__email_key=email))
    )
    return [email] if proven.exists() else []


def invited_address(user: Any) -> list[str]:
    """Return the account's address if the account came by an invitation to it and was activated.

    For sites that register with ``invitation.backends.verified``, where that takes the mailed link
    or an activation mail. One query.
    """
    email = _canonical(user)
    came = Acceptance.objects.filter(user=user, new_account=True, activated_at__isnull=False)
    return [email] if email and came.filter(invitation__email_key=email).exists() else []


def _canonical(user: Any) -> str:
    """Return the account's address in its canonical form, or an empty string."""
    try:
        return addresses.canonical(getattr(user, get_user_model().get_email_field_name(), ""))
    except AddressRefused:
        return ""
