"""Registration in one step with the link from the email, and in two steps with any other link."""

from __future__ import annotations

from typing import Any

from registration import signals

from invitation.backends.base import log_in
from invitation.backends.default import views
from invitation.backends.fields import email_field_name
from invitation.backends.redux import into_the_site


class RegistrationView(views.RegistrationView):
    """Registration for the holder of a valid invitation key.

    The emailed key together with the invited address proves that the address is theirs. Then the
    account is active and logged in at once, and no second email is sent. With a copied link, the
    account needs activation. With another address that the policy allows, it needs activation too.
    """

    def address_proven(self, form: Any) -> bool:
        """Return whether the carried key proves the address in the form."""
        email = form.cleaned_data.get(email_field_name()) or ""
        return self.opened is not None and self.opened.proves(email)

    def create_account(self, form: Any) -> Any:
        """Create the account, active if its address is proven."""
        if not self.address_proven(form):
            return super().create_account(form)
        user = form.save()
        signals.user_registered.send(sender=self.__class__, user=user, request=self.request)
        return user

    def register(self, form: Any) -> Any:
        """Create the account with the invitation, then log it in if it is active."""
        user = super().register(form)
        if user.is_active:
            log_in(self.request, user, form.cleaned_data.get("password1", ""))
        return user

    def landing(self) -> Any:
        """Return the home page of the site, for an account that is active."""
        return into_the_site()

    def get_success_url(self, user: Any = None) -> Any:
        """Return the next page: the site for an active account, else the page about its email."""
        if user is not None and not user.is_active:
            return (self.success_url, (), {})
        return super().get_success_url(user)
