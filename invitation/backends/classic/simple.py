"""One-step registration: an account that is active and logged in at once."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, login
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables
from registration import signals

from invitation import gate
from invitation.backends.classic.base import AccountBackend, Redirect
from invitation.flows.after_commit import writing


class SimpleBackend(AccountBackend):
    """Backend for an active account that is logged in at once; there is no activation."""

    @sensitive_variables()
    def register(self, request: HttpRequest, **kwargs: Any) -> AbstractBaseUser:
        """Create the account, log its holder in, and return the account.

        ``user_registered`` is sent inside the transaction. If a receiver raises, there is no
        account and the session does not change. If the site's authentication backends refuse the
        new account, its holder stays logged out.
        """
        user: AbstractBaseUser = self.make_user(**kwargs)
        with writing():
            user.save()
            signals.user_registered.send(sender=self.__class__, user=user, request=request)
        # With the request: some authentication backends count attempts by address.
        known = authenticate(
            request, username=user.get_username(), password=kwargs.get("password1")
        )
        if known == user:
            login(request, known)
        return user

    def activate(self, request: HttpRequest, **kwargs: Any) -> AbstractBaseUser | None:
        """Raise ``NotImplementedError``: these accounts are active from the start."""
        raise NotImplementedError("SimpleBackend has no activation step.")

    def post_registration_redirect(self, request: HttpRequest, user: AbstractBaseUser) -> Redirect:
        """Return the redirect to SIMPLE_BACKEND_REDIRECT_URL.

        Without that setting, it goes to the account's own page, or else to the home page.
        """
        own_page = getattr(user, "get_absolute_url", None)
        default = own_page() if callable(own_page) else gate.front_page()
        return (getattr(settings, "SIMPLE_BACKEND_REDIRECT_URL", default), (), {})

    def post_activation_redirect(self, request: HttpRequest, user: AbstractBaseUser) -> Redirect:
        """Raise ``NotImplementedError``: these accounts are active from the start."""
        raise NotImplementedError("SimpleBackend has no activation step.")
