"""Register in one step with the link from the mail, and in two with any other."""

from __future__ import annotations

from typing import Any

from registration import signals

from invitation.backends.base import email_field_name
from invitation.backends.default import views
from invitation.backends.redux import into_the_site, log_in


class RegistrationView(views.RegistrationView):
    """Let the holder of a valid invitation key register.

    The mailed key together with the invited address proves that the address is his: the account
    is active and logged in at once, and there is no second mail. With a copied link, or with
    another address where the policy lets it pass, the account wants activation.
    """

    def address_proven(self, form: Any) -> bool:
        """Tell whether the carried key proves the address in the form."""
        email = form.cleaned_data.get(email_field_name()) or ""
        return self.opened is not None and self.opened.proves(email)

    def create_account(self, form: Any) -> Any:
        """Make the account, active if its address is proven."""
        if not self.address_proven(form):
            return super().create_account(form)
        user = form.save()
        signals.user_registered.send(sender=self.__class__, user=user, request=self.request)
        return user

    def register(self, form: Any) -> Any:
        """Make the account with the invitation, then log it in if it is active."""
        user = super().register(form)
        if user.is_active:
            log_in(self.request, user, form.cleaned_data.get("password1", ""))
        return user

    def landing(self) -> Any:
        """Return the first page of the site, for an account that is active."""
        return into_the_site()

    def get_success_url(self, user: Any = None) -> Any:
        """Lead an active account into the site, and any other to its mail."""
        if user is not None and not user.is_active:
            return (self.success_url, (), {})
        return super().get_success_url(user)
