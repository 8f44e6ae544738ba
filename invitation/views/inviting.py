"""Pages where members invite one person and see the outcome."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.views.generic import FormView, TemplateView

from invitation import gate
from invitation.conf import conf
from invitation.exceptions import InvitationError
from invitation.flows import inviting, mail, quota, sharing
from invitation.forms import InvitationKeyForm, InvitationOptionsMixin
from invitation.gate import visitor
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import sites
from invitation.models import InvitationEmail

if TYPE_CHECKING:
    InviteFormView = FormView[InvitationKeyForm]
else:
    InviteFormView = FormView


class MemberMixin(OwnTransactionsMixin, gate.KnownAgainMixin):
    """Access for members who may invite; others must log in, or read why they may not invite."""

    forbidden_template_name = "invitation/inviting_forbidden.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the page to members who may invite, and keep it out of caches."""
        response = self.let_in(request, *args, **kwargs)
        gate.protect(response)
        return response

    def let_in(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the page only to members who may invite."""
        if not request.user.is_authenticated:
            return self.handle_no_permission()
        refusal = inviting.inviting_refusal(request.user)
        if refusal is not None:
            context = {"message": str(refusal), "reason": refusal.code}
            return render(request, self.forbidden_template_name, context, status=403)
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc, no-any-return]


def left_to(user: Any) -> dict[str, Any]:
    """Return the context about a member's invitations left, and when they get more."""
    state = quota.quota_of(user)
    return {
        "remaining_invitations": state.remaining,
        "quota_refills_at": state.refills_at,
        "unused_come_back": conf.INVITATION_REFUND_EXPIRED,
    }


def pause_of_mails() -> Any:
    """Return the current pause of all emails, or a false value.

    The query runs only if a page uses the value.
    """
    return SimpleLazyObject(mail.delivery_pause)


class InviteView(MemberMixin, InviteFormView):
    """Page where a member invites somebody by email."""

    form_class = InvitationKeyForm
    template_name = "invitation/invitation_form.html"
    preview_template_name = "invitation/invitation_preview.html"
    extra_context: dict[str, Any] | None = None

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the form's arguments, including the inviter."""
        site_id = sites.current_site_id(self.request)
        return {**super().get_form_kwargs(), "inviter": self.request.user, "site_id": site_id}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the form and the number of invitations left."""
        kwargs = {**left_to(self.request.user), "preview": None, "preview_url": "", **kwargs}
        kwargs = {**sites.describe_current(self.request), **kwargs}
        kwargs.setdefault("may_share", sharing.may_share(self.request.user))
        return super().get_context_data(**kwargs)

    def get_success_url(self) -> str:
        """Return ``success_url`` if the site sets it, else the URL of the member's invitations.

        A site that has no such page has the page of 1.0.
        """
        if self.success_url:
            return super().get_success_url()
        return address_of("invitation_list") or reverse("invitation_complete")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Invite or preview; with the button "Back" of the preview, show what was typed again."""
        form = self.get_form()
        if "back" in request.POST and "preview" in getattr(form, "buttons", ()):
            return self.render_to_response(self.get_context_data(form=form))
        return self.form_valid(form) if form.is_valid() else self.form_invalid(form)

    def form_valid(self, form: InvitationKeyForm) -> HttpResponse:
        """Invite, or show the email if a preview is requested; show errors in the form."""
        try:
            if "preview" in self.request.POST:
                return self.show_preview(form)
            invited = form.save()
        except InvitationError as error:
            form.refused(error)
            return self.form_invalid(form)
        return self.lead_on(form, invited)

    def show_preview(self, form: InvitationKeyForm) -> HttpResponse:
        """Show the email alone; the page keeps the typed data. Raises ``InvitationError``."""
        # A site's own form may have no preview. A request for a preview still sends nothing.
        if not _pressed(form, "preview"):
            return self.render_to_response(self.get_context_data(form=form))
        message = form.preview()
        context = self.get_context_data(form=form, preview=message)
        # Rendered later, with the changes below.
        response = TemplateResponse(self.request, self.preview_template_name, context)
        member: Any = self.request.user
        typed = {"member": str(member.pk), "language": inviting.language_for(member)}
        path, secure = address_of("invitation_preview"), self.request.is_secure()
        if message.html and path:
            noted = visitor.note_preview(response, typed | form.arguments(), path, secure=secure)
            context["preview_url"] = path if noted else ""
        return response

    def lead_on(self, form: InvitationKeyForm, invited: Any) -> HttpResponse:
        """Redirect to the outcome of the invitation, or to its link if no email was wanted."""
        if not isinstance(invited, inviting.Invited):  # a site's own form may return anything
            return super().form_valid(form)
        pk = invited.invitation.pk
        if _pressed(form, "no_mail"):
            with suppress(NoReverseMatch):  # a site may have no such page
                link_page = redirect("invitation_link", pk=pk)
                done = _("Invitation created. We have not sent an email: share the link yourself.")
                messages.success(self.request, done, fail_silently=True)
                return link_page
        response = super().form_valid(form)
        visitor.note_outcome(response, pk, invited.mailed, secure=self.request.is_secure())
        return response


def _pressed(form: Any, button: str) -> bool:
    """Return whether this button sent the form; false for a form without buttons."""
    return isinstance(form, InvitationOptionsMixin) and form.pressed(button)


def address_of(page: str) -> str:
    """Return the URL of a page by its name, or an empty string where the site has no such page."""
    try:
        return reverse(page)
    except NoReverseMatch:
        return ""


class InvitationCompleteView(MemberMixin, TemplateView):
    """Page with the outcome of the invitation that the member has just sent."""

    template_name = "invitation/invitation_complete.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the invitation that was sent or renewed, its email, and the invitations left.

        Without the cookie that names the invitation, it is the one with the newest email.
        """
        outcome = visitor.recall_outcome(self.request.COOKIES)
        member: Any = self.request.user
        mails = InvitationEmail.objects.of_invitations().filter(invitation__from_user=member)
        mails = mails.select_related("invitation").order_by("-pk")
        message = mails.filter(invitation=outcome[0]).first() if outcome else None
        mailed = message is None or outcome is None or outcome[1]
        message = message or mails.first()
        states = InvitationEmail.State
        state = message.state if message else ""
        failure = message.failure if message and state == states.FAILED else ""
        return super().get_context_data(
            invitation=message.invitation if message else None,
            mailed=mailed,
            # The inviter does not learn that somebody has unsubscribed. That is private.
            mail_state="sent" if state == states.SUPPRESSED else state,
            mail_failure=InvitationEmail.failure_for_inviter(failure),
            mail_delayed=message is not None and mail.is_delayed(message),
            mail_pause=pause_of_mails(),
            **sites.describe_current(self.request),
            **left_to(self.request.user),
            **kwargs,
        )
