"""Pages that open an invitation: the link, the landing page, the page to decline."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.functional import lazy
from django.views.generic import TemplateView, View

from invitation import gate, keys
from invitation.delivery import texts
from invitation.exceptions import KeyRefused, KeyUsedUp, NoKey
from invitation.flows import arriving, inviting, mail
from invitation.gate import visitor
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import masking, sites
from invitation.models import InvitationEmail, InvitationKey

ACCEPTED_TEMPLATE = "invitation/invitation_accepted.html"


def accepted(
    request: HttpRequest, invitation: InvitationKey, *, already: bool = False
) -> HttpResponse:
    """Return the page that says what was accepted, now or ``already`` before."""
    context = {
        "invitation": invitation,
        "inviter_name": texts.inviter_name(invitation.from_user),
        "groups": [] if already else inviting.groups_to_join(invitation),
        "already": already,
        **sites.describe(sites.get_site(invitation.site_id)),
        "leave_url": gate.home_url(),
    }
    response = render(request, ACCEPTED_TEMPLATE, context)
    gate.protect(response)
    return response


def refuse(
    request: HttpRequest,
    refusal: KeyRefused,
    key: str | None = None,
    *,
    no_key_status: int | None = None,
) -> HttpResponse:
    """Return the page that says why a key opens nothing.

    A logged-in person who has accepted the invitation gets the page that says so. ``key`` is for
    a page that has the key in its URL.
    """
    if isinstance(refusal, KeyUsedUp) and request.user.is_authenticated:
        text = gate.carried_key(request) or gate.ended_key(request) if key is None else key
        done = arriving.find_accepted(text, request.user, sites.current_site_id(request))
        if done is not None:
            return accepted(request, done, already=True)
    status = no_key_status if isinstance(refusal, NoKey) else None
    return gate.refuse(request, refusal, status=status, key=key)


@method_decorator(login_not_required, name="dispatch")
class InvitedView(OwnTransactionsMixin, View):
    """Page that takes the key from the link and redirects to a URL without it.

    From then on the visitor carries the key. The page changes no row. So an email scanner may
    follow the link any number of times.
    """

    http_method_names = ["get", "head", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Keep the key in the URL out of error reports, caches and Referer headers."""
        masking.conceal_request(request)
        response = super().dispatch(request, *args, **kwargs)
        gate.protect(response, referrer_policy="no-referrer")
        return response

    def get(self, request: HttpRequest, invitation_key: str = "") -> HttpResponse:
        """Lead to the landing page, or show why the key opens nothing."""
        invitation_key = keys.trim(invitation_key)
        # The page behind the redirect reads the whole invitation.
        refusal = arriving.refusal_to_open(invitation_key, sites.current_site_id(request))
        if isinstance(refusal, KeyUsedUp) and gate.withholds_session(request):
            # The person who used it may be logged in. The landing page finds the ended key.
            response = gate.going_on(request, "invitation_landing")
            visitor.remember_ended(response, invitation_key, secure=request.is_secure())
            return response
        if refusal is not None:
            return refuse(request, refusal, invitation_key)
        declining = request.GET.get("answer", "").startswith("no")
        to = "invitation_decline" if declining else "invitation_landing"
        response = gate.go_on(request, to)
        gate.remember(request, response, invitation_key)
        return response


@method_decorator(login_not_required, name="dispatch")
class CarriedInvitationView(OwnTransactionsMixin, TemplateView):
    """Page about the invitation that the visitor carries, or about the reason why there is none."""

    opened: arriving.Opened
    #: HTTP status of the page for a visitor without a key; ``None`` for the usual one.
    no_key_status: int | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Open the carried invitation before anything else."""
        try:
            self.opened = gate.open_carried(request)
        except KeyRefused as refusal:
            return refuse(request, refusal, no_key_status=self.no_key_status)
        response = super().dispatch(request, *args, **kwargs)
        gate.protect(response)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the inviter, the site, the note, and when the invitation expires."""
        invitation = self.opened.invitation
        kwargs.setdefault("switched", False)
        return super().get_context_data(
            invitation=invitation,
            inviter_name=texts.inviter_name(invitation.from_user),
            recipient_name=texts.plain_name(invitation.recipient_name),
            note=invitation.note,
            expires_at=invitation.expires_at,
            **sites.describe(sites.get_site(invitation.site_id)),
            **kwargs,
        )


class LandingView(CarriedInvitationView):
    """Landing page for the invited person, with links to sign up, log in or decline.

    A program that shows a preview of a link follows the redirect without the cookie. It gets the
    page for visitors without an invitation, with status 200, because it shows no other page.
    """

    http_method_names = ["get", "head", "options"]
    template_name = "invitation/invited.html"
    no_key_status: int | None = 200

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the invitation and the possible next steps, also for a logged-in visitor."""
        user = self.request.user
        member = gate.is_member(self.request)
        refusal = arriving.refusal_to_accept(self.opened, user) if member else None
        landing_url = reverse("invitation_landing")
        kwargs.setdefault("refused", "" if refusal is None else str(refusal))
        kwargs.setdefault("refused_code", "" if refusal is None else refusal.code)
        return super().get_context_data(
            invitation_key=self.opened.key,
            groups=inviting.groups_to_join(self.opened.invitation),
            may_accept=member and refusal is None,
            guest=user.is_authenticated and not member,
            may_look_around=gate.may_look_around(self.request, self.opened.invitation),
            accept_url=reverse_lazy("invitation_accept"),
            register_url=gate.signup_url(),
            login_url=gate.login_url(landing_url),
            logout_url=_logout_url(),
            landing_url=landing_url,
            decline_url=reverse("invitation_decline"),
            leave_url=_home_url(),
            **kwargs,
        )


class DeclineView(CarriedInvitationView):
    """Page that asks the visitor to confirm, and declines the invitation by POST.

    There are two steps because some email scanners press the first button that they find.
    """

    http_method_names = ["get", "head", "options", "post"]
    template_name = "invitation/invitation_decline.html"
    declined_template_name = "invitation/invitation_declined.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the invitation, and whether its inviter gets an email about the answer."""
        declined = InvitationEmail.Kind.DECLINED
        kwargs.setdefault("inviter_hears", mail.hears_of(self.opened.invitation, declined))
        return super().get_context_data(**kwargs)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Decline, or show why it is too late.

        A person who has opened another invitation in another tab is asked again, for that one.
        """
        hint = self.opened.invitation.key_hint
        if request.POST.get("invitation_hint", hint) != hint:
            return self.render_to_response(self.get_context_data(switched=True))
        try:
            arriving.decline(self.opened)
        except KeyRefused as refusal:
            return gate.refuse(request, refusal)
        response = render(request, self.declined_template_name, self.get_context_data())
        visitor.forget(response)
        # The browser's back button then shows the state of the invitation, not an empty page.
        visitor.remember_ended(response, self.opened.key, secure=request.is_secure())
        return response


#: Only the page of a logged-in visitor asks for these addresses, so only that page looks for them.
_home_url = lazy(gate.home_url, str)


def _reverse(name: str) -> str:
    """Return the URL of a page, or an empty string if the site does not have it."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _find_logout_url() -> str:
    # The names of redux, of Django and of allauth.
    return _reverse("auth_logout") or _reverse("logout") or _reverse("account_logout")


_logout_url = lazy(_find_logout_url, str)
