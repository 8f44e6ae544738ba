"""Pages where a logged-in person accepts: with the link, or from their inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.generic import ListView

from invitation import gate
from invitation.exceptions import AlreadyAccepted, InvitationError, KeyRefused
from invitation.flows import arriving, inviting
from invitation.gate import visitor
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import sites
from invitation.models import InvitationKey
from invitation.models.querysets import InvitationKeyQuerySet
from invitation.views.opening import LandingView, accepted

if TYPE_CHECKING:
    ReceivedKeyListView = ListView[InvitationKey]
else:
    ReceivedKeyListView = ListView


# Repeated here: the base class marks its own ``dispatch``, and this class overrides it.
@method_decorator(login_not_required, name="dispatch")
class AcceptView(LandingView):
    """Page where the logged-in account accepts the invitation that the visitor carries."""

    http_method_names = ["get", "head", "options", "post"]
    no_key_status = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Redirect GET requests, guests and logged-out visitors to the landing page."""
        if request.method in ("GET", "HEAD") or not gate.is_member(request):
            landing = redirect("invitation_landing")
            gate.protect(landing)
            return landing
        return super().dispatch(request, *args, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Accept, or show why not.

        A person who has opened another invitation in another tab is asked again, for that one.
        """
        invitation = self.opened.invitation
        if request.POST.get("invitation_hint", invitation.key_hint) != invitation.key_hint:
            return self.render_to_response(self.get_context_data(switched=True))
        try:
            arriving.accept(self.opened, request.user)
        except KeyRefused as refusal:
            return gate.refuse(request, refusal)
        except AlreadyAccepted:
            return self.finish(invitation, already=True)
        except InvitationError as error:
            context = self.get_context_data(refused=str(error), refused_code=error.code)
            return self.render_to_response(context, status=403)
        return self.finish(invitation)

    def finish(self, invitation: InvitationKey, *, already: bool = False) -> HttpResponse:
        """Return the page that says it is done, and remove the key from the visitor."""
        response = accepted(self.request, invitation, already=already)
        visitor.forget(response)
        # For another tab, and for a second click.
        visitor.remember_ended(response, self.opened.key, secure=self.request.is_secure())
        return response


class ReceivedListView(
    OwnTransactionsMixin, gate.ProtectedMixin, gate.LoginRequiredMixin, ReceivedKeyListView
):
    """Inbox with a member's pending invitations, sent to an address that they have proven."""

    template_name = "invitation/invitation_received.html"
    context_object_name = "invitations"
    paginate_by = 25

    @cached_property
    def received(self) -> InvitationKeyQuerySet:
        """Invitations to this person, also ended ones; none for an unproven address."""
        return arriving.received_invitations(self.request.user, sites.current_site_id(self.request))

    def get_queryset(self) -> InvitationKeyQuerySet:
        """Return the pending ones, the newest first."""
        rows = self.received.usable().select_related("from_user")
        return rows.prefetch_related("groups")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return a page of invitations, and whether the member has proven an address at all."""
        kwargs = {"error": "", "error_code": "", **kwargs}
        kwargs.setdefault("proven", not self.received.query.is_empty())
        kwargs = {**sites.describe_current(self.request), **kwargs}
        context: dict[str, Any] = super().get_context_data(**kwargs)
        groups = inviting.groups_to_join_of(context["invitations"])
        for invitation in context["invitations"]:
            invitation.groups_to_join = groups[invitation.pk]
        return context


class ReceivedAcceptView(ReceivedListView):
    """Page that accepts an invitation from the inbox, by POST only, and says what happened."""

    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Redirect to the inbox.

        A login before the POST leads here by GET, without the posted data.
        """
        get_object_or_404(self.received, pk=kwargs["pk"])
        return redirect("invitation_received")

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Accept the invitation, or show the current inbox and the reason why not."""
        invitation = get_object_or_404(self.received.select_related("from_user"), pk=pk)
        try:
            return self.act(invitation)
        except AlreadyAccepted:
            return accepted(request, invitation, already=True)
        except InvitationError as error:
            return self.refuse(error)

    def act(self, invitation: InvitationKey) -> HttpResponse:
        """Accept it and return the page that says what was accepted."""
        arriving.accept(invitation, self.request.user)
        return accepted(self.request, invitation)

    def refuse(self, error: InvitationError) -> HttpResponse:
        """Return the current inbox with the reason why something was not done."""
        self.object_list = self.get_queryset()
        context = self.get_context_data(error=str(error), error_code=error.code)
        return self.render_to_response(context, status=409)


class ReceivedDeclineView(ReceivedAcceptView):
    """Page that declines an invitation from the inbox, by POST only."""

    def act(self, invitation: InvitationKey) -> HttpResponse:
        """Decline it and redirect to the inbox."""
        arriving.decline(invitation)
        messages.success(self.request, _("The invitation is declined."), fail_silently=True)
        return redirect("invitation_received")
