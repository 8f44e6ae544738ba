"""Fit the gate into the views and URLconfs of django-registration-redux.

What redux reads once at import, it reads so here too: REGISTRATION_FORM,
ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS, INCLUDE_REGISTER_URL, INCLUDE_AUTH_URLS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, get_user_model, login
from django.contrib.auth.decorators import login_not_required
from django.contrib.sites.shortcuts import get_current_site
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, get_script_prefix, reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from registration import signals
from registration import views as redux

from invitation import flows, gate
from invitation.backends import activation
from invitation.backends.account_mails import (
    PasswordResetView,
    ask_for_activation,
    waiting_profile,
)
from invitation.backends.base import InvitationRegistrationMixin, email_field_name
from invitation.flows.deadlocks import in_transaction
from invitation.transactions import OwnTransactionsMixin

#: Pages for which redux's include takes Django's own views.
PASSWORD_PAGES: Mapping[str, Callable[..., Any]] = {
    "auth_password_reset": PasswordResetView.as_view(
        success_url=reverse_lazy("auth_password_reset_done")
    ),
}

#: Pages of redux that are for staff: they stay closed where the site needs a login for all.
STAFF_PAGES = frozenset({"registration_admin_approve", "registration_approve_complete"})


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


class ActivationMailMixin:
    """Make redux's inactive account, and mail its activation link after the commit.

    Redux mails from a callback that raises: a mail server that is down would show an error page
    for an account that exists. Here the failure is logged, and the visitor is told to ask for the
    mail again.
    """

    request: HttpRequest
    registration_profile: Any
    opened: flows.Opened | None
    #: The site's SEND_ACTIVATION_EMAIL, which redux reads into its own view.
    mails_activation: bool = True
    SEND_ACTIVATION_EMAIL = False

    def create_account(self, form: Any) -> Any:
        """Make the inactive account with everything that its form has to save."""
        user = self._create_inactive(form)
        # Redux saves the form without committing and forgets its many-to-many data.
        save_m2m: Callable[[], None] | None = getattr(form, "save_m2m", None)
        if save_m2m is not None:
            save_m2m()
        self.ask_for_activation(user)
        return user

    def _create_inactive(self, form: Any) -> Any:
        """Do what redux's view does, with an activation key that is bound to the address."""
        if hasattr(form, "save"):
            unsaved = form.save(commit=False)
        else:
            unsaved = get_user_model()._default_manager.create_user(**form.cleaned_data)
        user = self.registration_profile.objects.create_inactive_user(
            new_user=unsaved,
            site=get_current_site(self.request),
            send_email=self.SEND_ACTIVATION_EMAIL,
            request=self.request,
            profile_info={"activation_key": activation.new_key(flows.own_address(unsaved))},
        )
        signals.user_registered.send(sender=self.__class__, user=user, request=self.request)
        return user

    def ask_for_activation(self, user: Any) -> None:
        """Let the activation email of an account follow the commit. Raises ``MailLimitReached``."""
        if self.mails_activation:
            ask_for_activation(self.request, user.registrationprofile, self.opened)

    def waiting_account(self, email: str) -> Any | None:
        """Return an account of this address that waits for its activation, or ``None``."""
        profile = waiting_profile(self.registration_profile.objects, email)
        return profile and profile.user


@method_decorator(
    [sensitive_post_parameters(), csrf_protect, never_cache, login_not_required], name="dispatch"
)
class ActivationMixin(OwnTransactionsMixin):
    """Show the account of an activation link, and activate it when its holder says so.

    Redux activates by GET, with the password of whoever registered.
    """

    request: HttpRequest
    kwargs: dict[str, Any]
    registration_profile: Any
    http_method_names = ["get", "head", "post", "options"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let whoever has the link in, and take a form of this page alone."""
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the page of a link that does not work asks for."""
        context: dict[str, Any] = super().get_context_data(try_again=False, **kwargs)  # type: ignore[misc]
        return context

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Show who made the account and when; changes nothing."""
        account = self._waiting()
        if account is None:
            return self._not_waiting()
        return activation.show(request, account, activation.confirm_form(account))

    @method_decorator(sensitive_variables())
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Activate the account, or delete it if its owner did not make it."""
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
        user = self.complete(form)
        if not user:
            return self._not_waiting()
        return self._go(user)

    @method_decorator(sensitive_variables())
    def complete(self, form: Any) -> Any:
        """Give the account its password and activate it, both or neither; then tell the site."""
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
        """Give the account its password and record the proof; tell whether it still waits."""
        profile = activation.hold(self._profiles())
        if profile is None:
            return False
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
        return profile.user

    def is_done(self, profile: Any) -> bool:
        """Tell whether the link has done its work, and its account is as it left it."""
        return bool(profile.activated and profile.user.is_active)

    def _not_waiting(self) -> HttpResponseBase:
        """Lead a second click to where the first one led, or say that the link does not work."""
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
    return gate.all_on_a_site(_gated(pattern, views) for pattern in patterns)


def _gated(
    pattern: URLPattern | URLResolver, views: Mapping[str, Callable[..., Any]]
) -> URLPattern | URLResolver:
    if isinstance(pattern, URLResolver):
        inner = [_gated(entry, PASSWORD_PAGES) for entry in pattern.url_patterns]
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
