"""Two-step registration: an inactive account, activated by the link in an email."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sites.shortcuts import get_current_site
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from registration import signals

from invitation.backends import activation
from invitation.backends.account_mails import ask_for_activation, waiting_profile
from invitation.backends.activation import activate_account
from invitation.backends.classic.base import AccountBackend, Redirect
from invitation.flows import arriving
from invitation.flows.after_commit import in_transaction, writing


class DefaultBackend(AccountBackend):
    """Backend for an inactive account that the link in an activation email activates.

    Redux's ``RegistrationProfile`` stores the activation key. So redux's admin, its resend page and
    ``cleanupregistration`` work with these accounts. The settings are redux's:
    ACCOUNT_ACTIVATION_DAYS, REGISTRATION_OPEN, REGISTRATION_FORM, SEND_ACTIVATION_EMAIL.
    """

    #: Invitation that the visitor carries, where ``InvitationBackend`` wraps this backend.
    opened: arriving.Opened | None = None

    @sensitive_variables()
    def register(self, request: HttpRequest, **kwargs: Any) -> AbstractBaseUser:
        """Create an inactive account and its profile; send the activation email after the commit.

        ``user_registered`` is sent inside the transaction. If a receiver raises, there is no
        account. If the mail server fails, the account exists. The log has a line, and the visitor
        gets a message.
        """
        user = self.make_user(**kwargs)
        user.is_active = False
        user.date_joined = timezone.now()  # The time of the activation link starts here.
        with writing():
            user.save()
            key = activation.new_key(arriving.own_address(user))
            self._profiles().create_profile(user, activation_key=key)
            signals.user_registered.send(sender=self.__class__, user=user, request=request)
            self.ask_for_activation(request, user)
        return user  # type: ignore[no-any-return]

    def ask_for_activation(self, request: HttpRequest, user: Any) -> None:
        """Schedule the activation email of an account after the commit.

        Raises ``MailLimitReached``.
        """
        if getattr(settings, "SEND_ACTIVATION_EMAIL", True):
            profile, site = self._profiles().get(user=user), get_current_site(request)
            send = partial(profile.send_activation_email, site, request)
            ask_for_activation(request, user, self.opened, send)

    def waiting_account(self, email: str) -> Any | None:
        """Return an account of this address that waits for its activation, or ``None``."""
        profile = waiting_profile(self._profiles(), email)
        return profile and profile.user

    def activate(self, request: HttpRequest, **kwargs: Any) -> AbstractBaseUser | None:
        """Activate the account of this ``activation_key`` and return it.

        A key that was used before returns the account while it is active. So a second click does no
        harm. A key never activates an account that somebody has deactivated. Then the result is
        ``None``, as for an unknown key.
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

    def activation_account(self, request: HttpRequest, **kwargs: Any) -> AbstractBaseUser | None:
        """Return the account of this ``activation_key``, if it waits or the key has activated it.

        Returns ``None`` for a key that is unknown or too old, and for an account that was
        deactivated later.
        """
        key = kwargs.get("activation_key", "")
        if not activation.KEY.fullmatch(key):
            return None
        profile = self._profiles().select_related("user").filter(activation_key=key).first()
        if profile is None or activation.is_closed(profile.user):
            return None
        works = (
            profile.user.is_active if profile.activated else not profile.activation_key_expired()
        )
        return profile.user if works else None

    def post_registration_redirect(self, request: HttpRequest, user: AbstractBaseUser) -> Redirect:
        """Return the redirect to redux's page that asks the visitor to check their email."""
        return ("registration_complete", (), {})

    def post_activation_redirect(self, request: HttpRequest, user: AbstractBaseUser) -> Redirect:
        """Return the redirect to redux's page that says that the account is ready."""
        return ("registration_activation_complete", (), {})

    def _profiles(self) -> Any:
        return apps.get_model("registration", "RegistrationProfile")._default_manager
