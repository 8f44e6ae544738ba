"""Register in three steps: activation by mail, then approval by the site's administrators."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from registration import signals
from registration.backends.admin_approval import views as redux

from invitation.backends.redux import (
    ActivationMailMixin,
    ActivationPageMixin,
    ReduxMixin,
    ResendActivationMixin,
)

logger = logging.getLogger(__name__)


class RegistrationView(ActivationMailMixin, ReduxMixin, redux.RegistrationView):
    """Let the holder of a valid invitation key register; the account wants approval."""

    mails_activation = redux.RegistrationView.SEND_ACTIVATION_EMAIL


class ResendActivationView(ResendActivationMixin, redux.ResendActivationView):
    """Send the activation mail again."""


class ActivationView(ActivationPageMixin, redux.ActivationView):
    """Say that the link has to be opened again where nobody could be asked for the approval.

    Redux asks before it changes anything.
    """

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Activate, or say why not yet."""
        try:
            response: HttpResponseBase = super().get(request, *args, **kwargs)
        except Exception:
            profiles = self.registration_profile.objects
            if not profiles.filter(activated=False, **kwargs).exists():
                raise  # It was not that mail.
            logger.exception("The mail that asks for the approval of an account was not sent.")
            response = self.render_to_response({"try_again": True}, status=503)
        return response


class ApprovalView(redux.ApprovalView):
    """Approve an account also where its holder cannot be told so by mail."""

    def approve(self, *args: Any, **kwargs: Any) -> Any:
        """Approve it, and tell the site; redux tells it only after the mail."""
        try:
            return super().approve(*args, **kwargs)
        except Exception:
            profiles = redux.SupervisedRegistrationProfile.objects
            found = profiles.filter(pk=kwargs.get("profile_id"), user__is_active=True)
            profile = found.select_related("user").first()
            if profile is None:
                raise  # It was not that mail.
            logger.exception("The mail about the approval of an account was not sent.")
            warning = _("The account is approved, but its holder could not be told so by mail.")
            messages.warning(self.request, warning, fail_silently=True)
            user, request = profile.user, self.request
            signals.user_approved.send(sender=self.__class__, user=user, request=request)
            return user
