"""Invitation gate in the views and URLconfs of django-registration-redux.

Redux reads some settings once, at import, and so does this module: REGISTRATION_FORM,
ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS, INCLUDE_REGISTER_URL, INCLUDE_AUTH_URLS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.contrib.sites.shortcuts import get_current_site
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from registration import forms, signals
from registration import views as redux

from invitation import gate
from invitation.backends import activation
from invitation.backends.account_mails import (
    PasswordResetView,
    ResendActivationMixin,
    ask_for_activation,
    waiting_profile,
)
from invitation.backends.base import InvitationRegistrationMixin, LoginView
from invitation.backends.fields import email_field_name, label_email
from invitation.flows import arriving
from invitation.flows.after_commit import in_transaction
from invitation.gate.atomic_requests import OwnTransactionsMixin

#: Our views for pages where redux includes Django's own views.
AUTH_PAGES: Mapping[str, Callable[..., Any]] = {
    "auth_login": LoginView.as_view(),
    "auth_password_reset": PasswordResetView.as_view(
        success_url=reverse_lazy("auth_password_reset_done")
    ),
}

#: Redux's pages for staff. They stay closed where the site requires a login for all pages.
STAFF_PAGES = frozenset({"registration_admin_approve", "registration_approve_complete"})


# Repeated here: the base class marks its own ``dispatch``, and this class overrides it.
@method_decorator(login_not_required, name="dispatch")
class ReduxMixin(InvitationRegistrationMixin):
    """Gate for a ``RegistrationView`` of redux."""

    success_url: Any

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Redirect a logged-in visitor with an invitation to the page where they can choose.

        Without an invitation, redirect them as redux does.
        """
        if gate.is_member(request) and redux.ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS:
            if self.opened is not None:
                response = redirect("invitation_landing")
                gate.remember(request, response, self.opened.key)
                gate.protect(response)
                return response
            # Redux raises an exception where LOGIN_REDIRECT_URL is None.
            return redirect(gate.home_url())
        return super().dispatch(request, *args, **kwargs)

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form with the address labelled as all pages do, if redux labelled it."""
        form = super().get_form(form_class)
        label_email(form, forms.RegistrationForm)
        return form

    def landing(self) -> Any:
        """Return the page after signing up, as a path or a URL name; needs no request."""
        return self.success_url

    def get_success_url(self, user: Any = None) -> Any:
        """Return the next page as the three parts that redux unpacks.

        Redux would also unpack a text of three characters as three parts.
        """
        return (self.destination(user) or self.landing(), (), {})

    def register(self, form: Any) -> Any:
        """Claim the invitation and create the account: both or neither."""
        user = super().register(form)
        # Redux reads this key after the commit, whatever the name of the field in the site's form.
        form.cleaned_data.setdefault("email", getattr(user, email_field_name(), ""))
        return user


class ReduxResendMixin(ResendActivationMixin):
    """Redux's resend page, with the address labelled as all pages do."""

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form with the address labelled as all pages do, if redux labelled it."""
        form = super().get_form(form_class)
        label_email(form, forms.ResendActivationForm)
        return form


class ActivationMailMixin:
    """Redux's inactive account, with its activation email sent after the commit.

    Redux sends the email from a callback that raises. If the mail server is down, the visitor would
    see an error page although the account exists. Here the failure is logged. The visitor is asked
    to request the email again.
    """

    request: HttpRequest
    registration_profile: Any
    opened: arriving.Opened | None
    #: Site's SEND_ACTIVATION_EMAIL, which redux reads into its own view.
    mails_activation: bool = True
    SEND_ACTIVATION_EMAIL = False

    def create_account(self, form: Any) -> Any:
        """Create the inactive account with everything that its form has to save."""
        user = self._create_inactive(form)
        # Redux saves the form without committing and forgets its many-to-many data.
        save_m2m: Callable[[], None] | None = getattr(form, "save_m2m", None)
        if save_m2m is not None:
            save_m2m()
        self.ask_for_activation(user)
        return user

    def _create_inactive(self, form: Any) -> Any:
        """Create the account as redux's view does, with an activation key bound to the address."""
        if hasattr(form, "save"):
            unsaved = form.save(commit=False)
        else:
            unsaved = get_user_model()._default_manager.create_user(**form.cleaned_data)
        user = self.registration_profile.objects.create_inactive_user(
            new_user=unsaved,
            site=get_current_site(self.request),
            send_email=self.SEND_ACTIVATION_EMAIL,
            request=self.request,
            profile_info={"activation_key": activation.new_key(arriving.own_address(unsaved))},
        )
        signals.user_registered.send(sender=self.__class__, user=user, request=self.request)
        return user

    def ask_for_activation(self, user: Any) -> None:
        """Schedule the activation email of an account after the commit.

        Raises ``MailLimitReached``.
        """
        if self.mails_activation:
            profile, site = user.registrationprofile, get_current_site(self.request)
            send = partial(profile.send_activation_email, site, self.request)
            ask_for_activation(self.request, user, self.opened, send)

    def waiting_account(self, email: str) -> Any | None:
        """Return an account of this address that waits for its activation, or ``None``."""
        profile = waiting_profile(self.registration_profile.objects, email)
        return profile and profile.user


@method_decorator(
    [sensitive_post_parameters(), csrf_protect, never_cache, login_not_required], name="dispatch"
)
class ActivationMixin(OwnTransactionsMixin):
    """Page of an activation link that shows the account and activates it by POST.

    Redux activates by GET, with the password of the person who registered.
    """

    request: HttpRequest
    kwargs: dict[str, Any]
    registration_profile: Any
    http_method_names = ["get", "head", "post", "options"]
    #: Whether opening the link activates the account, as in redux. Then a program that scans emails
    #: can activate it, so the link proves no address.
    activates_by_get = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer everybody who has the link; accept a POST only from this page's own form."""
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the context for the page of a link that does not work."""
        context: dict[str, Any] = super().get_context_data(try_again=False, **kwargs)  # type: ignore[misc]
        return context

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show who created the account and when; change nothing unless ``activates_by_get``."""
        account = self._waiting()
        if account is None:
            return self._not_waiting()
        if self.activates_by_get and request.method == "GET":
            return self.finish(None)
        return activation.show(request, account, activation.confirm_form(account))

    @method_decorator(sensitive_variables())
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Activate the account, or delete it if the owner of the address did not create it."""
        account = self._waiting()
        if account is None:
            return self._not_waiting()
        if activation.NOT_ME in request.POST:
            return activation.disown(request, account) or self._not_waiting()
        form = activation.confirm_form(account, request.POST)
        if form is not None:
            if not form.is_valid():
                return activation.show(request, account, form)
            form.save(commit=False)  # type: ignore[attr-defined] # hashes before any transaction
        return self.finish(form)

    @method_decorator(sensitive_variables())
    def finish(self, form: Any) -> HttpResponseBase:
        """Activate the account and redirect, or show why the link does not work any more."""
        user = self.complete(form)
        return self._go(user) if user else self._not_waiting()

    @method_decorator(sensitive_variables())
    def complete(self, form: Any) -> Any:
        """Set the password and activate the account, both or neither; then send the signal.

        Returns the account, or a false value if there is none to activate.
        """
        user, activated = in_transaction(partial(self._complete, form))
        if activated:
            signals.user_activated.send(sender=self.__class__, user=user, request=self.request)
        return user

    @method_decorator(sensitive_variables())
    def _complete(self, form: Any) -> tuple[Any, bool]:
        if not self.admit(form):
            return None, False
        profiles, site = self.registration_profile.objects, get_current_site(self.request)
        return activation.activate_account(profiles, self.kwargs["activation_key"], site)

    @method_decorator(sensitive_variables())
    def admit(self, form: Any) -> bool:
        """Set the account's password and record the proof; return whether it still waits."""
        profile = activation.hold(self._profiles())
        if profile is None:
            return False
        if self.request.method == "POST":
            activation.admit(profile.user, form, self.kwargs["activation_key"])
        return True

    def _profiles(self) -> Any:
        return self.registration_profile.objects.filter(
            activation_key=self.kwargs["activation_key"]
        )

    def _profile(self) -> Any:
        if not activation.KEY.fullmatch(self.kwargs["activation_key"]):
            return None
        return self._profiles().select_related("user").first()

    def _waiting(self) -> Any:
        """Return the account that this link activates now, or ``None``."""
        profile = self._profile()
        if profile is None or profile.activated or profile.activation_key_expired():
            return None
        return None if activation.is_closed(profile.user) else profile.user

    def is_done(self, profile: Any) -> bool:
        """Return whether the link was used and its account is still active."""
        return bool(profile.activated and profile.user.is_active)

    def _not_waiting(self) -> HttpResponseBase:
        """Redirect a second click like the first one, or show that the link does not work."""
        profile = self._profile()
        if profile is not None and self.is_done(profile):
            return self._go(profile.user)
        response: HttpResponseBase = self.render_to_response(self.get_context_data(**self.kwargs))  # type: ignore[attr-defined]
        gate.protect(response)
        return response

    def _go(self, user: Any) -> HttpResponseBase:
        where = self.get_success_url(user)  # type: ignore[attr-defined]
        to, args, kwargs = (where, (), {}) if isinstance(where, str) else where
        response: HttpResponseBase = redirect(to, *args, **kwargs)
        gate.protect(response)
        return response


class DestinationMixin:
    """Redirect of an active account to the destination of its invitation."""

    def get_success_url(self, user: Any) -> Any:
        """Return the next page as the three parts that redux unpacks."""
        destination = arriving.destination_of(user)
        return (destination, (), {}) if destination else super().get_success_url(user)  # type: ignore[misc]


def into_the_site() -> str:
    """Return the page for the holder of an account that is active at once."""
    return str(getattr(settings, "SIMPLE_BACKEND_REDIRECT_URL", None) or gate.front_page())


def gated(
    patterns: Iterable[URLPattern | URLResolver], views: Mapping[str, Callable[..., Any]]
) -> list[URLPattern | URLResolver]:
    """Return redux's URL patterns, with these views in place of redux's views of the same names.

    Visitors can open these pages where the site requires a login for everything else. Pages for
    staff stay closed.
    """
    return gate.all_on_a_site(_gated(pattern, views) for pattern in patterns)


def _gated(
    pattern: URLPattern | URLResolver, views: Mapping[str, Callable[..., Any]]
) -> URLPattern | URLResolver:
    if isinstance(pattern, URLResolver):
        inner = [_gated(entry, AUTH_PAGES) for entry in pattern.url_patterns]
        return URLResolver(
            pattern.pattern,
            inner,
            pattern.default_kwargs,
            app_name=pattern.app_name,
            namespace=pattern.namespace,
        )
    callback = _protected(views.get(pattern.name or "", pattern.callback))
    if pattern.name not in STAFF_PAGES:
        callback = login_not_required(callback)
    return URLPattern(pattern.pattern, callback, pattern.default_args, pattern.name)


def _protected(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Return a wrapped view whose page no cache stores; redux's own view stays unchanged."""

    @wraps(callback)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = callback(request, *args, **kwargs)
        gate.protect(response)
        return response

    return page
