"""Register in one step: the account is active and logged in at once."""

from __future__ import annotations

from typing import Any

from registration import signals
from registration.backends.simple import views as redux

from invitation.backends.redux import ReduxMixin, into_the_site, log_in


class RegistrationView(ReduxMixin, redux.RegistrationView):
    """Let the holder of a valid invitation key register and be logged in."""

    success_url: Any = None

    def landing(self) -> Any:
        """Return the first page of the site, unless the view is told where else."""
        return into_the_site() if self.success_url is None else self.success_url

    def create_account(self, form: Any) -> Any:
        """Make the account and tell the site; the session stays as it is until the commit."""
        user = form.save()
        signals.user_registered.send(sender=self.__class__, user=user, request=self.request)
        return user

    def register(self, form: Any) -> Any:
        """Make the account with the invitation, then log it in."""
        user = super().register(form)
        log_in(self.request, user, form.cleaned_data.get("password1", ""))
        return user
