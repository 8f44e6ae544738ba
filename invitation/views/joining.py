"""Pages that take the code or the custom code of a shared link."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, View

from invitation import gate
from invitation.addresses.networks import network
from invitation.exceptions import KeyRefused, TooManyAttempts
from invitation.flows import arriving, quota, sharing
from invitation.forms import JoinForm
from invitation.gate import clients
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import codes, masking, sites

if TYPE_CHECKING:
    JoinFormView = FormView[JoinForm]
else:
    JoinFormView = FormView


def lead_on(request: HttpRequest, opened: arriving.Opened) -> HttpResponse:
    """Let the visitor carry the key of the opened link, and lead to the landing page."""
    response = gate.go_on(request, "invitation_landing")
    gate.remember(request, response, opened.key)
    return response


@method_decorator(login_not_required, name="dispatch")
@method_decorator(sensitive_post_parameters("code"), name="dispatch")
class JoinView(OwnTransactionsMixin, JoinFormView):
    """Page that takes the code or the custom code of a shared link, and opens its landing page.

    Wrong codes are counted, for each client address and for all addresses together. The limit of
    one address is low, and the common limit is high. So an attacker needs hundreds of addresses to
    lock other people out.
    """

    form_class = JoinForm
    template_name = "invitation/invitation_join.html"

    #: Wrong codes allowed within a window. ``client_limit`` is for one client address (IPv6: one
    #: network of 64 bits). ``wide_limit`` is for the IPv6 network of 48 bits around it, because a
    #: household may have many smaller networks. ``total_limit`` is for all addresses together.
    client_limit = 20
    wide_limit = 100
    total_limit = 5000
    window = timedelta(minutes=10)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Keep the page out of caches and search engines."""
        masking.conceal_request(request)
        response = super().dispatch(request, *args, **kwargs)
        gate.protect(response)
        return response

    def client_address(self) -> str:
        """Return the text that identifies a client: see ``clients.client_address``."""
        return clients.client_address(self.request)

    def get_limits(self) -> list[quota.Limit]:
        """Return the limits for this visitor, the narrowest first."""
        address = self.client_address()
        limits = {network(address): self.client_limit}
        limits.setdefault(network(address, 48), self.wide_limit)
        return [
            *(quota.Limit(f"join:{name}", times, self.window) for name, times in limits.items()),
            quota.Limit("join", self.total_limit, self.window),
        ]

    def form_valid(self, form: JoinForm) -> HttpResponse:
        """Open the link, or show why not."""
        site_id = sites.current_site_id(self.request)
        try:
            opened = sharing.join(form.cleaned_data["code"], self.get_limits(), site_id)
        except TooManyAttempts as error:
            return self.refuse_for_now(form, error)
        except KeyRefused as refusal:
            form.add_error("code", str(refusal))
            return self.render_to_response(self.get_context_data(form=form), status=refusal.status)
        return lead_on(self.request, opened)

    def refuse_for_now(self, form: JoinForm, error: TooManyAttempts) -> HttpResponse:
        """Show that there were too many attempts, and when to try again."""
        form.add_error(None, str(error))
        response = self.render_to_response(self.get_context_data(form=form), status=429)
        response["Retry-After"] = str(error.seconds)
        return response


@method_decorator(login_not_required, name="dispatch")
class JoinWordView(OwnTransactionsMixin, View):
    """Page that opens a shared link by its custom code; it changes no row.

    It redirects to the landing page. Custom codes are public, so there is no limit on attempts.
    This page does not accept other codes.
    """

    http_method_names = ["get", "head", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Keep the page out of caches and search engines."""
        response = super().dispatch(request, *args, **kwargs)
        gate.protect(response)
        return response

    def get(self, request: HttpRequest, word: str) -> HttpResponse:
        """Redirect to the landing page, or show why the custom code opens nothing."""
        if codes.normalise(word) is not None:
            return redirect("invitation_join")
        try:
            return lead_on(request, sharing.open_word(word, sites.current_site_id(request)))
        except KeyRefused as refusal:
            return gate.refuse(request, refusal)
