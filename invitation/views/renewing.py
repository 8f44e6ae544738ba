"""Pages where a person with a dead link requests a new one, and where the inviter renews it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView

from invitation import gate, keys
from invitation.exceptions import (
    InvitationError,
    InvitingForbidden,
    MailTooSoon,
    NoKey,
    NotRenewable,
)
from invitation.flows import inviting, mail, quota
from invitation.gate import clients, visitor
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import masking, sites
from invitation.views.managing import InvitationDetailView


@method_decorator(login_not_required, name="dispatch")
class RenewalRequestView(OwnTransactionsMixin, TemplateView):
    """Page that asks for confirmation, and requests a new link from the inviter by POST.

    The key comes from the cookie that the dead link has set. The answer is the same for every key,
    known or not. It does not reveal whether there is such an invitation, or anything about it.

    There are two steps because some email scanners press the first button that they find.
    """

    http_method_names = ["get", "head", "options", "post"]
    template_name = "invitation/invitation_request_renewal.html"
    requested_template_name = "invitation/invitation_renewal_requested.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Refuse a visitor who has followed no link."""
        masking.conceal_request(request)
        self.ended_key = visitor.recall_ended(request.COOKIES)
        if not self.ended_key:
            return gate.refuse(request, NoKey())
        response = super().dispatch(request, *args, **kwargs)
        gate.protect(response)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the site, and the hint that identifies the link of this question."""
        about = sites.describe_current(self.request)
        hint = keys.mask(self.ended_key)
        kwargs.setdefault("switched", False)
        return super().get_context_data(invitation_hint=hint, **about, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Request a new link, and always give the same answer.

        A person who has followed another dead link in another tab is asked again, for that one.
        """
        context = self.get_context_data()
        hint = context["invitation_hint"]
        if request.POST.get("invitation_hint", hint) != hint:
            return self.render_to_response(context | {"switched": True})
        response = render(request, self.requested_template_name, context)
        clients.afterwards(response, self.ask)
        return response

    def ask(self) -> bool:
        """Ask the inviter for a new link, and return whether an email was requested.

        Raises ``MailLimitReached``.
        """
        site_id = sites.current_site_id(self.request)
        if keys.channel_of(self.ended_key, site_id) is None:
            return False  # Not one of our keys: no query.
        mail.count_account_mail(site_id, clients=clients.networks_of(self.request))
        return inviting.ask_for_renewal(self.ended_key, site_id)


class InvitationRenewView(InvitationDetailView):
    """Page that asks a member whether to renew an ended invitation, and renews it by POST."""

    template_name = "invitation/invitation_renew.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the invitation, and the cost of renewing it."""
        kwargs.setdefault("costs_one", inviting.renewal_costs(self.invitation))
        kwargs.setdefault("quota", quota.quota_of(self.request.user))
        return super().get_context_data(**kwargs)

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask for confirmation, unless there is nothing to renew."""
        if not inviting.may_invite(request.user):
            return self.refuse(InvitingForbidden())
        if not inviting.is_renewable(self.invitation):
            return self.leave()
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Renew the invitation and redirect to the pending one, or show why not."""
        if not inviting.may_invite(request.user):
            return self.refuse(InvitingForbidden())
        try:
            renewed = inviting.renew(self.invitation)
        except InvitationError as error:
            # Another request was faster, such as the first of two clicks.
            if isinstance(error, NotRenewable | MailTooSoon) and self.invitation.is_usable():
                return self.leave()
            return self.refuse(error)
        done = _("Invitation sent.")
        if not renewed.mailed:
            done = _("An invitation to this address is pending. Its email was sent before.")
        messages.success(request, str(done), fail_silently=True)
        return redirect("invitation_detail", pk=renewed.invitation.pk)

    def leave(self) -> HttpResponse:
        """Redirect to the current invitation."""
        words = str(NotRenewable())
        if self.invitation.is_usable():
            words = str(_("This invitation is pending. You can resend it here."))
        messages.info(self.request, words, fail_silently=True)
        return redirect("invitation_detail", pk=self.invitation.pk)
