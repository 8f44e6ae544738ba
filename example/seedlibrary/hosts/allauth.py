"""Accounts of django-allauth, which keeps the addresses apart."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model

#: How people log in.
LOGIN_NAME = "{login}@lindenrow.example"


def save_waiting(user: Any) -> Any:
    """Save the account of somebody who has not confirmed the address yet."""
    user.save()
    EmailAddress.objects.create(user=user, email=user.email, primary=True)
    return user


def settle() -> None:
    """Let everybody else have a verified address, also those who came with another app.

    Guests have none yet, and one address belongs to one account.
    """
    people = get_user_model().objects.filter(emailaddress=None, is_active=True).exclude(email="")
    EmailAddress.objects.bulk_create(
        [EmailAddress(user=one, email=one.email, primary=True, verified=True) for one in people],
        ignore_conflicts=True,
    )
