"""Register in two steps: an inactive account, and a mail with its activation link."""

from __future__ import annotations

from registration.backends.default import views as redux

from invitation.backends.redux import (
    ActivationMailMixin,
    ActivationPageMixin,
    DestinationMixin,
    ReduxMixin,
    ResendActivationMixin,
)


class RegistrationView(ActivationMailMixin, ReduxMixin, redux.RegistrationView):
    """Let the holder of a valid invitation key register; the account wants activation."""

    mails_activation = redux.RegistrationView.SEND_ACTIVATION_EMAIL


class ResendActivationView(ResendActivationMixin, redux.ResendActivationView):
    """Send the activation mail again."""


class ActivationView(ActivationPageMixin, DestinationMixin, redux.ActivationView):
    """Activate an account by the link in its mail."""
