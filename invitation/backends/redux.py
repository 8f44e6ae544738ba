"""Fit the gate into the views and URLconfs of django-registration-redux.

What redux reads once at import, it reads so here too: REGISTRATION_FORM,
ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS, INCLUDE_REGISTER_URL, INCLUDE_AUTH_URLS.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login
from django.contrib.auth.decorators import login_not_required
from django.contrib.sites.shortcuts import get_current_site
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, get_script_prefix
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from registration import views as redux

from invitation import gate
from invitation.backends.base import (
    InvitationRegistrationMixin,
    email_field_name,
    name_purposes,
)

#: Pages of redux that are for staff: they stay closed where the site needs a login for all.
STAFF_PAGES = frozenset({"registration_admin_approve", "registration_approve_complete"})

#: What Django's mail backends raise when the mail server is down or refuses.
MAIL_ERRORS = (smtplib.SMTPException, OSError)

logger = logging.getLogger(__name__)


# Again, as the mark of the mixin below is on the method that this one overrides.
@method_decorator(login_not_required, name="dispatch")
class ReduxMixin(InvitationRegistrationMixin):
    """Gate a ``RegistrationView`` of redux."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Send who is signed in to where he can choose, instead of silently away."""
        if request.user.is_authenticated and redux.ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS:
            if self.opened is not None:
                response = redirect("invitation_landing")
                gate.remember(request, response, self.opened.key)
                gate.protect(response)
                return response
            # Redux raises an exception where LOGIN_REDIRECT_URL is None.
            return redirect(settings.LOGIN_REDIRECT_URL or get_script_prefix())
        return super().dispatch(request, *args, **kwargs)

    def get_success_url(self, user: Any = None) -> Any:
        """Return where a new account's holder goes, in the three parts that redux unpacks.

        It would also take a text of three characters for three parts.
        """
        target: Any = super().get_success_url(user)  # type: ignore[misc]
        return target if isinstance(target, tuple) else (target, (), {})

    def register(self, form: Any) -> Any:
        """Claim the invitation and make the account: both or neither."""
        user = super().register(form)
        # Redux asks for this key after the commit, whatever the site's form calls its field.
        form.cleaned_data.setdefault("email", getattr(user, email_field_name(), ""))
        return user


class ActivationMailMixin:
    """Make redux's inactive account, and mail its activation link after the commit.

    Redux mails from a callback that raises: a mail server that is down would show an error page
    for an account that exists. Here the failure is logged, and the visitor is told to ask for the
    mail again.
    """

    request: HttpRequest
    registration_profile: Any
    #: The site's SEND_ACTIVATION_EMAIL, which redux reads into its own view.
    mails_activation: bool = True
    SEND_ACTIVATION_EMAIL = False

    def create_account(self, form: Any) -> Any:
        """Make the inactive account with everything that its form has to save."""
        user = super().create_account(form)  # type: ignore[misc]
        # Redux saves the form without committing and forgets its many-to-many data.
        save_m2m: Callable[[], None] | None = getattr(form, "save_m2m", None)
        if save_m2m is not None:
            save_m2m()
        if self.mails_activation:
            # No partial: Django logs what fails here by its __qualname__, which that has not.
            transaction.on_commit(lambda: self._mail(user.registrationprofile), robust=True)
        return user

    def _mail(self, profile: Any) -> None:
        try:
            profile.send_activation_email(get_current_site(self.request), self.request)
        except Exception:
            warning = _(
                "Your account is saved, but its mail could not be sent. "
                "Please have it sent again in a few minutes."
            )
            messages.warning(self.request, warning, fail_silently=True)
            raise


class SafeResendMixin:
    """Say the same whether or not the mail server took the activation mail.

    An error page would tell which addresses have an account that waits. The link in the mail
    before this one stays good if there is no new mail.
    """

    def get_form(self, form_class: Any = None) -> Any:
        """Return redux's form, which asks for an address."""
        form = super().get_form(form_class)  # type: ignore[misc]
        name_purposes(form)
        return form

    def resend_activation(self, form: Any) -> bool:
        """Send the mail again; tell whether it went."""
        try:
            with transaction.atomic():
                return bool(super().resend_activation(form))  # type: ignore[misc]
        except MAIL_ERRORS:
            logger.exception("An activation mail could not be sent again.")
            return False


class SafeActivationMixin:
    """Say that the link has to be opened again where the request for approval was not sent.

    Redux sends it before it changes anything.
    """

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Activate, or say why not yet."""
        try:
            response: HttpResponseBase = super().get(request, *args, **kwargs)  # type: ignore[misc]
        except MAIL_ERRORS:
            logger.exception("The mail that asks for an account's approval could not be sent.")
            view: Any = self
            response = view.render_to_response({"try_again": True}, status=503)
        return response


#: What replaces a view of redux that does not withstand a mail server that is down.
SAFE: dict[str | None, type] = {
    "registration_activate": SafeActivationMixin,
    "registration_resend_activation": SafeResendMixin,
}


def into_the_site() -> str:
    """Return where the holder of an account that is active at once goes."""
    return str(getattr(settings, "SIMPLE_BACKEND_REDIRECT_URL", get_script_prefix()))


@sensitive_variables("password")
def log_in(request: HttpRequest, user: Any, password: str) -> None:
    """Log a new account in, if the site's authentication backends agree."""
    # With the request, unlike redux: some backends, those that count attempts, need it.
    account = authenticate(request, username=user.get_username(), password=password)
    # A backend may know somebody else by this name and password.
    if account == user:
        login(request, account)


def gated(
    patterns: Iterable[URLPattern | URLResolver], register: Callable[..., HttpResponseBase]
) -> list[URLPattern | URLResolver]:
    """Return redux's own addresses with this view in place of its registration.

    Its pages are opened to visitors where the site needs a login for everything else.
    """
    return [_gated(pattern, register) for pattern in patterns]


def _gated(
    pattern: URLPattern | URLResolver, register: Callable[..., HttpResponseBase]
) -> URLPattern | URLResolver:
    if isinstance(pattern, URLResolver) or pattern.name in STAFF_PAGES:
        return pattern
    if pattern.name == "registration_register":
        return URLPattern(pattern.pattern, register, name=pattern.name)
    callback: Any = pattern.callback
    if pattern.name in SAFE:
        view: Any = callback.view_class
        name, module = view.__name__, {"__module__": view.__module__}
        view = type(name, (SAFE[pattern.name], view), module)
        callback = view.as_view(**callback.view_initkwargs)

    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = callback(request, *args, **kwargs)
        return response

    page.view_class = getattr(callback, "view_class", None)  # type: ignore[attr-defined]
    return URLPattern(pattern.pattern, login_not_required(page), pattern.default_args, pattern.name)


def is_ungated(view: type) -> bool:
    """Tell whether a view class registers people without asking for an invitation."""
    return issubclass(view, redux.RegistrationView) and not issubclass(
        view, InvitationRegistrationMixin
    )
