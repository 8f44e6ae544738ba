"""Gate for sign-up views of a site's own, without a registration app.

A class-based view takes ``InvitationRequiredMixin``. A function view takes ``invitation_required``,
and creates the account inside ``claiming``. A view that is open on purpose takes
``open_registration``, so that the check of open doors leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect

from invitation import gate
from invitation.backends.base import InvitationRegistrationMixin
from invitation.backends.fields import (
    bind_invitation,
    check_address,
    email_field_name,
    form_context,
)
from invitation.conf import conf
from invitation.exceptions import AddressMismatch, Busy, InvitationError, KeyRefused, NoKey
from invitation.flows import arriving
from invitation.gate import claiming, visitor
from invitation.keys import masking

__all__ = [
    "InvitationFormMixin",
    "InvitationRequiredMixin",
    "claiming",
    "form_context",
    "invitation_required",
    "open_registration",
]

#: Attributes of a view that the check of open doors reads.
GATED, OPEN = "invitation_required", "open_registration"

View = TypeVar("View", bound=Callable[..., Any])


def open_registration(view: View) -> View:
    """Mark a view, or a class of views, that signs people up without an invitation on purpose."""
    setattr(view, OPEN, True)
    return view


def invitation_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return the view, open only to requests with a valid key, or to all with INVITE_MODE off.

    Other requests get the page that says why. So does a request whose ``claiming`` is refused. The
    view may be asynchronous.
    """
    if iscoroutinefunction(view):

        @wraps(view)
        async def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            refused: HttpResponseBase | None = await sync_to_async(_enter)(request)
            if refused is not None:
                return refused
            try:
                response: HttpResponseBase = await view(request, *args, **kwargs)
            except (InvitationError, Busy) as error:
                response = await sync_to_async(_answer)(request, error)
            return await sync_to_async(_leave)(request, response)

        markcoroutinefunction(page)
    else:

        @wraps(view)
        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            refused = _enter(request)
            if refused is not None:
                return refused
            try:
                response: HttpResponseBase = view(request, *args, **kwargs)
            except (InvitationError, Busy) as error:
                response = _answer(request, error)
            return _leave(request, response)

    setattr(page, GATED, True)
    return page


def _enter(request: HttpRequest) -> HttpResponseBase | None:
    """Return the page for a request that may not sign up, or ``None`` for one that may."""
    masking.conceal_request(request)
    found = gate.carried(request)
    if isinstance(found, KeyRefused):
        return _answer(request, found) if conf.INVITE_MODE else None
    if request.user.is_authenticated:
        response = redirect("invitation_landing")
        gate.remember(request, response, found.key)
        gate.protect(response)
        return response
    return None


def _answer(request: HttpRequest, error: Exception) -> HttpResponseBase:
    """Return the page that says why a request may not sign up. Raises other errors again."""
    if isinstance(error, Busy):
        return gate.answer_busy(request, error)
    if isinstance(error, AddressMismatch):
        return gate.refuse_address(request, error)
    if isinstance(error, KeyRefused):
        # Without a key it is not a 404: the page exists, but not for everybody.
        return gate.refuse(request, error, status=403 if isinstance(error, NoKey) else None)
    raise error


def _leave(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return the response of a view, with the key kept or forgotten."""
    gate.protect(response)
    found = gate.carried(request)
    if gate.claimed(request) is not None:
        visitor.forget(response)
    elif isinstance(found, arriving.Opened) and gate.given_key(request) and request.method == "GET":
        gate.remember(request, response, found.key)
    return response


class _PlainHost:
    """Part of a registration app that ``InvitationRegistrationMixin`` needs, for any form view."""

    request: HttpRequest
    #: New account.
    object: Any = None

    def registration_allowed(self) -> bool:
        """Return whether the site is open, apart from invitations."""
        return True

    def register(self, form: Any) -> Any:
        """Create and return the account."""
        return form.save()

    def form_valid(self, form: Any) -> HttpResponseBase:
        """Create the account, and go on to the next page."""
        view: Any = self
        self.object = user = view.register(form)
        return HttpResponseRedirect(view.destination(user) or str(view.get_success_url()))


class InvitationRequiredMixin(InvitationRegistrationMixin, _PlainHost):
    """Mixin for a class-based view with a form that signs people up, such as a ``CreateView``.

    The account is what ``create_account(form)`` returns: by default, what the form saves. The
    account and the use of the invitation are one transaction.
    """

    invitation_required = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Redirect a logged-in visitor with an invitation to the page where they can accept it."""
        if request.user.is_authenticated and self.opened is not None:
            response = redirect("invitation_landing")
            gate.remember(request, response, self.opened.key)
            gate.protect(response)
            return response
        return super().dispatch(request, *args, **kwargs)


class InvitationFormMixin:
    """Mixin for a sign-up form: it fills in and checks the invited address.

    The view passes ``request``.
    """

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        found = gate.carried(request)
        #: Invitation that the visitor carries, or ``None``.
        self.opened = found if isinstance(found, arriving.Opened) else None
        super().__init__(*args, **kwargs)
        form: Any = self
        bind_invitation(form, self.opened)

    def clean(self) -> Any:
        """Check the address against the invitation that the visitor carries."""
        super().clean()  # type: ignore[misc]
        check_address(self, self.opened, email_field_name())
        return self.cleaned_data  # type: ignore[attr-defined]
