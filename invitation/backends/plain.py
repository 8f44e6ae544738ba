"""Gate for sign-up views of a site's own, without a registration app.

A class-based view takes ``InvitationRequiredMixin``. A function view takes ``invitation_required``,
and creates the account inside ``claiming``. A view that is open on purpose takes
``open_registration``, so that the check of open doors leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.db import OperationalError
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator

from invitation import gate
from invitation.backends.base import InvitationRegistrationMixin
from invitation.backends.fields import (
    HINT_FIELD,
    bind_invitation,
    check_address,
    email_field_name,
    form_context,
    give_invited_address,
    guest_arguments,
)
from invitation.backends.passwords import hashed_password
from invitation.conf import conf
from invitation.exceptions import AddressMismatch, Busy, KeyRefused, NoKey
from invitation.flows import arriving
from invitation.flows.after_commit import is_unavailable
from invitation.gate.atomic_requests import answering, own_transactions
from invitation.keys import masking

__all__ = [
    "InvitationFormMixin",
    "InvitationRequiredMixin",
    "claiming",
    "form_arguments",
    "form_context",
    "hashed_password",
    "invitation_required",
    "open_registration",
]

#: Attributes of a view that the check of open doors reads.
GATED, OPEN = "invitation_required", "open_registration"
CLOSED_TEMPLATE = "registration/registration_closed.html"

#: What a claim may raise in a view.
REFUSED = (KeyRefused, AddressMismatch, Busy, OperationalError)

View = TypeVar("View", bound=Callable[..., Any])


def open_registration(view: View) -> View:
    """Mark a view, or a class of views, that signs people up without an invitation on purpose."""
    setattr(view, OPEN, True)
    return view


def invitation_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return the view, open only to requests with a valid key, or to all with INVITE_MODE off.

    Other requests get the page that says why. So does a request whose ``claiming`` is refused. A
    logged-in visitor is redirected to their invitation. The view may be asynchronous. An account
    that it creates outside of ``claiming`` is an error.
    """
    enter: Callable[[HttpRequest], HttpResponseBase | None] = gate.on_a_site(_enter)
    if iscoroutinefunction(view):

        @wraps(view)
        async def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            refused: HttpResponseBase | None = await sync_to_async(enter)(request)
            if refused is not None:
                return refused
            try:
                with gate.guarding(request):
                    response: HttpResponseBase = await view(request, *args, **kwargs)
            except REFUSED as error:
                response = await sync_to_async(answer_refusal)(request, error)
            return await sync_to_async(_leave)(request, response)

    else:
        # ATOMIC_REQUESTS puts its transaction around the view only. So an error rolls it back
        # before the page about the error is made.
        answered = answering(view)

        @wraps(view)
        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            refused = enter(request)
            if refused is not None:
                return refused
            try:
                with gate.guarding(request):
                    response: HttpResponseBase = answered(request, *args, **kwargs)
            except REFUSED as error:
                response = answer_refusal(request, error)
            return _leave(request, response)

    setattr(page, GATED, True)
    return login_not_required(own_transactions(page))


@contextmanager
def claiming(request: HttpRequest, email: str = "") -> Iterator[arriving.Claim]:
    """Use the invitation of a request for the account that the block creates, or neither.

    It is ``gate.claiming``, for code that does not repeat what the database undoes: that raises
    ``Busy``.
    """
    try:
        with gate.claiming(request, email) as claim:
            yield claim
    except OperationalError as error:
        if not is_unavailable(error):
            raise
        raise Busy() from error


def form_arguments(request: HttpRequest, form_class: type) -> dict[str, Any]:
    """Return the arguments with which a model form saves the account of a guest.

    For a visitor who is not a guest, there are none.
    """
    return guest_arguments(gate.guest_of(request), form_class, {})


@own_transactions
def _enter(request: HttpRequest) -> Any:
    """Return the page for a request that may not sign up, or ``None`` for one that may."""
    masking.conceal_request(request)
    led = _lead_member(request)
    if led is not None:
        return led
    found = gate.carried(request)
    refused = isinstance(found, KeyRefused) and conf.INVITE_MODE
    return answer_refusal(request, found) if refused else None  # type: ignore[arg-type]


def _lead_member(request: HttpRequest) -> HttpResponseBase | None:
    """Return the redirect of a logged-in visitor: to their invitation, or into the site."""
    if not gate.is_member(request):
        return None
    found = gate.carried(request)
    if isinstance(found, KeyRefused):
        return redirect(gate.home_url())
    response = redirect("invitation_landing")
    gate.remember(request, response, found.key)
    gate.protect(response)
    return response


def answer_refusal(request: HttpRequest, error: Exception) -> HttpResponseBase:
    """Return the page that says why a request may not sign up. Raises other errors again."""
    if isinstance(error, AddressMismatch):
        return gate.refuse_address(request, error)
    if isinstance(error, KeyRefused):
        # Without a key it is not a 404: the page exists, but not for everybody.
        return gate.refuse(request, error, status=403 if isinstance(error, NoKey) else None)
    if isinstance(error, Busy) or (isinstance(error, OperationalError) and is_unavailable(error)):
        return gate.answer_busy(request, error)
    raise error


def _leave(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return the response of a view, with the key kept or forgotten."""
    gate.protect(response)
    if gate.claimed(request) is not None:
        gate.finish(request, response)
    elif request.method == "GET" and gate.given_key(request):
        found = gate.carried(request)
        if isinstance(found, arriving.Opened):
            # The following pages then know the key, however the form is posted.
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
        view.account_created(user)
        return HttpResponseRedirect(view.destination(user) or str(view.get_success_url()))


# Repeated here: the base class marks its own ``dispatch``, and this class overrides it.
@method_decorator(login_not_required, name="dispatch")
class InvitationRequiredMixin(InvitationRegistrationMixin, _PlainHost):
    """Mixin for a class-based view with a form that signs people up, such as a ``CreateView``.

    The account is what ``create_account(form)`` returns: by default, what the form saves. The
    account and the use of the invitation are one transaction. An account that is created anywhere
    else is an error.
    """

    invitation_required = True
    #: The account of a form without an address gets the invited one.
    needs_email_field = False

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., Any]:
        """Return the view, with a page in place of the error if the request has no Site."""
        return gate.on_a_site(super().as_view(**initkwargs))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Redirect a logged-in visitor, show the closed page, or run the gated view."""
        led = _lead_member(request)
        if led is not None:
            return led
        if not (self.registration_allowed() or self.get_refusal()):
            response: HttpResponseBase = render(request, CLOSED_TEMPLATE, status=403)
            gate.protect(response)
            return response
        with gate.guarding(request):
            return super().dispatch(request, *args, **kwargs)

    def account_created(self, user: Any) -> None:
        """Do what follows the commit of a new account, such as its login. By default: nothing."""

    def _register(self, form: Any) -> Any:
        give_invited_address(form, self.opened)
        with gate.claim_under_way(self.request):
            return super()._register(form)


class InvitationFormMixin:
    """Mixin for a sign-up form: it fills in and checks the invited address.

    The view passes ``request``. If the form has no field for the address, ``cleaned_data`` has the
    invited one, where no other address may sign up.
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
        form: Any = self
        cleaned = super().clean()  # type: ignore[misc]
        if cleaned is not None:
            form.cleaned_data = cleaned
        form.cleaned_data.pop(HINT_FIELD, None)  # not for the site's own save()
        check_address(form, self.opened, email_field_name())
        return form.cleaned_data
