"""Registration in three steps: sign-up, activation by email, approval by an administrator."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.sites.shortcuts import get_current_site
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables
from registration import signals
from registration.backends.admin_approval import views as redux

from invitation.backends import activation
from invitation.backends.activation import MailingActivationMixin
from invitation.backends.redux import (
    ActivationMailMixin,
    ActivationMixin,
    ReduxMixin,
    ReduxResendMixin,
)
from invitation.flows import arriving
from invitation.flows.after_commit import in_transaction
from invitation.gate.atomic_requests import OwnTransactionsMixin

logger = logging.getLogger(__name__)


class RegistrationView(ActivationMailMixin, ReduxMixin, redux.RegistrationView):
    """Registration for the holder of a valid invitation key; the account needs approval."""

    mails_activation = redux.RegistrationView.SEND_ACTIVATION_EMAIL


class ResendActivationView(ReduxResendMixin, redux.ResendActivationView):
    """Page that sends the activation email again."""


class ActivationView(ActivationMixin, MailingActivationMixin, redux.ActivationView):
    """Activation page that asks for another try if the request for approval was not sent.

    Redux sends this request by email before it changes anything.
    """

    @method_decorator(sensitive_variables())
    def finish(self, form: Any) -> HttpResponseBase:
        """Activate the account, or show why it is not active yet."""
        try:
            response = super().finish(form)
        except Exception:
            profiles = self.registration_profile.objects
            if not profiles.filter(activated=False, **self.kwargs).exists():
                raise  # The error did not come from that email.
            logger.exception("The email that asks for the approval of an account was not sent.")
            response = self.render_to_response({"try_again": True}, status=503)
        return response

    def complete(self, form: Any) -> Any:
        """Set the account's password, then activate it; redux sends an email in between.

        No transaction may be open while the mail server is contacted.
        """
        return self.activate(**self.kwargs) if in_transaction(partial(self.admit, form)) else None

    def is_done(self, profile: Any) -> bool:
        """Return whether the address is confirmed, also before the approval."""
        return bool(profile.activated and not activation.is_closed(profile.user))


@method_decorator([csrf_protect, never_cache], name="dispatch")
class ApprovalView(OwnTransactionsMixin, redux.ApprovalView):
    """Page that shows an account that waits for approval, and approves it by POST, once.

    Redux approves by GET. So any page that an administrator opens could approve an account.
    """

    http_method_names = ["get", "head", "post", "options"]
    confirm_template_name = "registration/admin_approve_confirm.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Accept a POST only from this page's own form."""
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the account to approve; change nothing."""
        profile = self._profile()
        if profile is None:
            return self._unknown()
        account = profile.user
        if account.is_active:
            return self._approved(account)
        context = self.get_context_data(
            account=account, account_email=arriving.own_address(account)
        )
        return render(request, self.confirm_template_name, context)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Approve the account; a second approval changes nothing and sends no email."""
        profile = self._profile()
        if profile is None:
            return self._unknown()
        if self._activate(profile.user):
            self._tell(profile)
            signals.user_approved.send(sender=self.__class__, user=profile.user, request=request)
        return self._approved(profile.user)

    def _profile(self) -> Any:
        """Return the profile of an account whose address is confirmed, or ``None``."""
        profiles = redux.SupervisedRegistrationProfile.objects.select_related("user")
        # Not "pk": it is a relation here, and does not accept a number of any size.
        return profiles.filter(id=self.kwargs["profile_id"], activated=True).first()

    @staticmethod
    def _activate(account: Any) -> bool:
        """Make an account usable, and return whether this call did it.

        Of two calls at once, only one returns true.
        """
        rows = type(account)._base_manager.filter(pk=account.pk, is_active=False)

        def step() -> bool:
            first = bool(rows.update(is_active=True))
            account.is_active = True
            if first:
                account.save(update_fields=["is_active"])  # for receivers of ``post_save``
            return first

        return in_transaction(step)

    def _tell(self, profile: Any) -> None:
        """Send the approval email to the new member.

        If that fails, the account stays approved and the administrator gets a warning.
        """
        try:
            profile.send_admin_approve_complete_email(get_current_site(self.request), self.request)
        except Exception:  # An email backend may raise any exception.
            logger.exception("The email about the approval of an account was not sent.")
            warning = _(
                "The account is approved, but the email about it was not sent. Tell the person."
            )
            messages.warning(self.request, warning, fail_silently=True)

    def _approved(self, account: Any) -> HttpResponseBase:
        to, args, kwargs = self.get_success_url(account)
        response: HttpResponseBase = redirect(to, *args, **kwargs)
        return response

    def _unknown(self) -> HttpResponseBase:
        response: HttpResponseBase = self.render_to_response(self.get_context_data(), status=404)
        return response
