"""Take the code of a shared link that somebody was told, or its word."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView, View

from invitation import clients, codes, flows, gate, masking, sites
from invitation.exceptions import KeyRefused, TooManyAttempts
from invitation.forms import JoinForm
from invitation.transactions import OwnTransactionsMixin

if TYPE_CHECKING:
    JoinFormView = FormView[JoinForm]
else:
    JoinFormView = FormView


def lead_on(request: HttpRequest, opened: flows.Opened) -> HttpResponse:
    """Let the visitor carry the key of what he has opened, and lead to the landing page."""
    response = redirect("invitation_landing")
    gate.remember(request, response, opened.key)
    return response


@method_decorator(login_not_required, name="dispatch")
@method_decorator(sensitive_post_parameters("code"), name="dispatch")
class JoinView(OwnTransactionsMixin, JoinFormView):
    """Take the code or the word of a shared link, and lead to its landing page.

    Wrong ones are counted, for each client address and for all together. The limit of an address
    is low and that of all is high: it takes hundreds of addresses to shut the others out.
    """

    form_class = JoinForm
    template_name = "invitation/invitation_join.html"

    #: Wrong codes within a window: from one client address (IPv6: one network of 64 bits), from the
    #: IPv6 network of 48 bits around it, of which a household may have many smaller ones, and from
    #: all together.
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
        """Return what tells clients apart: see ``clients.client_address``."""
        return clients.client_address(self.request)

    def get_limits(self) -> list[flows.Limit]:
        """Return what limits this visitor, the narrowest first."""
        address = self.client_address()
        limits = {clients.network(address): self.client_limit}
        limits.setdefault(clients.network(address, 48), self.wide_limit)
        return [
            *(flows.Limit(f"join:{name}", times, self.window) for name, times in limits.items()),
            flows.Limit("join", self.total_limit, self.window),
        ]

    def form_valid(self, form: JoinForm) -> HttpResponse:
        """Open the link, or say why not."""
        site_id = sites.current_site_id(self.request)
        try:
            opened = flows.join(form.cleaned_data["code"], self.get_limits(), site_id)
        except TooManyAttempts as error:
            return self.refuse_for_now(form, error)
        except KeyRefused as refusal:
            form.add_error("code", str(refusal))
            return self.render_to_response(self.get_context_data(form=form), status=refusal.status)
        return lead_on(self.request, opened)

    def refuse_for_now(self, form: JoinForm, error: TooManyAttempts) -> HttpResponse:
        """Say that it was too often, and when to come again."""
        form.add_error(None, str(error))
        response = self.render_to_response(self.get_context_data(form=form), status=429)
        response["Retry-After"] = str(error.seconds)
        return response


@method_decorator(login_not_required, name="dispatch")
class JoinWordView(OwnTransactionsMixin, View):
    """Open a shared link by its word, and lead to its landing page; changes no row.

    Words are public, so nothing limits how often. A code is not taken here.
    """

    http_method_names = ["get", "head", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Keep the page out of caches and search engines."""
        response = super().dispatch(request, *args, **kwargs)
        gate.protect(response)
        return response

    def get(self, request: HttpRequest, word: str) -> HttpResponse:
        """Redirect to the landing page, or say why the word opens nothing."""
        if codes.normalise(word) is not None:
            return redirect("invitation_join")
        try:
            return lead_on(request, flows.open_word(word, sites.current_site_id(request)))
        except KeyRefused as refusal:
            return gate.refuse(request, refusal)
