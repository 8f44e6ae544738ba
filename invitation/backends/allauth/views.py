"""Sign-up pages of allauth for the holder of a valid invitation key."""

from __future__ import annotations

from typing import Any

from allauth.account import views as account_views
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.decorators import method_decorator

from invitation import gate
from invitation.backends.allauth import claiming_forms
from invitation.backends.allauth.claiming_forms import EMAIL
from invitation.backends.fields import bind_invitation, form_context
from invitation.conf import conf
from invitation.exceptions import KeyRefused
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import masking

#: Name of allauth's field for the address once more.
AGAIN = "email2"


@method_decorator(login_not_required, name="dispatch")
class GatedSignupMixin(OwnTransactionsMixin):
    """Mixin for a sign-up view of allauth: it claims the invitation with the account."""

    #: Mark for the check of open doors.
    invitation_required = True
    request: HttpRequest
    #: Whether a form was taken. The answer is the same if allauth hides that the account exists.
    answered = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return allauth's page; a logged-in visitor with an invitation may accept it instead."""
        masking.conceal_request(request)
        opened = claiming_forms.opened_by(request)
        if gate.is_member(request) and opened is not None:
            response: HttpResponseBase = redirect("invitation_landing")
            gate.remember(request, response, opened.key)
        else:
            with gate.as_anonymous(request):
                response = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
            if self.answered:
                gate.finish(request, response)
            elif opened is not None and gate.given_key(request) and request.method == "GET":
                # The following pages then know the key, however the form is posted.
                gate.remember(request, response, opened.key)
        gate.protect(response)
        return response

    def closed(self) -> HttpResponseBase:
        """Return the page that says why the invitation is refused, or allauth's own page."""
        refusal = gate.carried(self.request)
        if conf.INVITE_MODE and isinstance(refusal, KeyRefused):
            return claiming_forms.refusal_response(self.request, refusal)
        response: HttpResponseBase = super().closed()  # type: ignore[misc]
        return response

    def get_form_class(self) -> type:
        """Return the form class of allauth or of the site, with the claim in its ``save``."""
        return claiming_forms.claiming_class(super().get_form_class())  # type: ignore[misc]

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return allauth's arguments and the invitation."""
        kwargs: dict[str, Any] = super().get_form_kwargs()  # type: ignore[misc]
        return kwargs | {"opened": claiming_forms.opened_by(self.request)}

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form with the invited address filled in."""
        known = getattr(self, "_cached_form", None)  # allauth keeps its form there
        form = super().get_form(form_class)  # type: ignore[misc]
        if known is None:
            opened = claiming_forms.opened_by(self.request)
            bind_invitation(form, opened, EMAIL)
            if AGAIN in form.fields and EMAIL in form.initial:
                form.initial[AGAIN] = form.initial[EMAIL]
        return form

    def form_valid(self, form: Any) -> HttpResponseBase:
        """Sign up, or show what somebody else has taken since the form was checked."""
        host: Any = super()
        try:
            response: HttpResponseBase = host.form_valid(form)
        except IntegrityError:
            vars(self).pop("_cached_form")
            fresh = self.get_form()
            if not fresh.is_valid():
                return host.form_invalid(fresh)  # type: ignore[no-any-return]
            if not fresh.account_already_exists:
                raise
            response = host.form_valid(fresh)
        self.answered = True
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return allauth's context and the invitation."""
        kwargs = form_context(self.request, claiming_forms.opened_by(self.request)) | kwargs
        context: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return context


# ``type: ignore[misc]`` in a mixin below: the class that it is mixed into has the method.


class SignupView(GatedSignupMixin, account_views.SignupView):
    """Sign-up with an address, and with a password or a code."""


class LoginView(OwnTransactionsMixin, account_views.LoginView):
    """Login page of allauth that a guest can open, who is logged in already."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return allauth's page, as for an anonymous visitor."""
        with gate.as_anonymous(request):
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response


class SignupByPasskeyView(GatedSignupMixin, account_views.SignupByPasskeyView):
    """Sign-up with an address and a passkey."""
