"""Accounts that wait for their activation, and the keys that name them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import signing
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django_registration.backends.activation import REGISTRATION_SALT

from invitation.backends import activation
from invitation.backends.fields import email_field_name
from invitation.flows import arriving, mail


@sensitive_variables()
def key_for(user: Any) -> str:
    """Return a new activation key that names this account and is bound to its address.

    django-registration's own key names the account and proves nothing. This one has the same form
    and the same signature, with a second part that says which address it was sent to.
    """
    bound = activation.new_key(arriving.own_address(user))
    return signing.dumps(obj=[user.get_username(), bound], salt=REGISTRATION_SALT)


@sensitive_variables()
def split(found: Any) -> tuple[str, str]:
    """Return the login name in an activation key, and its second part or an empty string."""
    name, bound = found if isinstance(found, list) else (found, "")
    return str(name), str(bound)


def named(name: str) -> Any:
    """Return the account with this login name, or ``None``."""
    model = get_user_model()
    return model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()


def is_waiting(account: Any) -> bool:
    """Return whether an account was never usable, so that an activation key activates it.

    A key stays valid for days. An account that staff closed in the meantime stays closed.
    """
    return not (account.is_active or activation.is_closed(account))


def waiting_accounts(email: str) -> list[Any]:
    """Return the accounts of this address that were created lately and still wait."""
    since = timezone.now() - timedelta(days=settings.ACCOUNT_ACTIVATION_DAYS)
    rows = get_user_model()._default_manager.filter(is_active=False, date_joined__gt=since)
    found = mail.with_address(rows, email_field_name(), email)
    return [account for account in found if is_waiting(account)]
