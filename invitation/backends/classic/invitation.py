"""Invitation gate in front of any registration backend class."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.functional import cached_property
from django.views.decorators.debug import sensitive_variables

from invitation import gate
from invitation.backends.base import InvitationRegistrationMixin
from invitation.backends.classic.base import Redirect, RegistrationBackend, get_backend
from invitation.backends.fields import bind_invitation, email_field_name
from invitation.conf import conf
from invitation.exceptions import NoKey
from invitation.flows import arriving
from invitation.flows.after_commit import in_transaction


class InvitationBackend:
    """Backend that lets a request reach another backend only with a valid invitation key.

    The class attribute ``backend`` names the other backend: a dotted path or a class. Create your
    own class for each backend that you wrap, with a subclass or with ``wrapping()``.
    """

    backend: str | type = "invitation.backends.classic.default.DefaultBackend"

    @classmethod
    def wrapping(cls, backend: str | type) -> type[InvitationBackend]:
        """Return a subclass that wraps this backend.

        Assign it to a name in one of your modules. That name is its dotted path::

            InvitedBackend = InvitationBackend.wrapping("site.registration.OldBackend")
        """
        name = backend.__name__ if isinstance(backend, type) else backend.rpartition(".")[2]
        return type(f"Invitation{name}", (cls,), {"backend": backend, "__doc__": cls.__doc__})

    @cached_property
    def wrapped(self) -> RegistrationBackend:
        """Backend that this one wraps.

        Raises ``ImproperlyConfigured`` if it cannot be loaded or is an ``InvitationBackend`` too.
        """
        wrapped: RegistrationBackend = get_backend(self.backend)
        if isinstance(wrapped, InvitationBackend):
            raise ImproperlyConfigured(
                f"{type(self).__name__} wraps {self.backend!r}, which is an InvitationBackend too."
            )
        return wrapped

    @property
    def activates_by_get(self) -> bool:
        """Whether opening an activation link activates the account, as the wrapped backend says."""
        return bool(getattr(self.wrapped, "activates_by_get", False))

    # -- the six methods ---------------------------------------------------------------------

    def registration_allowed(self, request: HttpRequest) -> bool:
        """Return whether the wrapped backend is open and the visitor carries a valid key.

        A logged-in visitor with an invitation does not register: see ``refusal``.
        """
        return self._gate(request).registration_allowed() and not self._must_choose(request)

    def get_form_class(self, request: HttpRequest) -> type[BaseForm]:
        """Return the wrapped backend's form with the invited address in it.

        With INVITATION_EMAIL_POLICY ``"exact"``, another address is an error of the form.
        """
        form_class = self.wrapped.get_form_class(request)
        opened = self._gate(request).opened
        return form_class if opened is None else _bound(form_class, opened)

    @sensitive_variables()
    def register(self, request: HttpRequest, **kwargs: Any) -> AbstractBaseUser:
        """Claim the invitation and let the wrapped backend create the account: both or neither.

        Raises ``AddressMismatch``, or ``KeyRefused`` if the key no longer opens the invitation.
        """
        opened = self._gate(request).opened
        if opened is not None:
            # Without an address field in the form, the account can only have the invited address.
            kwargs.setdefault(email_field_name(), kwargs.get("email", opened.invitation.email))
        user: AbstractBaseUser = self._gate(request).register(_Submitted(kwargs))
        return user

    def activation_account(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the account of an activation link from the wrapped backend.

        Raises ``NotImplementedError`` where the wrapped backend has no such method.
        """
        if not hasattr(self.wrapped, "activation_account"):
            raise NotImplementedError
        return self.wrapped.activation_account(request, **kwargs)

    def activate(self, request: HttpRequest, **kwargs: Any) -> AbstractBaseUser | None:
        """Let the wrapped backend activate an account, and record that it can be used now."""

        def step() -> AbstractBaseUser | None:
            user = self.wrapped.activate(request, **kwargs)
            if user:
                arriving.activate(user)
            return user

        return in_transaction(step)

    def post_registration_redirect(self, request: HttpRequest, user: AbstractBaseUser) -> Redirect:
        """Return the redirect to the destination of the invitation, or the backend's own.

        The destination applies only to an account that can be used already.
        """
        destination = self._gate(request).destination(user)
        if destination:
            return (destination, (), {})
        return self.wrapped.post_registration_redirect(request, user)

    def post_activation_redirect(self, request: HttpRequest, user: AbstractBaseUser) -> Redirect:
        """Return the redirect to the destination of the invitation, or the backend's own.

        The destination applies only to an account that can be used already.
        """
        destination = arriving.destination_of(user)
        if destination:
            return (destination, (), {})
        return self.wrapped.post_activation_redirect(request, user)

    # -- optional methods that our views call if a backend has them ---------------------------

    def resume(self, request: HttpRequest, form: BaseForm) -> AbstractBaseUser | None:
        """Send the activation email again for the account that makes this form invalid.

        Returns ``None`` if the account is not the visitor's own. Raises ``MailLimitReached``.
        """
        user: AbstractBaseUser | None = self._gate(request).resume(form)
        return user

    def refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return the page that says why this visitor may not register.

        Returns ``None`` where the wrapped backend is the reason: it is closed.
        """
        asked = self._gate(request)
        refused = asked.get_refusal()
        if refused is not None:
            # As in the mixin: the page exists, but not for everybody.
            status = 403 if isinstance(refused, NoKey) else None
            return gate.refuse(request, refused, status=status)
        if asked.opened is None or not asked.host_allows():
            return None
        response = redirect("invitation_landing")
        gate.remember(request, response, asked.opened.key)
        gate.protect(response)
        return response

    def registration_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return the form page's context about the invitation."""
        return self._gate(request).get_context_data()

    def finish_registration(
        self, request: HttpRequest, response: HttpResponseBase, user: AbstractBaseUser | None
    ) -> None:
        """Protect a page that depends on a key, and remove the key after a registration."""
        gate.protect(response)
        opened = self._gate(request).opened
        if user is not None:
            gate.finish(request, response)
        elif opened is not None and gate.given_key(request):
            # The following pages then know the key, however the form is posted.
            gate.remember(request, response, opened.key)

    # -----------------------------------------------------------------------------------------

    _asked: _Gate | None = None

    def _gate(self, request: HttpRequest) -> _Gate:
        if self._asked is None or self._asked.request is not request:
            self._asked = _Gate(request, self.wrapped)
        return self._asked

    def _must_choose(self, request: HttpRequest) -> bool:
        """Return whether a logged-in visitor has opened an invitation.

        Always false where redux's ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS is off.
        """
        if not getattr(settings, "ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS", True):
            return False
        return gate.is_member(request) and self._gate(request).opened is not None


class _Submitted:
    """Cleaned data in the shape of a form, hidden from error reports."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.renew()

    def renew(self) -> None:
        """Restore the data that was given."""
        self.cleaned_data = dict(self.given)


class _WrappedHost:
    """Adapter that gives the wrapped backend the methods of a registration view."""

    def __init__(self, request: HttpRequest, backend: RegistrationBackend) -> None:
        self.request = request
        self.backend = backend

    @cached_property
    def allowed(self) -> bool:
        """Answer of the wrapped backend, asked only once because the backend may count calls."""
        return self.backend.registration_allowed(self.request)

    def registration_allowed(self) -> bool:
        return self.allowed

    @sensitive_variables()
    def register(self, form: _Submitted) -> AbstractBaseUser:
        return self.backend.register(self.request, **form.cleaned_data)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return kwargs


class _Gate(InvitationRegistrationMixin, _WrappedHost):
    """The gate that all registration hosts share, for one request."""

    def create_account(self, form: _Submitted) -> Any:
        """Create the account, and check the address that it really got."""
        if hasattr(self.backend, "opened"):
            self.backend.opened = self.opened
        if hasattr(self.backend, "guest"):
            self.backend.guest = gate.guest_of(self.request)
        user = super().create_account(form)
        address = getattr(user, email_field_name(), "")
        if conf.INVITE_MODE and self.opened and address and not self.opened.admits(address):
            raise self.opened.mismatch()
        return user

    def renew_form(self, form: _Submitted) -> None:
        """Restore the submitted data before another try."""
        form.renew()

    def waiting_account(self, email: str) -> Any | None:
        """Return the wrapped backend's account that waits, or ``None`` if it cannot find one."""
        find = getattr(self.backend, "waiting_account", None)
        return find(email) if find is not None else None

    def ask_for_activation(self, user: Any) -> None:
        """Let the wrapped backend send the activation email of an account again."""
        backend: Any = self.backend
        backend.ask_for_activation(self.request, user)


def _bound(form_class: type[Any], opened: arriving.Opened) -> type[BaseForm]:
    class InvitedForm(form_class):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            bind_invitation(self, opened)

        def clean(self) -> Any:
            cleaned = super().clean()
            name = email_field_name()
            email = self.cleaned_data.get(name)
            if conf.INVITE_MODE and email and not opened.admits(email):
                self.add_error(name, str(opened.mismatch()))
            return cleaned

    InvitedForm.__name__ = form_class.__name__
    InvitedForm.__qualname__ = form_class.__qualname__
    InvitedForm.__module__ = form_class.__module__
    InvitedForm.__doc__ = form_class.__doc__
    return InvitedForm
