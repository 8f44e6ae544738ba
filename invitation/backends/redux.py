"""Fit the gate into the views and URLconfs of django-registration-redux.

What redux reads once at import, it reads so here too: REGISTRATION_FORM,
ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS, INCLUDE_REGISTER_URL, INCLUDE_AUTH_URLS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, login
from django.contrib.auth.decorators import login_not_required
from django.contrib.sites.shortcuts import get_current_site
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, get_script_prefix
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from registration import views as redux

from invitation import gate
from invitation.backends.base import InvitationRegistrationMixin, email_field_name

#: Pages of redux that are for staff: they stay closed where the site needs a login for all.
STAFF_PAGES = frozenset({"registration_admin_approve", "registration_approve_complete"})


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

    def register(self, form: Any) -> Any:
        """Claim the invitation and make the account: both or neither."""
        user = super().register(form)
        # Redux asks for this key after the commit, whatever the site's form calls its field.
        form.cleaned_data.setdefault("email", getattr(user, email_field_name(), ""))
        return user


class ActivationMailMixin:
    """Make redux's inactive account, and mail its activation link after the commit.

    Redux mails from a callback that raises: a mail server that is down would show an error page
    for an account that exists. Here the failure is logged and the visitor can have the mail
    sent again.
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
            site = get_current_site(self.request)
            # No partial: Django logs what fails here by its __qualname__, which that has not.
            transaction.on_commit(
                lambda: profile.send_activation_email(site, self.request), robust=True
            )
        return user


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
    callback = pattern.callback

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
