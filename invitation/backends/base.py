"""Mixin that gates a registration view and links the new account to its invitation.

The mixin works with any host, which is a class-based form view with two methods.
``registration_allowed()`` is asked before anything is shown. ``register(form)`` creates and returns
the account.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth import authenticate, get_user_model, login
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.views.decorators.debug import sensitive_variables

from invitation import gate
from invitation.backends.fields import (
    HINT_FIELD,
    FormOutdated,
    bind_invitation,
    email_field_name,
    form_context,
    guest_arguments,
    replace_form,
    use_invited_address,
)
from invitation.backends.passwords import hashed_password
from invitation.conf import conf
from invitation.exceptions import AddressMismatch, Busy, KeyRefused, MailLimitReached, NoKey
from invitation.flows import arriving, mail
from invitation.flows.after_commit import in_transaction, writing
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import destinations, masking, sites


class _Waiting(Exception):
    """Exception that undoes a claim: the address has an account that waits for its activation."""


@method_decorator(login_not_required, name="dispatch")
class InvitationRegistrationMixin(OwnTransactionsMixin):
    """Registration only for the holder of a valid invitation key, once, with the right address."""

    request: HttpRequest
    #: Invitation that the account was created with, once the account exists.
    claimed: arriving.Opened | None = None
    #: Whether a form without the email field can sign up nobody where only one address may.
    needs_email_field = True

    @cached_property
    def carried(self) -> arriving.Opened | KeyRefused:
        """Invitation that the visitor carries, or the reason why there is none; one query."""
        return gate.carried(self.request)

    @property
    def opened(self) -> arriving.Opened | None:
        """Invitation that the visitor carries, or ``None``."""
        return self.carried if isinstance(self.carried, arriving.Opened) else None

    def host_allows(self) -> bool:
        """Return whether the host would allow this registration without the invitation gate."""
        return bool(super().registration_allowed())  # type: ignore[misc]

    def registration_allowed(self) -> bool:
        """Return whether this request may register: the gate."""
        return self.host_allows() and (self.opened is not None or not conf.INVITE_MODE)

    def get_refusal(self) -> KeyRefused | None:
        """Return why the gate refuses, or ``None`` if the host or the site refuses."""
        if conf.INVITE_MODE and self.host_allows() and isinstance(self.carried, KeyRefused):
            return self.carried
        return None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return the page that says why a key is refused, or let the host answer."""
        masking.conceal_request(request)
        if not self.registration_allowed():
            refusal = self.get_refusal()
            if refusal is not None:
                # Without a key it is not a 404: the page exists, but not for everybody.
                status = 403 if isinstance(refusal, NoKey) else None
                return gate.refuse(request, refusal, status=status)
        with gate.as_anonymous(request):
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        gate.protect(response)
        if self.opened is not None and gate.given_key(request) and request.method == "GET":
            # The following pages then know the key, however the form is posted.
            gate.remember(request, response, self.opened.key)
        return response

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the host's arguments, and the account of a guest, whom the form makes a member."""
        kwargs: dict[str, Any] = super().get_form_kwargs()  # type: ignore[misc]
        guest = gate.guest_of(self.request)
        return kwargs | guest_arguments(guest, self.get_form_class(), kwargs)  # type: ignore[attr-defined]

    def get_form(self, form_class: type[BaseForm] | None = None) -> BaseForm:
        """Return the host's form with the invited address filled in."""
        form: BaseForm = super().get_form(form_class)  # type: ignore[misc]
        bind_invitation(form, self.opened)
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the host's context, the inviter, and the key for templates of 1.0."""
        kwargs = form_context(self.request, self.opened) | kwargs
        context: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return context

    def create_account(self, form: Any) -> Any:
        """Create and return the account, inside the transaction that claims the invitation."""
        return super().register(form)  # type: ignore[misc]

    def register(self, form: Any) -> Any:
        """Claim the invitation and create the account: both or neither.

        If the database undoes that because of others, it is done again. Each try has a fresh form,
        and the session that the visitor had before.
        """
        if self.resumed is not None:
            return self.remind_waiting(self.resumed)
        # A request that loses the race hashes for nothing. That costs less than a long lock.
        with hashed_password(form):
            attempt, renew = partial(self._register, form), partial(self.renew_form, form)
            user = gate.repeat_visit(self.request, attempt, renew)
        gate.leave_guest(self.request, user)
        return user

    def renew_form(self, form: Any) -> None:
        """Make the form a fresh one before another try. Raises ``FormOutdated``."""
        replace_form(form, self.get_form())

    def _register(self, form: Any) -> Any:
        opened, self.claimed = self.opened, None
        form.cleaned_data.pop(HINT_FIELD, None)  # not for the site's own save()
        email = use_invited_address(form, opened)
        if opened is not None and (conf.INVITE_MODE or opened.admits(email)):
            try:
                account = self.claim(opened, form, email)
            except KeyRefused as refusal:
                if conf.INVITE_MODE:
                    raise
                self.carried = refusal  # This invitation proves nothing either.
            else:
                self.claimed = opened
                return account
        with writing():
            return self._create(form)

    def _create(self, form: Any) -> Any:
        with gate.keeping_guest(self.request) as made:
            made.append(self.create_account(form))
        return made[0]

    def destination(self, user: Any) -> str:
        """Return the page to which the invitation leads this new account, if the account is usable.

        Otherwise return an empty string. ``arriving.destination_of`` finds the page after an
        activation.
        """
        if self.claimed is None or not getattr(user, "is_active", False):
            return ""
        return destinations.safe(self.claimed.invitation.destination)

    def claim(self, opened: arriving.Opened, form: Any, email: str) -> Any:
        """Claim this invitation and create the account: both or neither."""
        waiting: list[Any] = []

        def create() -> Any:
            if opened.invitation.shared:
                waiting.extend(self._find_waiting(email))
            if waiting:
                raise _Waiting
            return self._create(form)

        try:
            return arriving.claim(opened, create, email=email)
        except _Waiting:
            return self.remind_waiting(waiting[0])

    # -- people who have registered before, and have not finished -----------------------------

    #: Visitor's own earlier account, if its taken name is what makes the form invalid.
    resumed: Any = None

    def waiting_account(self, email: str) -> Any | None:
        """Return an account of this address that waits for its activation, or ``None``."""
        return None

    def ask_for_activation(self, user: Any) -> None:
        """Schedule the activation email of an account after the commit.

        Raises ``MailLimitReached``.
        """

    def remind_waiting(self, user: Any) -> Any:
        """Send the activation email of an account again, without changing the account."""
        in_transaction(partial(self.ask_for_activation, user))
        return user

    def resume(self, form: Any) -> Any | None:
        """Send the activation email again for the account that makes a form invalid, if any.

        Returns the account or ``None``.
        """
        user = self._find_resumed(form)
        return None if user is None else self.remind_waiting(user)

    def _find_waiting(self, email: str) -> list[Any]:
        # Two requests for one address at once: the second waits for the first and finds its
        # account.
        mail.await_turn(sites.current_site_id(self.request), email)
        found = self.waiting_account(email)
        return [] if found is None else [found]

    def _find_resumed(self, form: Any) -> Any | None:
        """Return the account that makes a form invalid, if it belongs to the visitor's address.

        A person who fills in the form of a shared link again types the same name.
        """
        opened = self.opened
        names = {get_user_model().USERNAME_FIELD, email_field_name()}
        errors = form.errors.as_data()
        codes = {error.code for found in errors.values() for error in found}
        if opened is None or not opened.invitation.shared or codes != {"unique"}:
            return None
        email = str(form.data.get(form.add_prefix(email_field_name())) or "").strip()
        if not errors.keys() <= names or not opened.admits(email):
            return None
        user = self.waiting_account(email)
        typed = str(form.data.get(form.add_prefix(get_user_model().USERNAME_FIELD)) or "")
        own = user is not None and user.get_username().lower() == typed.strip().lower()
        return user if own else None

    def form_valid(self, form: Any) -> HttpResponseBase:
        """Register, or show what happened in the meantime.

        A visitor who loses a race never gets an error page.
        """
        try:
            response: HttpResponseBase = super().form_valid(form)  # type: ignore[misc]
        except AddressMismatch as error:
            # The form may have no field for the address. Then the error belongs to the whole form.
            name = email_field_name()
            form.add_error(name if name in form.fields else None, str(error))
            return self.form_invalid(form)
        except KeyRefused as refusal:
            return gate.refuse(self.request, refusal)
        except MailLimitReached as error:
            form.add_error(None, str(error))
            response = self.show_invalid(form)
            response.status_code = 429
            return response
        except Busy as error:
            gate.note_busy(error)
            form.add_error(None, str(error))
            response = self.show_invalid(form)
            gate.ask_again_later(response)
            return response
        except FormOutdated:
            return self.form_invalid(form)
        except IntegrityError:
            # Somebody has taken the name since the form was checked. A new check finds that.
            checked = self.get_form()
            if checked.is_valid():
                raise
            return self.form_invalid(checked)
        gate.finish(self.request, response)
        return response

    def form_invalid(self, form: Any) -> HttpResponseBase:
        """Show the form again with its errors, or resume the visitor's own waiting account."""
        self.resumed = self._find_resumed(form)
        return self.show_invalid(form) if self.resumed is None else self.form_valid(form)

    def show_invalid(self, form: Any) -> HttpResponseBase:
        """Show the form again with its errors."""
        response: HttpResponseBase = super().form_invalid(form)  # type: ignore[misc]
        return response


@sensitive_variables("password")
def log_in(request: HttpRequest, user: Any, password: str) -> None:
    """Log a new account in, if the site's authentication backends agree.

    The account is there already. If the database undoes the login because of others, it is done
    again. If that does not help, the person has to log in.
    """
    try:
        gate.repeat_visit(request, partial(_log_in, request, user, password))
    except Busy as error:
        gate.note_busy(error)


@sensitive_variables("password")
def _log_in(request: HttpRequest, user: Any, password: str) -> None:
    # With the request, unlike redux: some backends count attempts and need it.
    account = authenticate(request, username=user.get_username(), password=password)
    # A backend may find another account with this name and password.
    if account == user:
        login(request, account)


class LoginView(auth_views.LoginView):
    """Login page that leads to a page of the site, also where LOGIN_REDIRECT_URL is not set."""

    template_name = "registration/login.html"

    def get_default_redirect_url(self) -> str:
        """Return the page after a login that asks for no other page."""
        return resolve_url(self.next_page) if self.next_page else gate.home_url()
