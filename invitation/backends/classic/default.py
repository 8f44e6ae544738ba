"""Register in two steps: an account that sleeps until the link in a mail is followed."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sites.shortcuts import get_current_site
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from registration import signals

from invitation.backends.activation import activate_account
from invitation.backends.classic.base import AccountBackend, Redirect
from invitation.backends.redux import mail_activation
from invitation.flows.deadlocks import in_transaction


class DefaultBackend(AccountBackend):
    """Make an inactive account, mail an activation link, activate the account by that link.

    The activation key is kept in redux's ``RegistrationProfile``, so redux's admin, its resend
    page and ``cleanupregistration`` work with these accounts. The settings are redux's:
    ACCOUNT_ACTIVATION_DAYS, REGISTRATION_OPEN, REGISTRATION_FORM, SEND_ACTIVATION_EMAIL.
    """

    @sensitive_variables()
    def register(self, request: HttpRequest, **kwargs: Any) -> AbstractBaseUser:
        """Make an inactive account and its profile, and mail the link after the commit.

        Sends ``user_registered`` inside the transaction: a receiver that raises leaves no account.
        A mail server that fails leaves one, a line in the log, and a message for the visitor.
        """
        user = self.make_user(**kwargs)
        user.is_active = False
        user.date_joined = timezone.now()  # The activation link's time counts from here.
        with transaction.atomic():
            user.save()
            profile = self._profiles().create_profile(user)
            signals.user_registered.send(sender=self.__class__, user=user, request=request)
            if getattr(settings, "SEND_ACTIVATION_EMAIL", True):
                # A function and not a partial: Django 5.2 wants its __qualname__ for the log.
                def send_activation_email() -> None:
                    mail_activation(profile, request)

                transaction.on_commit(send_activation_email, robust=True)
        return user  # type: ignore[no-any-return]

    def activate(self, request: HttpRequest, **kwargs: Any) -> AbstractBaseUser | None:
        """Activate the account of this ``activation_key`` and return it.

        A key that was used before returns the account as long as it is active, so that a second
        click does no harm; it never wakes an account that somebody has deactivated.
        """
        key = kwargs.get("activation_key", "")

        def step() -> Any:
            site = get_current_site(request)
            user, activated = activate_account(self._profiles(), key, site)
            if activated:
                signals.user_activated.send(sender=self.__class__, user=user, request=request)
            return user

        user = in_transaction(step)
        return user if user and user.is_active else None

    def post_registration_redirect(self, request: HttpRequest, user: AbstractBaseUser) -> Redirect:
        """Return redux's page that asks to look for the mail."""
        return ("registration_complete", (), {})

    def post_activation_redirect(self, request: HttpRequest, user: AbstractBaseUser) -> Redirect:
        """Return redux's page that says that the account is ready."""
        return ("registration_activation_complete", (), {})

    def _profiles(self) -> Any:
        return apps.get_model("registration", "RegistrationProfile")._default_manager
