"""Activate an account while somebody else may be deleting it.

Redux writes the account and then its profile. Deleting goes the other way, so that the two would
wait for each other. And an account that is written after it was deleted is there again.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.sites.shortcuts import get_current_site
from django.db import IntegrityError
from django.http import HttpRequest
from registration import signals

from invitation import flows
from invitation.flows.deadlocks import in_transaction, retrying
from invitation.transactions import OwnTransactionsMixin


def activate_account(profiles: Any, key: str, site: Any) -> tuple[Any, bool]:
    """Activate the account of an activation key in redux's way; return what redux returns.

    That is the account or ``False``, and whether it was activated now. An account that is being
    deleted is waited for, and is not found then.
    """
    return in_transaction(partial(_activate, profiles, key, site))


def _activate(profiles: Any, key: str, site: Any) -> tuple[Any, bool]:
    found = profiles.filter(activation_key=key).values_list("user_id", flat=True).first()
    if found is not None:
        # The account first, as where it is deleted.
        flows.lock_account(found)
        list(profiles.select_for_update().filter(activation_key=key))
    user, activated = profiles.activate_user(key, site)
    return user, activated


class ActivationMixin(OwnTransactionsMixin):
    """An ``ActivationView`` of redux that activates an account in one transaction."""

    request: HttpRequest
    registration_profile: Any

    def activate(self, *args: Any, **kwargs: Any) -> Any:
        """Activate the account, tell the site after that, and return the account or ``False``."""
        key, site = kwargs.get("activation_key", ""), get_current_site(self.request)
        user, activated = activate_account(self.registration_profile.objects, key, site)
        if activated:
            signals.user_activated.send(sender=self.__class__, user=user, request=self.request)
        return user


class MailingActivationMixin(OwnTransactionsMixin):
    """An ``ActivationView`` of redux that asks somebody by mail, which no transaction waits for."""

    registration_profile: Any

    @retrying
    def activate(self, *args: Any, **kwargs: Any) -> Any:
        """Activate the account, and return it or ``False``."""
        try:
            return super().activate(*args, **kwargs)  # type: ignore[misc]
        except IntegrityError:
            key = kwargs.get("activation_key", "")
            if self.registration_profile.objects.filter(activation_key=key).exists():
                raise
            return False  # It was deleted meanwhile.
