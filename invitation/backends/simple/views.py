"""Registration in one step: the account is active and logged in at once."""

from __future__ import annotations

from typing import Any

from registration import signals
from registration.backends.simple import views as redux

from invitation.backends.base import log_in
from invitation.backends.redux import ReduxMixin, into_the_site


class RegistrationView(ReduxMixin, redux.RegistrationView):
    """Registration for the holder of a valid invitation key, who is then logged in."""

    success_url: Any = None

    def landing(self) -> Any:
        """Return ``success_url``, or the home page of the site if it is not set."""
        return into_the_site() if self.success_url is None else self.success_url

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
