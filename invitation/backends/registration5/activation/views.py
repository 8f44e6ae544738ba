"""Registration in two steps, and the page of the activation link."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.forms import EmailField, Form
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.generic import FormView
from django_registration.backends.activation import views as host
from django_registration.exceptions import ActivationError

from invitation import gate
from invitation.backends import activation
from invitation.backends.account_mails import ResendActivationMixin, ask_for_activation
from invitation.backends.registration5.activation import accounts
from invitation.backends.registration5.activation.forms import ActivationForm
from invitation.backends.registration5.base import GatedMixin
from invitation.flows import arriving
from invitation.flows.after_commit import in_transaction
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import masking, sites


class RegistrationView(GatedMixin, host.RegistrationView):
    """Registration for the holder of a valid invitation key, with an activation email."""

    def create_account(self, form: Any) -> Any:
        """Create the inactive account; its email counts last, and leaves after the commit."""
        user = super().create_account(form)
        self.ask_for_activation(user)
        return user

    def create_inactive_user(self, form: Any) -> Any:
        """Create the inactive account with everything that its form has to save.

        django-registration forgets the form's many-to-many data, and sends the email before the
        account is sure.
        """
        user = form.save(commit=False)
        user.is_active = False
        user.save()
        form.save_m2m()
        return user

    def get_activation_key(self, user: Any) -> str:
        """Return a key that also proves the address that it is sent to."""
        return accounts.key_for(user)

    def ask_for_activation(self, user: Any) -> None:
        """Schedule the activation email of an account after the commit.

        Raises ``MailLimitReached``.
        """
        send = partial(self.send_activation_email, user)
        ask_for_activation(self.request, user, self.opened, send)

    def waiting_account(self, email: str) -> Any | None:
        """Return an account of this address that waits for its activation, or ``None``."""
        found = accounts.waiting_accounts(email)
        return found[-1] if found else None


@method_decorator(
    [sensitive_post_parameters(), csrf_protect, never_cache, login_not_required], name="dispatch"
)
class ActivationView(OwnTransactionsMixin, host.ActivationView):
    """Page of an activation link that shows the account and activates it by POST."""

    form_class = ActivationForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return the page, which no cache stores."""
        masking.conceal_request(request)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        gate.protect(response)
        return response

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show who created the account and when; change nothing."""
        form = self.get_form()
        return self.go_on(form) or self.render_to_response(self.get_context_data(form=form))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Activate the account, or delete it if the owner of the address did not create it."""
        form = self.get_form()
        if activation.NOT_ME in request.POST and form.waiting is not None:
            return activation.disown(request, form.waiting) or self.get(request)
        answer = self.form_valid if form.is_valid() else self.form_invalid
        response: HttpResponseBase = self.go_on(form) or answer(form)
        return response

    def go_on(self, form: Any) -> HttpResponseBase | None:
        """Redirect a second click like the first one; return ``None`` for any other."""
        if form.account is None or not form.account.is_active:
            return None
        return redirect(self.get_success_url(form.account))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the form, and whose account it is."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        account = context["form"].waiting
        return context | {
            "account": account,
            "account_email": "" if account is None else arriving.own_address(account),
            "not_me": activation.NOT_ME,
            "site": sites.get_site(sites.current_site_id(self.request)),
        }

    @method_decorator(sensitive_variables())
    def activate(self, form: Any) -> Any:
        """Set the password and activate the account, both or neither; return the account.

        Raises ``ActivationError`` if it does not wait for its activation.
        """
        if form.password_form is not None:
            form.password_form.save(commit=False)  # hashes before any transaction
        return in_transaction(partial(self._activate, form))

    @method_decorator(sensitive_variables())
    def _activate(self, form: Any) -> Any:
        # Locked as a deletion locks it. To write it after its deletion would create it again.
        if form.waiting is None or not arriving.lock_account(form.waiting.pk):
            raise ActivationError(self.BAD_USERNAME_MESSAGE, "bad_username")  # as the host does
        user = self.get_user(form.cleaned_data["activation_key"])
        activation.admit(user, form.password_form, form.bound)
        user.is_active = True
        user.save(update_fields=["is_active"])
        return user

    def get_success_url(self, user: Any = None) -> str:
        """Return the page that the invitation chose, or that of django-registration."""
        return arriving.destination_of(user) or str(super().get_success_url(user))


class ResendActivationForm(Form):
    """Address that the activation email is sent to again."""

    email = EmailField(label=_("Email address"))


@method_decorator(login_not_required, name="dispatch")
class ResendActivationView(ResendActivationMixin, FormView):  # type: ignore[misc, type-arg]
    """Page that sends the activation email again. django-registration has none."""

    form_class = ResendActivationForm
    template_name = "registration/resend_activation_form.html"
    submitted_template_name = "registration/resend_activation_complete.html"
    #: View that knows the activation email.
    registration_view = RegistrationView

    def render_form_submitted_template(self, form: Any) -> HttpResponseBase:
        """Return the page that tells nobody whether there is such an account."""
        return render(self.request, self.submitted_template_name, form.cleaned_data)

    def waiting(self, email: str) -> list[Any]:
        """Return the accounts of this address that wait, the latest last."""
        return accounts.waiting_accounts(email)

    def send_again(self, account: Any) -> None:
        """Send the activation email of an account again."""
        view = self.registration_view()
        view.setup(self.request)
        view.send_activation_email(account)
