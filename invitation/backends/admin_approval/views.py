"""Register in three steps: activation by mail, then approval by the site's administrators."""

from __future__ import annotations

from registration.backends.admin_approval import views as redux

from invitation.backends.redux import ActivationMailMixin, ReduxMixin


class RegistrationView(ActivationMailMixin, ReduxMixin, redux.RegistrationView):
    """Let the holder of a valid invitation key register; the account wants approval."""

    mails_activation = redux.RegistrationView.SEND_ACTIVATION_EMAIL
