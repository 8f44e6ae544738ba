"""Show the pages of inviting and of opening an invitation.

``invite``, ``invited`` and ``register`` are callables that a URLconf can use, as in 1.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.mixins import AccessMixin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import NoReverseMatch, get_script_prefix, reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.module_loading import import_string
from django.views.generic import FormView, TemplateView, View

from invitation import flows, gate, masking, sites, texts, visitor
from invitation.exceptions import InvitationError, InvitingForbidden, KeyRefused
from invitation.forms import InvitationKeyForm
from invitation.models import InvitationEmail

# -- for members -----------------------------------------------------------------------------


if TYPE_CHECKING:
    InviteFormView = FormView[InvitationKeyForm]
else:
    InviteFormView = FormView


class MemberMixin(AccessMixin):
    """Let in who may invite: send others to log in, or tell them that they may not."""

    forbidden_template_name = "invitation/inviting_forbidden.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show the page to members who may invite, and to nobody else."""
        if not request.user.is_authenticated:
            return self.handle_no_permission()
        if not flows.may_invite(request.user):
            context = {"message": str(InvitingForbidden())}
            return render(request, self.forbidden_template_name, context, status=403)
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc, no-any-return]


class InviteView(MemberMixin, InviteFormView):
    """Let a member invite somebody by e-mail."""

    form_class = InvitationKeyForm
    success_url = reverse_lazy("invitation_complete")
    template_name = "invitation/invitation_form.html"
    extra_context: dict[str, Any] | None = None

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the form's arguments, the inviter among them."""
        site_id = sites.current_site_id(self.request)
        return {**super().get_form_kwargs(), "inviter": self.request.user, "site_id": site_id}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the form and how many invitations remain."""
        kwargs.setdefault("remaining_invitations", flows.remaining_invitations(self.request.user))
        kwargs.setdefault("site", sites.get_site(sites.current_site_id(self.request)))
        return super().get_context_data(**kwargs)

    def form_valid(self, form: InvitationKeyForm) -> HttpResponse:
        """Invite, or say beside the form why not."""
        try:
            invited = form.save()
        except InvitationError as error:
            form.refused(error)
            return self.form_invalid(form)
        response = super().form_valid(form)
        if isinstance(invited, flows.Invited):  # a form of the site may return what it likes
            secure = self.request.is_secure()
            visitor.note_outcome(response, invited.invitation.pk, invited.mailed, secure=secure)
        return response


class InvitationCompleteView(MemberMixin, TemplateView):
    """Tell a member what became of the invitation that he has just sent."""

    template_name = "invitation/invitation_complete.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the invitation that was made or renewed, its mail, and how many remain.

        Without the cookie that names it, the one with the newest mail.
        """
        outcome = visitor.recall_outcome(self.request.COOKIES)
        member: Any = self.request.user
        mails = InvitationEmail.objects.filter(invitation__from_user=member)
        mails = mails.select_related("invitation").order_by("-pk")
        mail = mails.filter(invitation=outcome[0]).first() if outcome else None
        mailed = mail is None or outcome is None or outcome[1]
        mail = mail or mails.first()
        delayed = (InvitationEmail.State.QUEUED, InvitationEmail.State.FAILED)
        return super().get_context_data(
            invitation=mail.invitation if mail else None,
            mailed=mailed,
            mail_state=mail.state if mail else "",
            mail_delayed=mail is not None and mail.state in delayed,
            remaining_invitations=flows.remaining_invitations(self.request.user),
            site=sites.get_site(sites.current_site_id(self.request)),
            **kwargs,
        )


# -- for the invited -------------------------------------------------------------------------


@method_decorator(login_not_required, name="dispatch")
class InvitedView(View):
    """Take the key from the link, let the visitor carry it, and lead to a clean address.

    Changes no row, so a mail scanner may follow the link as often as it likes.
    """

    http_method_names = ["get", "head", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Keep the key in the address out of reports, caches and Referer headers."""
        masking.conceal_request(request)
        response = super().dispatch(request, *args, **kwargs)
        gate.protect(response, referrer_policy="no-referrer")
        return response

    def get(self, request: HttpRequest, invitation_key: str = "") -> HttpResponse:
        """Redirect to the landing page, or say why the key opens nothing."""
        try:
            flows.open_invitation(invitation_key, sites.current_site_id(request))
        except KeyRefused as refusal:
            return gate.refuse(request, refusal)
        declining = request.GET.get("answer") == "no"
        response = redirect("invitation_decline" if declining else "invitation_landing")
        gate.remember(request, response, invitation_key)
        return response


@method_decorator(login_not_required, name="dispatch")
class CarriedInvitationView(TemplateView):
    """Show something of the invitation that the visitor carries, or why there is none."""

    opened: flows.Opened

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Open the carried invitation before anything else."""
        try:
            self.opened = gate.open_carried(request)
        except KeyRefused as refusal:
            return gate.refuse(request, refusal)
        response = super().dispatch(request, *args, **kwargs)
        gate.protect(response)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return who invites to what, and until when."""
        invitation = self.opened.invitation
        return super().get_context_data(
            invitation=invitation,
            inviter_name=texts.inviter_name(invitation.from_user),
            recipient_name=texts.plain_name(invitation.recipient_name),
            note=invitation.note,
            expires_at=invitation.expires_at,
            site=sites.get_site(invitation.site_id),
            **kwargs,
        )


class LandingView(CarriedInvitationView):
    """Welcome the invited person, and offer to register, to log in or to say no."""

    http_method_names = ["get", "head", "options"]
    template_name = "invitation/invited.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the invitation and the ways to go on."""
        return super().get_context_data(
            invitation_key=self.opened.key,
            register_url=_reverse("registration_register"),
            login_url=gate.login_url(),
            logout_url=_reverse("auth_logout") or _reverse("logout"),
            landing_url=reverse("invitation_landing"),
            decline_url=reverse("invitation_decline"),
            leave_url=_home(),
            **kwargs,
        )


class DeclineView(CarriedInvitationView):
    """Ask whether the visitor wants to decline, and do so when he posts it.

    Two steps, as some mail scanners press the first button that they find.
    """

    http_method_names = ["get", "head", "options", "post"]
    template_name = "invitation/invitation_decline.html"
    declined_template_name = "invitation/invitation_declined.html"

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Decline, or say why it is too late.

        Who has opened another invitation in another tab is asked once more, for that one.
        """
        hint = self.opened.invitation.key_hint
        if request.POST.get("invitation_hint", hint) != hint:
            return self.render_to_response(self.get_context_data(switched=True))
        try:
            flows.decline(self.opened)
        except KeyRefused as refusal:
            return gate.refuse(request, refusal)
        response = render(request, self.declined_template_name, self.get_context_data())
        visitor.forget(response)
        return response


def _home() -> str:
    """Return where somebody goes who has logged in, or else the first page of the site."""
    try:
        return resolve_url(settings.LOGIN_REDIRECT_URL or get_script_prefix())
    except NoReverseMatch:
        return get_script_prefix()


def _reverse(name: str) -> str:
    """Return the address of a page that the site may lack, or an empty string."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


# -- the callables of 1.0 --------------------------------------------------------------------


def invite(request: HttpRequest, **options: Any) -> HttpResponseBase:
    """Let a member invite; takes 1.0's ``success_url``, ``form_class``, ``template_name``."""
    return InviteView.as_view(**options)(request)


@login_not_required
def invited(request: HttpRequest, invitation_key: str = "", **options: Any) -> HttpResponseBase:
    """Take the key from the link and lead to the landing page."""
    return InvitedView.as_view(**options)(request, invitation_key=invitation_key)


@login_not_required
def register(request: HttpRequest, **options: Any) -> HttpResponseBase:
    """Let the holder of a key register, in redux's two steps.

    Takes ``success_url``, ``form_class``, ``template_name`` and ``extra_context``, as 1.0 did.
    """
    # By name: only the backends know a registration host, and a site may have another one.
    view = import_string("invitation.backends.default.views.RegistrationView")
    response: HttpResponseBase = view.as_view(**options)(request)
    return response
