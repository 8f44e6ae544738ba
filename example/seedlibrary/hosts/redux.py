"""Accounts of django-registration-redux."""

from __future__ import annotations

from typing import Any

from django.contrib.sites.models import Site
from registration.models import RegistrationProfile

#: How people log in.
LOGIN_NAME = "{login}"


def save_waiting(user: Any) -> Any:
    """Save the account of somebody who has not opened the link in the second email yet."""
    return RegistrationProfile.objects.create_inactive_user(
        Site.objects.get_current(), new_user=user
    )


def settle() -> None:
    """Do nothing: an active account can be used."""
