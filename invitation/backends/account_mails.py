"""Account emails that anybody may request: activation and password reset.

``mail.count_account_mail`` counts each email. One request sends at most one email. The answer does
not reveal anything about the address.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.views import PasswordResetView as DjangoPasswordResetView
from django.contrib.sites.shortcuts import get_current_site
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _

from invitation.backends import activation
from invitation.backends.fields import email_field_name, label_email, name_purposes
from invitation.flows import arriving, mail
from invitation.flows.after_commit import on_commit
from invitation.gate import clients
from invitation.gate.atomic_requests import OwnTransactionsMixin
from invitation.keys import sites


def count(request: HttpRequest, kind: str = "", email: str = "", *, client: bool = True) -> int:
    """Count an email that this request causes; see ``mail.count_account_mail``."""
    networks = clients.networks_of(request) if client else ()
    site_id = sites.current_site_id(request)
    return mail.count_account_mail(site_id, clients=networks, kind=kind, email=email)


def ask_for_activation(
    request: HttpRequest, user: Any, opened: arriving.Opened | None, send: Callable[[], Any]
) -> None:
    """Count the activation email of a registration, and send it after the commit with ``send``.

    Raises ``MailLimitReached``. An account made with the invitation emailed to its address has its
    own counter. So emails that strangers caused cannot keep an invited person from signing up.
    """
    email = getattr(user, email_field_name(), "") or ""
    invited = opened is not None and opened.proves(email)
    count(request, mail.ACTIVATION_OF_INVITED if invited else mail.ACTIVATION, email)
    # Django logs a failure by the callback's ``__qualname__``. A ``partial`` has none.
    on_commit(lambda: mail_activation(request, user, send))


def mail_activation(request: HttpRequest, user: Any, send: Callable[[], Any]) -> None:
    """Send the host's activation email.

    If that fails, tell the visitor and raise the error again. An address that wants no emails gets
    none, and the call takes the same time.
    """
    begun = time.monotonic()
    try:
        if mail.is_unwanted(user):
            mail.seem_to_send()
            return
        send()
        mail.remember(time.monotonic() - begun)
    except Exception:
        warning = _(
            "Your account is saved, but its email was not sent. Request it again in a few minutes."
        )
        messages.warning(request, warning, fail_silently=True)
        raise


def waiting_profile(profiles: Any, email: str) -> Any | None:
    """Return the latest account of this address that can still be activated, or ``None``.

    It returns the profile of the account.
    """
    found = waiting_profiles(profiles, email)
    return found[-1] if found else None


def waiting_profiles(profiles: Any, email: str) -> list[Any]:
    """Return the profiles of all accounts of this address that can still be activated."""
    rows = profiles.filter(activated=False).select_related("user")
    found = mail.with_address(rows, f"user__{email_field_name()}", email)
    return [
        profile
        for profile in found
        if not (profile.activation_key_expired() or activation.is_closed(profile.user))
    ]


class ResendActivationMixin(OwnTransactionsMixin):
    """Redux's resend page, with the same link in each email and the same answer for each address.

    Redux makes a new link each time. So anybody who knows an address could break the link in its
    mailbox. When a mail server fails, redux's error page also reveals who has an account.
    """

    request: HttpRequest
    registration_profile: Any

    def get_form(self, form_class: Any = None) -> Any:
        """Return redux's form, which asks for an address."""
        form = super().get_form(form_class)  # type: ignore[misc]
        name_purposes(form)
        return form

    def form_valid(self, form: Any) -> HttpResponseBase:
        """Return the answer, and look for the account after the answer is sent."""
        response: HttpResponseBase = self.render_form_submitted_template(form)  # type: ignore[attr-defined]
        clients.afterwards(response, lambda: self.resend_activation(form))
        return response

    def resend_activation(self, form: Any) -> bool:
        """Send an activation email to a waiting account of this address.

        Returns whether an email was sent. If several accounts wait, each call takes the next one.
        Raises ``MailLimitReached``.
        """
        count(self.request)
        waiting = self.waiting(form.cleaned_data["email"])
        wanted = [account for account in waiting if not mail.is_unwanted(account)]
        if not wanted:
            return False
        email = getattr(wanted[0], email_field_name())
        before = count(self.request, mail.ACTIVATION, email, client=False)
        self.send_again(wanted[::-1][before % len(wanted)])
        return True

    def waiting(self, email: str) -> list[Any]:
        """Return the accounts of this address that can still be activated, the latest last."""
        profiles = waiting_profiles(self.registration_profile.objects, email)
        return [profile.user for profile in profiles]

    def send_again(self, account: Any) -> None:
        """Send the activation email of an account again."""
        profile = self.registration_profile.objects.get(user=account)
        activation.bind(profile)
        profile.send_activation_email(get_current_site(self.request), self.request)


@method_decorator(login_not_required, name="dispatch")
class PasswordResetView(OwnTransactionsMixin, DjangoPasswordResetView):
    """Password reset that emails one account of an address and always gives the same answer."""

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form with the address labelled as all pages do, if Django labelled it."""
        form = super().get_form(form_class)
        label_email(form, PasswordResetForm)
        return form

    def form_valid(self, form: Any) -> HttpResponse:
        """Return the answer, and look for the account after the answer is sent."""
        response = HttpResponseRedirect(self.get_success_url())
        clients.afterwards(response, lambda: self.mail_link(form))
        return response

    def mail_link(self, form: Any) -> bool:
        """Send the reset email to an account of this address.

        Returns whether there is an account. If there are several, each call takes the next one.
        Raises ``MailLimitReached``.
        """
        count(self.request)
        accounts = sorted(form.get_users(form.cleaned_data["email"]), key=lambda user: user.pk)
        if not accounts:
            return False
        email = getattr(accounts[0], email_field_name())
        before = count(self.request, mail.PASSWORD_RESET, email, client=False)
        chosen = accounts[before % len(accounts)]
        form.get_users = lambda _email: [chosen]
        super().form_valid(form)
        return True
