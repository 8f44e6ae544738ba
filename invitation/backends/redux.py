"""Fit the gate into the views and URLconfs of django-registration-redux.

What redux reads once at import, it reads so here too: REGISTRATION_FORM,
ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS, INCLUDE_REGISTER_URL, INCLUDE_AUTH_URLS.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
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

from invitation import flows, gate
from invitation.backends.base import (
    InvitationRegistrationMixin,
    email_field_name,
    name_purposes,
)

#: Pages of redux that are for staff: they stay closed where the site needs a login for all.
STAFF_PAGES = frozenset({"registration_admin_approve", "registration_approve_complete"})

logger = logging.getLogger(__name__)


# Again, as the mark of the mixin below is on the method that this one overrides.
@method_decorator(login_not_required, name="dispatch")
class ReduxMixin(InvitationRegistrationMixin):
    """Gate a ``RegistrationView`` of redux."""

    success_url: Any

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

    def landing(self) -> Any:
        """Return where a new account's holder goes, as a path or a name; needs no request."""
        return self.success_url

    def get_success_url(self, user: Any = None) -> Any:
        """Return where to go in the three parts that redux unpacks.

        It would also take a text of three characters for three parts.
        """
        return (self.destination(user) or self.landing(), (), {})

    def register(self, form: Any) -> Any:
        """Claim the invitation and make the account: both or neither."""
        user = super().register(form)
        # Redux asks for this key after the commit, whatever the site's form calls its field.
        form.cleaned_data.setdefault("email", getattr(user, email_field_name(), ""))
        return user


def mail_activation(profile: Any, request: HttpRequest) -> None:
    """Send redux's activation mail; if that fails, tell the visitor and raise it again."""
    try:
        profile.send_activation_email(get_current_site(request), request)
    except Exception:
        warning = _(
            "Your account is saved, but its mail could not be sent. "
            "Please have it sent again in a few minutes."
        )
        messages.warning(request, warning, fail_silently=True)
        raise


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
            profile = user.registrationprofile
            # No partial: Django logs what fails here by its __qualname__, which that has not.
            transaction.on_commit(lambda: mail_activation(profile, self.request), robust=True)
        return user


class ResendActivationMixin:
    """Send the activation mail again, with the same link, and say the same in any case.

    Redux makes a new link each time, so that anybody who knows an address can kill the link that is
    in its mailbox. And its error page where a mail server fails tells who has an account.
    """

    request: HttpRequest
    registration_profile: Any

    def get_form(self, form_class: Any = None) -> Any:
        """Return redux's form, which asks for an address."""
        form = super().get_form(form_class)  # type: ignore[misc]
        name_purposes(form)
        return form

    def resend_activation(self, form: Any) -> bool:
        """Mail to each account of this address that waits; tell whether a mail went."""
        email = form.cleaned_data["email"]
        waiting = self.registration_profile.objects.filter(activated=False)
        sent = False
        for profile in waiting.filter(user__email__iexact=email).select_related("user"):
            if not profile.activation_key_expired():
                sent = self._send(profile) or sent
        return sent

    def _send(self, profile: Any) -> bool:
        try:
            profile.send_activation_email(get_current_site(self.request), self.request)
        except Exception:  # whatever a mail backend raises: the page must not differ
            logger.exception("The activation mail of account %s was not sent.", profile.user_id)
            return False
        return True


class ActivationPageMixin:
    """Name to the page of an activation that failed all that it asks for."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return that opening the link again is of no use."""
        context: dict[str, Any] = super().get_context_data(try_again=False, **kwargs)  # type: ignore[misc]
        return context


class DestinationMixin:
    """Lead the holder of an account that is active now to where his invitation leads."""

    def get_success_url(self, user: Any) -> Any:
        """Return where to go in the three parts that redux unpacks."""
        destination = flows.destination_of(user)
        return (destination, (), {}) if destination else super().get_success_url(user)  # type: ignore[misc]


def into_the_site() -> str:
    """Return where the holder of an account that is active at once goes."""
    return str(getattr(settings, "SIMPLE_BACKEND_REDIRECT_URL", None) or get_script_prefix())


@sensitive_variables("password")
def log_in(request: HttpRequest, user: Any, password: str) -> None:
    """Log a new account in, if the site's authentication backends agree."""
    # With the request, unlike redux: some backends, those that count attempts, need it.
    account = authenticate(request, username=user.get_username(), password=password)
    # A backend may know somebody else by this name and password.
    if account == user:
        login(request, account)


def gated(
    patterns: Iterable[URLPattern | URLResolver], views: Mapping[str, Callable[..., Any]]
) -> list[URLPattern | URLResolver]:
    """Return redux's own addresses, with these views in place of its own of the same names.

    Its pages are opened to visitors where the site needs a login for everything else.
    """
    return [_gated(pattern, views) for pattern in patterns]


def _gated(
    pattern: URLPattern | URLResolver, views: Mapping[str, Callable[..., Any]]
) -> URLPattern | URLResolver:
    if isinstance(pattern, URLResolver):
        return pattern
    callback = _protected(views.get(pattern.name or "", pattern.callback))
    if pattern.name not in STAFF_PAGES:
        callback = login_not_required(callback)
    return URLPattern(pattern.pattern, callback, pattern.default_args, pattern.name)


def _protected(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Return the view as one that no cache keeps, and leave redux's own as it is."""

    @wraps(callback)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = callback(request, *args, **kwargs)
        gate.protect(response)
        return response

    return page


def is_ungated(view: type) -> bool:
    """Tell whether a view class registers people without asking for an invitation."""
    return issubclass(view, redux.RegistrationView) and not issubclass(
        view, InvitationRegistrationMixin
    )
