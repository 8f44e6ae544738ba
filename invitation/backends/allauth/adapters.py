"""Adapters of allauth that ask for an invitation before anybody signs up."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.utils import user_email
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.http import HttpRequest

from invitation import gate
from invitation.backends.allauth import claiming_forms
from invitation.backends.fields import is_locked
from invitation.conf import conf
from invitation.exceptions import KeyRefused
from invitation.flows import arriving
from invitation.keys import destinations


class InvitationMixin:
    """Gate for an adapter of allauth: no account without an invitation."""

    def is_open_for_signup(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether this request may sign up; one query for the invitation that it carries."""
        host: Any = super()
        return bool(host.is_open_for_signup(request, *args)) and gate.may_sign_up(request)

    def save_user(self, request: HttpRequest, subject: Any, form: Any = None, **kwargs: Any) -> Any:
        """Create the account inside a claim of the invitation.

        The pages of this app have begun the claim. A site's own view may not have. Then it begins
        here, and covers the account, but not what the view does next.
        """
        make = partial(super().save_user, request, subject, form, **kwargs)  # type: ignore[misc]
        if gate.is_claiming(request):
            return make()
        if kwargs.get("commit", True):
            email, renew = self.address_for(request, subject, form), partial(_renew, subject)
            return claiming_forms.create(request, email, make, form=form, renew=renew)
        # Somebody else saves the account, and claims nothing.
        refusal = gate.carried(request)
        if not conf.INVITE_MODE:
            return make()
        if not isinstance(refusal, KeyRefused):
            raise TypeError(
                "This view saves accounts itself. Let it do so inside invitation.gate.claiming()."
            )
        inner = getattr(request, "_request", request)
        raise ImmediateHttpResponse(claiming_forms.refusal_response(inner, refusal)) from refusal

    def address_for(self, request: HttpRequest, subject: Any, form: Any) -> str:
        """Return the address that the new account gets."""
        return form.cleaned_data.get(claiming_forms.EMAIL) or ""


class AccountAdapter(InvitationMixin, DefaultAccountAdapter):
    """Adapter for ACCOUNT_ADAPTER."""

    def is_email_verified(self, request: HttpRequest, email: str) -> bool:
        """Return whether the address is proven: by the key from its email, or as allauth says."""
        opened = claiming_forms.opened_by(request)
        proven = opened is not None and opened.proves(email)
        return proven or bool(super().is_email_verified(request, email))

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        """Return the first page that the invitation chose, or the one of the site."""
        claimed = gate.claimed(request)
        chosen = "" if claimed is None else destinations.safe(claimed.invitation.destination)
        return chosen or str(super().get_signup_redirect_url(request))

    def get_email_verification_redirect_url(self, email_address: Any) -> str:
        """Return the first page that the invitation chose, or the one of the site."""
        chosen = arriving.destination_of(email_address.user)
        return chosen or str(super().get_email_verification_redirect_url(email_address))


class SocialAccountAdapter(InvitationMixin, DefaultSocialAccountAdapter):
    """Adapter for SOCIALACCOUNT_ADAPTER."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Return whether this person may sign up.

        Raises ``ImmediateHttpResponse`` with the page that says why the invitation does not let
        them in.
        """
        found = gate.carried(request)
        if conf.INVITE_MODE:
            if isinstance(found, KeyRefused):
                raise ImmediateHttpResponse(claiming_forms.refusal_response(request, found))
            given = _addresses(sociallogin)
            if given and not any(map(found.admits, given)):
                mismatch = found.mismatch()
                raise ImmediateHttpResponse(claiming_forms.refusal_response(request, mismatch))
        return super().is_open_for_signup(request, sociallogin)

    def address_for(self, request: HttpRequest, subject: Any, form: Any) -> str:
        """Return the address that the new account gets: one that the invitation admits."""
        if form is not None:
            return super().address_for(request, subject, form)
        opened, given = claiming_forms.opened_by(request), _addresses(subject)
        if opened is None:
            return given[0] if given else ""
        locked = [opened.invitation.email] if is_locked(opened) and not given else []
        admitted = [email for email in (*given, *locked) if opened.admits(email)]
        email = next(iter(admitted), "")
        if email:
            user_email(subject.user, email)
        return email


def _addresses(sociallogin: Any) -> list[str]:
    """Return the addresses that a provider gives, that of the account first."""
    own = user_email(sociallogin.user)
    given = [row.email for row in sociallogin.email_addresses]
    return [email for email in dict.fromkeys((own, *given)) if email]


def _renew(subject: Any) -> None:
    """Make what a try has saved new again after a rollback: a social login, or an account."""
    if hasattr(subject, "email_addresses"):
        claiming_forms.renew_social(subject)
    else:
        subject.pk, subject._state.adding = None, True
