"""Registration in two steps: an inactive account, and an email with its activation link."""

from __future__ import annotations

from registration.backends.default import views as redux

from invitation.backends.redux import (
    ActivationMailMixin,
    ActivationMixin,
    DestinationMixin,
    ReduxMixin,
    ReduxResendMixin,
)


class RegistrationView(ActivationMailMixin, ReduxMixin, redux.RegistrationView):
    """Registration for the holder of a valid invitation key; the account needs activation."""

    mails_activation = redux.RegistrationView.SEND_ACTIVATION_EMAIL


class ResendActivationView(ReduxResendMixin, redux.ResendActivationView):
    """Page that sends the activation email again."""


class ActivationView(DestinationMixin, ActivationMixin, redux.ActivationView):
    """Page of an activation link, which activates the account after its holder has seen it."""
