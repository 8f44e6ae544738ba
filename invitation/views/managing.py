"""Pages where members see their invitations and manage them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.db.models import Prefetch, prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import Promise, cached_property
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView, TemplateView

from invitation import gate, keys
from invitation.exceptions import InvitationError, InvitingForbidden, NotPending
from invitation.flows import inviting, sharing
from invitation.forms import SHARED, InvitationEditForm, InvitationSearchForm
from invitation.gate import visitor
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import qr, sites
from invitation.models import Acceptance, InvitationKey
from invitation.models.querysets import InvitationKeyQuerySet
from invitation.views.asking import CONFIRM_TEMPLATE, ask_first, way_back
from invitation.views.inviting import left_to, pause_of_mails
from invitation.views.pages import find_page

if TYPE_CHECKING:
    EditFormView = FormView[InvitationEditForm]
else:
    EditFormView = FormView


class OwnInvitationsMixin(OwnTransactionsMixin, gate.ProtectedMixin, gate.LoginRequiredMixin):
    """Invitations that the member has sent on this site, and no others."""

    request: HttpRequest

    def get_rows(self) -> InvitationKeyQuerySet:
        """Return these invitations, to find those that a page shows."""
        site_id = sites.current_site_id(self.request)
        return InvitationKey.objects.personal().sent_by(self.request.user).on_site(site_id)

    def get_invitations(self) -> InvitationKeyQuerySet:
        """Return these invitations with everything that the pages show of them.

        A database reads all of it also for rows that it skips. So find the rows of a page first.
        """
        accepted = Acceptance.objects.select_related("user")
        # The inviter is included: whether an invitation works also depends on their account.
        return (
            self.get_rows()
            .select_related("from_user")
            .with_latest_mail()
            .noting_groups()
            .prefetch_related(Prefetch("acceptances", accepted))
        )


class InvitationListView(OwnInvitationsMixin, TemplateView):
    """Page with a member's invitations and shared links, the newest first."""

    template_name = "invitation/invitation_list.html"
    #: Number of invitations on one page.
    page_size = 25

    @cached_property
    def form(self) -> InvitationSearchForm:
        """Form that filters the list."""
        return InvitationSearchForm(self.request.GET)

    def get_rows(self) -> InvitationKeyQuerySet:
        """Return the member's invitations and their shared links."""
        site_id = sites.current_site_id(self.request)
        return InvitationKey.objects.get_queryset().sent_by(self.request.user).on_site(site_id)

    def get_shown(self, pks: list[int]) -> list[InvitationKey]:
        """Return these invitations, the newest first, with all that the page shows of them."""
        rows = self.get_invitations().prefetch_related(None).filter(pk__in=pks)
        shown = list(rows.order_by("-pk"))
        # A shared link may have thousands. The page shows only their number.
        one_each = [row for row in shown if not row.shared]
        accepted = Acceptance.objects.select_related("user")
        prefetch_related_objects(one_each, Prefetch("acceptances", accepted))
        return shown

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return a page of the filtered invitations, and the member's invitations left."""
        asked, user = self.request.GET, self.request.user
        page = find_page(self.form.narrow(self.get_rows()), asked.dict(), self.page_size)
        kept: dict[str, Any] = {name: asked[name] for name in ("q", "state") if asked.get(name)}
        kwargs = {**left_to(user), "mail_pause": pause_of_mails(), **kwargs}
        invitations = self.get_shown(page.pks)
        may_share = sharing.may_share(user)
        return super().get_context_data(
            invitations=invitations,
            **self.get_outcome(invitations),
            newer=page.newer and urlencode(kept | page.newer),
            older=page.older and urlencode(kept | page.older),
            form=self.form,
            narrowed=bool(kept),
            states=self.get_states(kept, may_share),
            may_invite=inviting.may_invite(user),
            may_share=may_share,
            **kwargs,
        )

    def get_states(self, kept: dict[str, Any], may_share: bool) -> list[tuple[Any, str, bool]]:
        """Return the filters by state: each with its label, its query, and whether it is on."""
        field: Any = self.form.fields["state"]
        now = kept.get("state", "")
        others = {name: value for name, value in kept.items() if name != "state"}
        return [
            (label, urlencode(others | ({"state": value} if value else {})), value == now)
            for value, label in field.choices
            if may_share or value != SHARED or now == SHARED
        ]

    def get_outcome(self, shown: list[InvitationKey]) -> dict[str, Any]:
        """Return the invitation that the member has just sent, and whether it was emailed."""
        pk, mailed = visitor.recall_outcome(self.request.COOKIES) or (0, False)
        sent = next((row for row in shown if row.pk == pk), None)
        if pk and sent is None:  # renewed, and on another page
            sent = self.get_invitations().filter(pk=pk).first()
        return {"sent_invitation": sent, "mailed": mailed}

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        """Return the page; only the first one after the form says what happened."""
        response = super().render_to_response(context, **kwargs)
        if context["sent_invitation"]:
            visitor.forget_outcome(response)
        return response


class InvitationDetailView(OwnInvitationsMixin, TemplateView):
    """Page of one invitation and its actions; another member's invitation gives 404."""

    template_name = "invitation/invitation_detail.html"

    @cached_property
    def invitation(self) -> InvitationKey:
        """Invitation that the URL names."""
        return get_object_or_404(self.get_invitations(), pk=self.kwargs["pk"])

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the invitation."""
        kwargs.setdefault("may_invite", inviting.may_invite(self.request.user))
        kwargs.setdefault("mail_pause", pause_of_mails())
        kwargs = {"error": "", "error_code": "", **kwargs}
        return super().get_context_data(invitation=self.invitation, **kwargs)

    def refuse(self, error: InvitationError) -> HttpResponse:
        """Show the current invitation, with the reason why an action was refused."""
        vars(self).pop("invitation", None)
        context = self.get_context_data(error=str(error), error_code=error.code)
        status = 403 if isinstance(error, InvitingForbidden) else 409
        return render(self.request, InvitationDetailView.template_name, context, status=status)


class Action(NamedTuple):
    """Action on an invitation."""

    verb: Callable[[InvitationKey], None]
    #: Message after success.
    done: str | Promise
    #: Whether the action keeps the invitation usable. Then only a member who may invite can do it.
    invites: bool = True
    #: Whether a page asks first, because the action cannot be undone.
    asks: bool = False


ACTIONS = {
    "resend": Action(inviting.resend, _("We are sending the email again, with the same link.")),
    "extend": Action(inviting.extend, _("Invitation extended.")),
    "change_link": Action(
        inviting.change_link,
        _("Link replaced. Links already sent or shared no longer work."),
        asks=True,
    ),
    "revoke": Action(inviting.revoke, _("Invitation revoked."), invites=False, asks=True),
}


class InvitationActionView(InvitationDetailView):
    """Page that does an action by POST and says what happened; by GET, it asks first."""

    http_method_names = ["get", "head", "post", "options"]
    confirm_template_name = CONFIRM_TEMPLATE
    action: str = ""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask whether to do what cannot be undone, or redirect to the invitation.

        A login before the POST leads here by GET, without the posted data.
        """
        action, pending = ACTIONS[self.action], InvitationKey.Status.PENDING
        back = reverse("invitation_detail", kwargs={"pk": self.invitation.pk})
        if not action.asks or self.invitation.state != pending:
            return redirect(back)
        try:
            _check_may(request, action)
        except InvitationError as error:
            return self.refuse(error)
        # What revoking costs, and what the member can do after it.
        told: dict[str, Any] = {}
        if self.action == "revoke":
            told = {**left_to(request.user), "may_invite": inviting.may_invite(request.user)}
        return ask_first(
            request, self.confirm_template_name, self.invitation, self.action, back, **told
        )

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Do the action and redirect back, or show why not."""
        action = ACTIONS[self.action]
        try:
            _check_may(request, action)
            action.verb(self.invitation)
        except InvitationError as error:
            return self.refuse(error)
        messages.success(request, str(action.done), fail_silently=True)
        back = reverse("invitation_detail", kwargs={"pk": self.invitation.pk})
        return redirect(way_back(request, back))


def _check_may(request: HttpRequest, action: Action) -> None:
    refusal = inviting.inviting_refusal(request.user) if action.invites else None
    if refusal is not None:
        raise refusal


class InvitationLinkView(InvitationDetailView):
    """Page with the link of a pending invitation, to copy or to show as a QR code.

    The link belongs to the channel ``keys.COPY``: it opens the invitation and proves no address.
    """

    template_name = "invitation/invitation_link.html"
    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the link, unless it would open nothing."""
        refusal = inviting.inviting_refusal(request.user)
        if refusal is not None:
            return self.refuse(refusal)
        if not self.invitation.is_usable():
            return self.refuse(NotPending())
        path = reverse("invitation_invited", kwargs={"invitation_key": self.invitation.key})
        url = keys.Secret(sites.absolute(path, self.invitation.site_id))
        context = self.get_context_data(invitation_url=url, qr_code=qr.svg(url))
        return self.render_to_response(context)


class InvitationEditView(OwnInvitationsMixin, EditFormView):
    """Page that changes the name and the note of a pending invitation."""

    form_class = InvitationEditForm
    template_name = "invitation/invitation_edit.html"

    @cached_property
    def invitation(self) -> InvitationKey:
        """Invitation that the URL names."""
        return get_object_or_404(self.get_invitations(), pk=self.kwargs["pk"])

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form, unless the invitation is no longer pending."""
        if not self.invitation.is_usable():
            messages.error(request, str(NotPending()), fail_silently=True)
            return redirect("invitation_detail", pk=self.invitation.pk)
        return super().get(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the form's arguments, including the invitation."""
        member: Any = self.request.user
        return {**super().get_form_kwargs(), "invitation": self.invitation, "inviter": member}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the form and its invitation."""
        return super().get_context_data(invitation=self.invitation, **kwargs)

    def form_valid(self, form: InvitationEditForm) -> HttpResponse:
        """Save the changes, or show why it is too late."""
        try:
            form.save()
        except InvitationError as error:
            form.refused(error)
            return self.form_invalid(form)
        messages.success(self.request, _("Changes saved."), fail_silently=True)
        return redirect("invitation_detail", pk=form.invitation.pk)
