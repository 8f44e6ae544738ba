"""Registration in one step."""

from __future__ import annotations

from typing import Any

from django_registration import signals
from django_registration.backends.one_step import views as host

from invitation.backends.base import log_in
from invitation.backends.registration5.base import GatedMixin


class RegistrationView(GatedMixin, host.RegistrationView):
    """Registration for the holder of a valid invitation key, who is then logged in."""

    def create_account(self, form: Any) -> Any:
        """Create the account and send the signal; the session does not change before the commit."""
        user = form.save()
        signals.user_registered.send(sender=self.__class__, user=user, request=self.request)
        return user

    def register(self, form: Any) -> Any:
        """Create the account with the invitation, then log it in."""
        user = super().register(form)
        log_in(self.request, user, form.cleaned_data.get("password1", ""))
        return user
