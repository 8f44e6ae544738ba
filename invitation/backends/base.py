"""Gate a registration view and tie the account to the invitation.

The mixin knows no host. It expects a class-based form view with ``registration_allowed()``,
asked before anything is shown, and ``register(form)``, which makes and returns the account.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.forms import BaseForm, CharField, HiddenInput
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from invitation import addresses, destinations, flows, gate, masking, sites, texts, visitor
from invitation.backends.passwords import hashed_password
from invitation.conf import conf
from invitation.exceptions import AddressMismatch, KeyRefused, MailLimitReached, NoKey
from invitation.flows.deadlocks import writing
from invitation.transactions import OwnTransactionsMixin

#: The hidden field that says for which invitation a form was shown, by what people may see of it.
HINT_FIELD = "invitation_hint"


def email_field_name() -> str:
    """Return what the user model calls its e-mail address, and so the form's field."""
    return get_user_model().get_email_field_name()


def bind_invitation(form: BaseForm, opened: flows.Opened | None) -> None:
    """Fit a registration form to the invitation that the visitor carries, if he carries one."""
    name_purposes(form)
    if opened is not None:
        _bind_hint(form, opened)
        _bind_email(form, opened)


def name_purposes(form: BaseForm) -> None:
    """Say what the fields of an account's form are for (WCAG 2.2, 1.3.5)."""
    for name, purpose in (
        (email_field_name(), "email"),
        (get_user_model().USERNAME_FIELD, "username"),
    ):
        if name in form.fields:
            form.fields[name].widget.attrs.setdefault("autocomplete", purpose)


def _bind_hint(form: Any, opened: flows.Opened) -> None:
    """Let the form say which invitation it was shown for, and be shown again for another one.

    Who opens a second invitation in another tab carries that one from then on. The form in the
    first tab must not use it up unseen.
    """
    hint = opened.invitation.key_hint
    field = CharField(widget=HiddenInput, required=False, initial=hint, label="")
    name, email = form.add_prefix(HINT_FIELD), form.add_prefix(email_field_name())
    if form.data.get(name) not in (None, "", hint):
        form.data = form.data.copy()
        form.data[name] = hint
        if _is_locked(opened) and email in form.data:
            form.data[email] = opened.invitation.email
        # Beside no field: a site's own template may show the errors of visible fields only.
        field.validators.append(lambda _hint: form.add_error(None, _switched()))
    form.fields[HINT_FIELD] = field


def _switched() -> ValidationError:
    message = _(
        "You have opened another invitation in the meantime, and this form is now for that one. "
        "Please look it over and send it again."
    )
    return ValidationError(message, code="another_invitation")


def _is_locked(opened: flows.Opened) -> bool:
    """Tell whether only the invited address may register."""
    exact = conf.INVITE_MODE and conf.INVITATION_EMAIL_POLICY != "any"
    return exact and bool(opened.invitation.email)


def _bind_email(form: BaseForm, opened: flows.Opened) -> None:
    """Fill in the invited address, and lock the field where only that one may register.

    The lock is for the eye: what holds is ``Opened.admits``, asked again by ``flows.claim``.
    """
    field = form.fields.get(email_field_name())
    if field is not None and opened.invitation.allowed_domains:
        domains = {"domains": ", ".join(opened.invitation.domains)}
        field.help_text = field.help_text or _("An address at %(domains)s.") % domains
    if field is None or not opened.invitation.email:
        return
    form.initial.setdefault(email_field_name(), opened.invitation.email)
    if _is_locked(opened):
        field.widget.attrs["readonly"] = True
        field.help_text = field.help_text or _("The invitation is for this address.")


def use_invited_address(form: Any, opened: flows.Opened | None) -> str:
    """Write the invited address into a valid form that has the same one in other letters.

    A domain in another script is one domain here and may be another to a mail library: the
    account gets the address that was invited, not the text that was typed. So does whoever comes
    through a shared link for certain domains. Returns the address.
    """
    name = email_field_name()
    typed: str = form.cleaned_data.get(name) or ""
    invited = opened.invitation.email if opened is not None else ""
    if opened is not None and opened.invitation.allowed_domains and opened.admits(typed):
        invited = addresses.clean(typed)
    if typed.lower() == invited.lower() or not addresses.same(typed, invited):
        return typed
    form.cleaned_data[name] = invited
    if hasattr(form, "instance"):
        setattr(form.instance, name, invited)
    return invited


class _Waiting(Exception):
    """Undo a claim: the address has an account that waits for its activation."""


@method_decorator(login_not_required, name="dispatch")
class InvitationRegistrationMixin(OwnTransactionsMixin):
    """Let only the holder of a valid invitation key register, once, with the right address."""

    request: HttpRequest
    #: The invitation that the account was made with, once it is made.
    claimed: flows.Opened | None = None

    @cached_property
    def carried(self) -> flows.Opened | KeyRefused:
        """Give the invitation that the visitor carries, or why he carries none; one query."""
        try:
            return gate.open_carried(self.request)
        except KeyRefused as refusal:
            return refusal

    @property
    def opened(self) -> flows.Opened | None:
        """Give the invitation that the visitor carries, or ``None``."""
        return self.carried if isinstance(self.carried, flows.Opened) else None

    def host_allows(self) -> bool:
        """Tell whether the host would let this request register, invitations aside."""
        return bool(super().registration_allowed())  # type: ignore[misc]

    def registration_allowed(self) -> bool:
        """Tell whether this request may register: the gate."""
        return self.host_allows() and (self.opened is not None or not conf.INVITE_MODE)

    def get_refusal(self) -> KeyRefused | None:
        """Return why the gate is shut, or ``None`` if it is the host or the site that says no."""
        if conf.INVITE_MODE and self.host_allows() and isinstance(self.carried, KeyRefused):
            return self.carried
        return None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Say why a key does not open registration, or let the host go on."""
        masking.conceal_request(request)
        if not self.registration_allowed():
            refusal = self.get_refusal()
            if refusal is not None:
                # Not 404 without a key: the page is there, but not for everybody.
                status = 403 if isinstance(refusal, NoKey) else None
                return gate.refuse(request, refusal, status=status)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        gate.protect(response)
        if self.opened is not None and gate.given_key(request) and request.method == "GET":
            # The pages that follow know the key then, however the form is posted.
            gate.remember(request, response, self.opened.key)
        return response

    def get_form(self, form_class: type[BaseForm] | None = None) -> BaseForm:
        """Return the host's form with the invited address in it."""
        form: BaseForm = super().get_form(form_class)  # type: ignore[misc]
        bind_invitation(form, self.opened)
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the host's context, who invites, and the key for templates of 1.0."""
        invitation = self.opened.invitation if self.opened else None
        kwargs.setdefault("invitation_key", self.opened.key if self.opened else "")
        kwargs.setdefault("invitation", invitation)
        kwargs.setdefault("expires_at", invitation.expires_at if invitation else None)
        kwargs.setdefault(
            "inviter_name", texts.inviter_name(invitation.from_user) if invitation else ""
        )
        kwargs.setdefault("site", sites.get_site(sites.current_site_id(self.request)))
        context: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return context

    def create_account(self, form: Any) -> Any:
        """Make and return the account; runs inside the transaction that claims the invitation."""
        return super().register(form)  # type: ignore[misc]

    def register(self, form: Any) -> Any:
        """Claim the invitation and make the account: both or neither."""
        if self.resumed is not None:
            return self.remind_waiting(self.resumed)
        opened = self.opened
        form.cleaned_data.pop(HINT_FIELD, None)  # not for the site's own save()
        email = use_invited_address(form, opened)
        if opened is not None and (conf.INVITE_MODE or opened.admits(email)):
            try:
                account = self.claim(opened, form, email)
            except KeyRefused as refusal:
                if conf.INVITE_MODE:
                    raise
                self.carried = refusal  # It proves nothing either.
            else:
                self.claimed = opened
                return account
        with hashed_password(form), writing():
            return self.create_account(form)

    def destination(self, user: Any) -> str:
        """Return the page that the invitation leads this new account to, if it is usable already.

        Else an empty string; what comes after the activation is for ``flows.destination_of``.
        """
        if self.claimed is None or not getattr(user, "is_active", False):
            return ""
        return destinations.safe(self.claimed.invitation.destination)

    def claim(self, opened: flows.Opened, form: Any, email: str) -> Any:
        """Claim this invitation and make the account: both or neither."""
        waiting: list[Any] = []

        def create() -> Any:
            if opened.invitation.shared:
                waiting.extend(self._find_waiting(email))
            if waiting:
                raise _Waiting
            return self.create_account(form)

        try:
            # The loser of a race hashes in vain, which costs less than a lock that others wait for.
            with hashed_password(form):
                return flows.claim(opened, create, email=email)
        except _Waiting:
            return self.remind_waiting(waiting[0])

    # -- who has registered before, and not finished ------------------------------------------

    #: The account that a form with a name taken by itself is about.
    resumed: Any = None

    def waiting_account(self, email: str) -> Any | None:
        """Return an account of this address that waits for its activation, or ``None``."""
        return None

    def ask_for_activation(self, user: Any) -> None:
        """Let the activation email of an account follow the commit. Raises ``MailLimitReached``."""

    def remind_waiting(self, user: Any) -> Any:
        """Mail the activation link of an account once more, and change nothing of it."""
        with writing():
            self.ask_for_activation(user)
        return user

    def resume(self, form: Any) -> Any | None:
        """Mail the link of the account that keeps a form from being valid once more, if any."""
        user = self._find_resumed(form)
        return None if user is None else self.remind_waiting(user)

    def _find_waiting(self, email: str) -> list[Any]:
        # Two at once for one address: the second waits for the first, and finds their account.
        flows.await_turn(sites.current_site_id(self.request), email)
        found = self.waiting_account(email)
        return [] if found is None else [found]

    def _find_resumed(self, form: Any) -> Any | None:
        """Return the account that keeps a form from being valid, if it is the visitor's address's.

        Whoever fills the form of a shared link in once more types the same name.
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
        """Register, or say what came in between: never an error page for losing a race."""
        try:
            response: HttpResponseBase = super().form_valid(form)  # type: ignore[misc]
        except AddressMismatch as error:
            # A form that does not ask for the address has no place beside it.
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
        except IntegrityError:
            # Somebody has taken the name since the form was checked: now the form knows.
            checked = self.get_form()
            if checked.is_valid():
                raise
            return self.form_invalid(checked)
        visitor.forget(response)
        return response

    def form_invalid(self, form: Any) -> HttpResponseBase:
        """Show the form again with what is wrong, unless that is an account which waits."""
        self.resumed = self._find_resumed(form)
        return self.show_invalid(form) if self.resumed is None else self.form_valid(form)

    def show_invalid(self, form: Any) -> HttpResponseBase:
        """Show the form again with what is wrong."""
        response: HttpResponseBase = super().form_invalid(form)  # type: ignore[misc]
        return response
