"""Sign-up in allauth's API for apps and single-page sites: it claims the invitation.

A request carries its key as ``invitation_key`` in the JSON body, or in ``X-Invitation-Key``.
"""

from __future__ import annotations

from typing import Any

from allauth.headless.account import views as account_views
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponseBase

from invitation import gate
from invitation.backends.allauth import claiming_forms
from invitation.backends.allauth.claiming_forms import PENDING
from invitation.conf import conf
from invitation.exceptions import KeyRefused
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import masking

# ``type: ignore[misc]`` in a mixin below: the class that it is mixed into has the method.


class GatedInputMixin(OwnTransactionsMixin):
    """Mixin for a view of the API that signs people up."""

    #: Mark for the check of open doors.
    invitation_required = True
    request: HttpRequest
    data: Any
    input: Any

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Refuse a request without a valid key, or let allauth answer."""
        masking.conceal_request(request)
        response = self.refuse(request)
        if response is None:
            with gate.as_anonymous(request):
                response = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        if gate.claimed(request) is not None:
            gate.finish(request, response)
        gate.protect(response)
        return response

    def refuse(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return the answer that says why the key is refused, or ``None``.

        The next steps of a sign-up come with the session of an account that exists already.
        """
        if request.method != "POST":
            return None
        refusal = gate.carried(request)
        if conf.INVITE_MODE and isinstance(refusal, KeyRefused):
            return claiming_forms.refusal_response(request, refusal)
        return None

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Sign up, or report what somebody else has taken since the input was checked.

        allauth forgets a login from a provider before it creates the account. A client that was
        refused may send the request again.
        """
        host: Any = super()
        pending = request.session.get(PENDING)
        try:
            return host.post(request, *args, **kwargs)  # type: ignore[no-any-return]
        except IntegrityError:
            response: HttpResponseBase | None = host.handle_input(self.data)
            if response is not None:
                return response
            if not self.input.account_already_exists:
                raise
            pending = None
            return host.post(request, *args, **kwargs)  # type: ignore[no-any-return]
        finally:
            if pending and gate.claimed(request) is None:
                request.session[PENDING] = pending

    def get_input_class(self) -> Any:
        """Return allauth's input class, with the claim in its ``save``."""
        found = super().get_input_class()  # type: ignore[misc]
        return claiming_forms.claiming_class(found) if self.request.method == "POST" else found

    def get_input_kwargs(self) -> dict[str, Any]:
        """Return allauth's arguments and the invitation."""
        kwargs: dict[str, Any] = super().get_input_kwargs()  # type: ignore[misc]
        posted = self.request.method == "POST"
        return kwargs | ({"opened": claiming_forms.opened_by(self.request)} if posted else {})

    def handle_invalid_input(self, given: Any) -> HttpResponseBase:
        """Refuse an address that the invitation does not admit; allauth reports other errors."""
        opened = claiming_forms.opened_by(self.request)
        if opened is not None:
            mismatch = opened.mismatch()
            codes = {error.code for found in given.errors.as_data().values() for error in found}
            if mismatch.code in codes:
                return claiming_forms.refusal_response(self.request, mismatch)
        response: HttpResponseBase = super().handle_invalid_input(given)  # type: ignore[misc]
        return response


class LoginView(account_views.LoginView):
    """Login with a password, which a guest can use who is logged in already."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return allauth's answer, as for an anonymous visitor."""
        with gate.as_anonymous(request):
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response


class SignupView(GatedInputMixin, account_views.SignupView):
    """Sign-up with an address, and with a password or a code."""
