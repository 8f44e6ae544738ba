"""Adapters of allauth that ask for an invitation before anybody signs up.

A site with an adapter of its own puts ``AccountAdapterMixin`` or ``SocialAccountAdapterMixin``
before its base class.
"""

from __future__ import annotations

import logging
from functools import partial
from smtplib import SMTPException
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import get_pending_stage
from allauth.account.models import EmailAddress
from allauth.account.utils import user_email
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base import AuthProcess
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from invitation import gate
from invitation.backends.allauth import claiming_forms
from invitation.conf import conf
from invitation.exceptions import InvitationError, KeyRefused
from invitation.flows import arriving
from invitation.keys import destinations

logger = logging.getLogger(__name__)

#: Message of allauth that tells a visitor to look into their mailbox.
SENT = "account/messages/email_confirmation_sent.txt"
#: Name of the attribute of a request whose email could not be sent.
UNSENT = "_invitation_email_unsent"


# ``type: ignore[misc]`` in a mixin below: the class that it is mixed into has the method.


class InvitationMixin:
    """Base of the mixins for both kinds of adapter: no account without an invitation."""

    def is_open_for_signup(self, request: HttpRequest, *args: Any) -> bool:
        """Return whether this request may sign up; one query for the invitation that it carries."""
        host: Any = super()
        return bool(host.is_open_for_signup(request, *args)) and gate.may_sign_up(request)

    def save_user(self, request: HttpRequest, subject: Any, form: Any = None, **kwargs: Any) -> Any:
        """Create the account inside a claim of the invitation.

        The pages of this app have begun the claim. A site's own view may not have. Then it begins
        here, and covers the account, but not what the view does next.

        Raises ``ImmediateHttpResponse`` if the invitation is refused. Raises ``TypeError`` if the
        view saves the account later by itself, outside a claim.
        """
        make = partial(self.make_account, request, subject, form, **kwargs)
        if gate.is_claiming(request):
            return make()
        if kwargs.get("commit", True):
            email = self.address_for(subject, form)
            return claiming_forms.create(request, email, make, subject=subject, form=form)
        # Somebody else saves the account, and claims nothing.
        refusal = gate.carried(request)
        if not conf.INVITE_MODE:
            return make()
        if not isinstance(refusal, KeyRefused):
            raise TypeError(
                "This view saves accounts itself. Let it do so inside invitation.gate.claiming()."
            )
        raise _answer(request, refusal)

    def make_account(self, request: HttpRequest, subject: Any, form: Any, **kwargs: Any) -> Any:
        """Let allauth create the account, in the claim."""
        return super().save_user(request, subject, form, **kwargs)  # type: ignore[misc]

    def address_for(self, subject: Any, form: Any) -> str:
        """Return the address that the new account gets."""
        return form.cleaned_data.get(claiming_forms.EMAIL) or ""


class AccountAdapterMixin(InvitationMixin):
    """Gate for an adapter in ACCOUNT_ADAPTER."""

    def new_user(self, request: HttpRequest) -> Any:
        """Return a new account, or that of the guest who signs up, in the claim."""
        guest = gate.guest_of(request) if gate.is_claiming(request) else None
        return super().new_user(request) if guest is None else guest  # type: ignore[misc]

    def login(self, request: HttpRequest, user: Any) -> None:
        """Log somebody in. What is in the session of a guest stays, also where an app names it."""
        gate.watch_guest(request)
        super().login(request, user)  # type: ignore[misc]

    def is_email_verified(self, request: HttpRequest, email: str) -> bool:
        """Return whether the address is proven: by the key from its email, or as allauth says."""
        opened = gate.opened_for_claim(request)
        proven = opened is not None and opened.proves(email)
        if proven and app_settings.PREVENT_ENUMERATION == "strict":
            # Several accounts may have the address, but only one may have verified it.
            proven = not EmailAddress.objects.is_verified(email)
        return proven or bool(super().is_email_verified(request, email))  # type: ignore[misc]

    def validate_unique_email(self, email: str) -> str:
        """Check an address that a newcomer gives instead of the one that they signed up with.

        allauth offers that with ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE. Raises
        ``ImmediateHttpResponse``.
        """
        stage = get_pending_stage(_request())
        user = None if stage is None else stage.login.user
        if user is not None and conf.INVITE_MODE:
            refusal = arriving.refusal_of_address(user, email)
            if refusal is not None:
                # Not an error of the form: not every version of allauth can show one there.
                raise _answer(_request(), refusal)
        return str(super().validate_unique_email(email))  # type: ignore[misc]

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        """Return the first page that the invitation chose, or the one of the site."""
        claimed = gate.claimed(request)
        if claimed is not None:
            chosen = destinations.safe(claimed.invitation.destination)
        else:
            # A sign-up of several steps ends in a later request, with the login.
            chosen = arriving.destination_of(request.user)
        return chosen or str(super().get_signup_redirect_url(request))  # type: ignore[misc]

    def get_email_verification_redirect_url(self, email_address: Any) -> str:
        """Return the first page that the invitation chose, or the one of the site.

        Only for somebody who has not been logged in yet. A member who confirms another address
        stays where they are.
        """
        new = email_address.user.last_login is None
        chosen = arriving.destination_of(email_address.user) if new else ""
        host: Any = super()
        return chosen or str(host.get_email_verification_redirect_url(email_address))

    def post_login(self, request: HttpRequest, user: Any, **kwargs: Any) -> HttpResponseBase:
        """Return allauth's answer to a login; who has just signed up carries no key any longer."""
        return _without_key(request, super().post_login(request, user, **kwargs))  # type: ignore[misc]

    def respond_email_verification_sent(self, request: HttpRequest, user: Any) -> HttpResponseBase:
        """Return allauth's answer to a sign-up that goes on in the mailbox, without the key."""
        host: Any = super()
        return _without_key(request, host.respond_email_verification_sent(request, user))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send an email. If that fails after a sign-up, log it and tell the visitor.

        The account exists by then. An error page would say the opposite.
        """
        try:
            super().send_mail(template_prefix, email, context)  # type: ignore[misc]
        except (SMTPException, OSError):
            if gate.claimed(_request()) is None:
                raise
            logger.exception("The email after a sign-up could not be sent.")
            vars(_request())[UNSENT] = True

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Add a message of allauth, or the truth about an email that could not be sent."""
        if message_template == SENT and UNSENT in vars(request):
            warning = _(
                "Your account is saved, but its email was not sent. "
                "Request it again in a few minutes."
            )
            level, message_template, args, kwargs = messages.WARNING, None, (), {"message": warning}
        super().add_message(request, level, message_template, *args, **kwargs)  # type: ignore[misc]


class SocialAccountAdapterMixin(InvitationMixin):
    """Gate for an adapter in SOCIALACCOUNT_ADAPTER."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Return whether this person may sign up, with one of the addresses from their provider.

        Raises ``ImmediateHttpResponse`` with the page that says why the invitation does not let
        them in.
        """
        found = gate.carried(request)
        if conf.INVITE_MODE:
            if isinstance(found, KeyRefused):
                raise _answer(request, found)
            given = claiming_forms.given_addresses(sociallogin)
            if given and not any(map(found.admits, given)):
                raise _answer(request, found.mismatch())
            _keep_admitted(sociallogin, found)
        return bool(super().is_open_for_signup(request, sociallogin))

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Return whether the person need not fill in a form.

        They must if the invitation is for an address and their provider gives none. The form finds
        whether somebody has that address. If the site's forms ask for none, there is no way in.
        """
        asked = claiming_forms.EMAIL in app_settings.SIGNUP_FIELDS
        if conf.INVITE_MODE and asked and not claiming_forms.given_addresses(sociallogin):
            found = gate.carried(request)
            if isinstance(found, arriving.Opened) and not found.admits(""):
                return False
        return bool(super().is_auto_signup_allowed(request, sociallogin))  # type: ignore[misc]

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Let a guest sign up with a provider, also where they only connect it.

        allauth would log the guest out first. A guest who has an account already logs in to it.
        """
        super().pre_social_login(request, sociallogin)  # type: ignore[misc]
        if gate.guest_of(request) is not None:
            sociallogin.state["process"] = AuthProcess.LOGIN
            if sociallogin.is_existing:
                gate.watch_guest(request)
            else:
                request.user = AnonymousUser()

    def make_account(self, request: HttpRequest, subject: Any, form: Any, **kwargs: Any) -> Any:
        """Let allauth create the account, or save that of a guest."""
        claiming_forms.adopt_guest(request, subject)
        return super().make_account(request, subject, form, **kwargs)

    def save_user(self, request: HttpRequest, subject: Any, form: Any = None, **kwargs: Any) -> Any:
        """Create the account inside a claim, with the addresses that the invitation admits."""
        found = gate.carried(request)
        if conf.INVITE_MODE and isinstance(found, arriving.Opened):
            _keep_admitted(subject, found)
        try:
            user = super().save_user(request, subject, form, **kwargs)
        except IntegrityError as error:
            if form is not None:
                raise
            # Somebody else has just taken the name or the address. The form says so.
            claiming_forms.renew(subject)
            raise ImmediateHttpResponse(_lead_to_form(request, subject)) from error
        return user

    def address_for(self, subject: Any, form: Any) -> str:
        """Return the address that the new account gets."""
        if form is not None:
            return super().address_for(subject, form)
        return next(iter(claiming_forms.given_addresses(subject)), "")


class AccountAdapter(AccountAdapterMixin, DefaultAccountAdapter):
    """Adapter for ACCOUNT_ADAPTER."""


class SocialAccountAdapter(SocialAccountAdapterMixin, DefaultSocialAccountAdapter):
    """Adapter for SOCIALACCOUNT_ADAPTER."""


def _request() -> HttpRequest:
    """Return the request that allauth answers at the moment."""
    request: HttpRequest = context.request
    return request


def _without_key(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return the response, and let the visitor forget the key that this request has used."""
    if gate.claimed(request) is not None and not claiming_forms.is_headless(request):
        gate.finish(request, response)
    return response


def _answer(request: HttpRequest, refusal: InvitationError) -> ImmediateHttpResponse:
    """Return the exception that ends a request with the page or the JSON that says why."""
    inner = getattr(request, "_request", request)
    return ImmediateHttpResponse(claiming_forms.refusal_response(inner, refusal))


def _lead_to_form(request: HttpRequest, sociallogin: Any) -> HttpResponseBase:
    """Return the answer that leads a person from a provider to the form of the sign-up."""
    inner = getattr(request, "_request", request)
    inner.session[claiming_forms.PENDING] = sociallogin.serialize()
    if not claiming_forms.is_headless(inner):
        return redirect("socialaccount_signup")
    from allauth.headless.base.response import AuthenticationResponse

    response: HttpResponseBase = AuthenticationResponse(inner)
    return response


def _keep_admitted(sociallogin: Any, opened: arriving.Opened) -> None:
    """Drop the addresses of a social login that the invitation does not admit.

    Otherwise allauth may choose one of them as the address of the account.
    """
    admitted = [row for row in sociallogin.email_addresses if opened.admits(row.email)]
    sociallogin.email_addresses[:] = admitted
    own = user_email(sociallogin.user)
    if admitted and not (own and opened.admits(own)):
        user_email(sociallogin.user, admitted[0].email)
