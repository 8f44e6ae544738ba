"""Let somebody who has an account accept: with the link in hand, or from his inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.generic import ListView

from invitation import flows, gate, sites, visitor
from invitation.exceptions import AlreadyAccepted, InvitationError, KeyRefused
from invitation.models import InvitationKey
from invitation.querysets import InvitationKeyQuerySet
from invitation.transactions import OwnTransactionsMixin
from invitation.views.opening import LandingView, accepted

if TYPE_CHECKING:
    ReceivedKeyListView = ListView[InvitationKey]
else:
    ReceivedKeyListView = ListView


# Again, as the mark of the page below is on the method that this one overrides.
@method_decorator(login_not_required, name="dispatch")
class AcceptView(LandingView):
    """Let the account that is signed in accept the invitation that the visitor carries."""

    http_method_names = ["get", "head", "options", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Lead to the invitation who is not signed in, and who comes here by GET."""
        if request.method in ("GET", "HEAD") or not request.user.is_authenticated:
            landing = redirect("invitation_landing")
            gate.protect(landing)
            return landing
        return super().dispatch(request, *args, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Accept, or say why not.

        Who has opened another invitation in another tab is asked once more, for that one.
        """
        invitation = self.opened.invitation
        if request.POST.get("invitation_hint", invitation.key_hint) != invitation.key_hint:
            return self.render_to_response(self.get_context_data(switched=True))
        try:
            flows.accept(self.opened, request.user)
        except KeyRefused as refusal:
            return gate.refuse(request, refusal)
        except AlreadyAccepted:
            return self.finish(invitation, already=True)
        except InvitationError as error:
            context = self.get_context_data(refused=str(error), refused_code=error.code)
            return self.render_to_response(context, status=403)
        return self.finish(invitation)

    def finish(self, invitation: InvitationKey, *, already: bool = False) -> HttpResponse:
        """Say that it is done, and take the key from the visitor."""
        response = accepted(self.request, invitation, already=already)
        visitor.forget(response)
        # For another tab, and a second click.
        visitor.remember_ended(response, self.opened.key, secure=self.request.is_secure())
        return response


class ReceivedListView(
    OwnTransactionsMixin, gate.ProtectedMixin, LoginRequiredMixin, ReceivedKeyListView
):
    """Show who is signed in the open invitations to an address that he has proven to be his."""

    template_name = "invitation/invitation_received.html"
    context_object_name = "invitations"
    paginate_by = 25

    @cached_property
    def received(self) -> InvitationKeyQuerySet:
        """Give all that came to this person, ended ones too; none to an address not proven."""
        return flows.received_invitations(self.request.user, sites.current_site_id(self.request))

    def get_queryset(self) -> InvitationKeyQuerySet:
        """Return those that are open, the newest first."""
        rows = self.received.usable().select_related("from_user")
        return rows.prefetch_related("groups")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return a page of invitations, and whether an address is known to be his at all."""
        kwargs = {"error": "", "error_code": "", **kwargs}
        kwargs.setdefault("proven", not self.received.query.is_empty())
        kwargs.setdefault("site", sites.get_site(sites.current_site_id(self.request)))
        context: dict[str, Any] = super().get_context_data(**kwargs)
        groups = flows.groups_to_join_of(context["invitations"])
        for invitation in context["invitations"]:
            invitation.groups_to_join = groups[invitation.pk]
        return context


class ReceivedAcceptView(ReceivedListView):
    """Accept an invitation of the inbox, by POST alone, and say what happened."""

    http_method_names = ["get", "head", "options", "post"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Lead to the inbox: who had to log in first comes here without what he posted."""
        get_object_or_404(self.received, pk=kwargs["pk"])
        return redirect("invitation_received")

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Do it, or show the inbox as it is now and why not."""
        invitation = get_object_or_404(self.received.select_related("from_user"), pk=pk)
        try:
            return self.act(invitation)
        except AlreadyAccepted:
            return accepted(request, invitation, already=True)
        except InvitationError as error:
            return self.refuse(error)

    def act(self, invitation: InvitationKey) -> HttpResponse:
        """Accept it and say what has been joined."""
        flows.accept(invitation, self.request.user)
        return accepted(self.request, invitation)

    def refuse(self, error: InvitationError) -> HttpResponse:
        """Show the inbox as it is now, and why something was not done."""
        self.object_list = self.get_queryset()
        context = self.get_context_data(error=str(error), error_code=error.code)
        return self.render_to_response(context, status=409)


class ReceivedDeclineView(ReceivedAcceptView):
    """Say no to an invitation of the inbox, by POST alone."""

    def act(self, invitation: InvitationKey) -> HttpResponse:
        """Decline it and lead back."""
        flows.decline(invitation)
        messages.success(self.request, _("The invitation is declined."), fail_silently=True)
        return redirect("invitation_received")
