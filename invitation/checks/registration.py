"""Checks that django-registration-redux or django-registration 5 works behind the gate.

The checks look at the site's URLs and the host's settings. Only ``invitation.backends`` uses the
host itself.
"""

from __future__ import annotations

from reprlib import repr as short_repr
from typing import Any

from django.apps import apps
from django.conf import global_settings, settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import FieldDoesNotExist
from django.utils.module_loading import import_string
from django.views.generic.edit import FormMixin

from invitation.backends.base import InvitationRegistrationMixin, LoginView
from invitation.backends.fields import email_field_name
from invitation.checks import doors, routing
from invitation.conf import conf
from invitation.delivery.email import EmailDelivery

#: Apps of the hosts, with the name of the package and the id of the check.
APPS = {
    "registration": ("django-registration-redux", "invitation.E016"),
    "django_registration": ("django-registration", "invitation.E072"),
}
#: Names of the hosts' URLs. Each shows that the site uses that workflow.
TWO_STEPS = frozenset({"registration_activate", "django_registration_activate"})
APPROVAL = "registration_admin_approve"
#: Names of the log-in page: redux's, and Django's own.
LOGIN = frozenset({"auth_login", "login"})
FORGOTTEN_PASSWORD = "auth_password_reset"  # noqa: S105 (the name of a URL)

#: Fields of the user model that the hosts and our pages read and write under these names.
FIELDS = ("email", "is_active", "date_joined")


def check_installed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report that the site includes URLs of a host, but does not install it."""
    routes, failure = routing.find_routes()
    messages: list[CheckMessage] = []
    for app, (name, check_id) in APPS.items():
        # The models of redux then refuse to be imported. So Django fails for all URLs at once.
        refused = isinstance(failure, RuntimeError) and f"{app}.models" in str(failure)
        used = refused or any(_is_of(app, route.callback) for route in routes)
        if used and not apps.is_installed(app):
            message = f'The site includes URLs of {name}, but "{app}" is not in INSTALLED_APPS.'
            hint = f'Add "{app}" after "invitation" and before "django.contrib.admin".'
            messages.append(Error(message, hint=hint, id=check_id))
    return messages


def check_backend_classes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report each URL whose registration backend class cannot be loaded."""
    routes, _failure = routing.find_routes()
    messages: list[CheckMessage] = []
    for route in routes:
        if not doors.takes_backend(route, "register", "activate"):
            continue
        try:
            # Our own backend wraps another one. It loads that one on first access.
            getattr(doors.get_backend(route), "wrapped", None)
        except Exception as error:  # noqa: BLE001 (a module of the site may raise anything)
            message = (
                f'The page at "/{route}" cannot be shown: its registration backend '
                f"{route.arguments['backend']!r} failed with {type(error).__name__}: {error}"
            )
            hint = 'The argument "backend" of this URL must be the dotted path of such a class.'
            messages.append(Error(message, hint=hint, id="invitation.E028"))
    return messages


def check_activation(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report a missing or wrong activation time, or missing fields of the user model."""
    if TWO_STEPS.isdisjoint(routing.find_names()):
        return []
    messages: list[CheckMessage] = []
    days = getattr(settings, "ACCOUNT_ACTIVATION_DAYS", None)
    if not isinstance(days, (int, float)) or isinstance(days, bool) or days <= 0:
        message = (
            f"Nobody can sign up. ACCOUNT_ACTIVATION_DAYS is {short_repr(days)}, but it must be a "
            "number of days above 0."
        )
        hint = "For example 7. The link in the activation email works for that time."
        messages.append(Error(message, hint=hint, id="invitation.E018"))
    opts = get_user_model()._meta
    missing = [name for name in FIELDS if not _has_field(opts, name)]
    if missing:
        message = (
            f"The user model {opts.label} (AUTH_USER_MODEL) lacks fields that activation needs: "
            f"{', '.join(missing)}."
        )
        hint = "Add the fields, or include the URLs of a workflow with one step."
        messages.append(Error(message, hint=hint, id="invitation.E019"))
    return messages


def check_approval(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report that redux's request for approval would reach nobody, or the wrong address."""
    if APPROVAL not in routing.find_names():
        return []
    given = getattr(settings, "REGISTRATION_ADMINS", None)
    if isinstance(given, str):
        try:
            good = callable(import_string(given))
        except Exception:  # noqa: BLE001 (a module of the site may raise anything)
            good = False
    else:
        people = given or settings.ADMINS
        good = (
            isinstance(people, (list, tuple))
            and bool(people)
            # Redux emails the second item of each entry. In a string, that is the second letter.
            and all(_is_pair(person) for person in people)
        )
    if good:
        return []
    message = (
        "Nobody can approve accounts: redux finds no address of an administrator. "
        f"REGISTRATION_ADMINS is {short_repr(given)}, ADMINS is {short_repr(settings.ADMINS)}."
    )
    hint = (
        'Set REGISTRATION_ADMINS to pairs, [("Ann", "ann@example.org")], or to the dotted path of '
        "a callable that returns pairs."
    )
    return [Error(message, hint=hint, id="invitation.E020")]


def check_form(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report a registration form without the email field.

    The field is needed to compare the address or to send the activation email.
    """
    routes, _failure = routing.find_routes()
    exact = conf.INVITE_MODE and conf.INVITATION_EMAIL_POLICY == "exact"
    if not exact and TWO_STEPS.isdisjoint(routing.find_names()):
        return []
    name = email_field_name()
    lacking = {
        form
        for route in routes
        if (form := _form_of(route.callback)) is not None and name not in form.base_fields
    }
    message = "Nobody can sign up. The form {}.{} (REGISTRATION_FORM) has no field {!r}."
    hint = (
        'Add the field. Without it, set INVITATION_EMAIL_POLICY = "any" and use a workflow with '
        "one step."
    )
    return [
        Error(
            message.format(form.__module__, form.__qualname__, name),
            hint=hint,
            id="invitation.E021",
        )
        for form in sorted(lacking, key=str)
    ]


def check_login_redirect(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn if LOGIN_REDIRECT_URL is not set or leads to no page.

    Our own login page needs no LOGIN_REDIRECT_URL.
    """
    routes, _failure = routing.find_routes()
    pages = [
        doors.view_class(route.callback)
        for route in routes
        if route.name in LOGIN and not route.namespaced and routing.answers(route, routes)
    ]
    target: object = settings.LOGIN_REDIRECT_URL
    default = type(target) is str and target == global_settings.LOGIN_REDIRECT_URL
    if target is None or default:
        pages = [page for page in pages if page is None or not issubclass(page, LoginView)]
    if not pages:
        return []
    if target is None:
        message = "LOGIN_REDIRECT_URL is None. People who log in see an error."
    elif reason := routing.why_nowhere(target):
        message = f"LOGIN_REDIRECT_URL leads nowhere: {reason}"
    else:
        return []
    hint = f'Set it to the name or the path of a page, for example "/". {routing.ELSEWHERE}'
    return [CheckWarning(message, hint=hint, id="invitation.W012")]


def check_registration_redirect(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn about each view that sends a new account's owner to no page."""
    routes, _failure = routing.find_routes()
    messages: list[CheckMessage] = []
    for route in routes:
        target = _success_url(route.callback)
        reason = "" if target is None else routing.why_nowhere(target)
        if reason and routing.answers(route, routes):
            message = f'People who sign up at "/{route}" are sent nowhere: {reason}'
            hint = (
                "Set SIMPLE_BACKEND_REDIRECT_URL for redux's one-step registration, or success_url "
                f"for a view of your own, to the name or the path of a page. {routing.ELSEWHERE}"
            )
            messages.append(CheckWarning(message, hint=hint, id="invitation.W013"))
    return messages


def check_mail_timeout(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn about a mail server without a timeout.

    If the server hangs, people who register or reset their password wait for ever. Our own delivery
    sets a timeout if the site has none. The hosts and Django do not.
    """
    if routing.find_names().isdisjoint({*TWO_STEPS, FORGOTTEN_PASSWORD}):
        return []
    try:
        connection = EmailDelivery().open_connection()
    except Exception:  # noqa: BLE001 (a mail backend of the site may raise anything)
        return []  # The delivery's own check reports it.
    # A backend without a network connection has no such attribute.
    if getattr(connection, "timeout", "none needed") is not None:
        return []
    message = (
        "The mail server has no timeout. While it does not answer, people who sign up or reset a "
        "password wait for ever."
    )
    hint = (
        "Set EMAIL_TIMEOUT = 10. With MAILERS, from Django 6.1 on, put it there: "
        '"OPTIONS": {"timeout": 10}.'
    )
    return [CheckWarning(message, hint=hint, id="invitation.W014")]


def _is_of(app: str, callback: Any) -> bool:
    """Return whether a view is one of this host's registration views, gated or not."""
    view = doors.view_class(callback)
    return view is not None and any(base.__module__ == f"{app}.views" for base in view.__mro__)


def _success_url(callback: Any) -> Any:
    """Return where our view sends the owner of a new account.

    Return ``None`` if the site's own code decides.
    """
    view: Any = doors.view_class(callback)
    written = getattr(getattr(view, "get_success_url", None), "__module__", "")
    if not (written.startswith("invitation.backends.") and hasattr(view, "landing")):
        return None
    with routing.prefixed():
        return view(**getattr(callback, "view_initkwargs", {})).landing()


def _has_field(opts: Any, name: str) -> bool:
    try:
        opts.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def _is_pair(person: object) -> bool:
    return isinstance(person, (list, tuple)) and len(person) == 2 and "@" in str(person[1])


def _form_of(callback: Any) -> Any:
    """Return the form class of a gated view, or ``None`` if only the view knows it."""
    view = doors.view_class(callback)
    if view is None or not issubclass(view, InvitationRegistrationMixin):
        return None
    if not view.needs_email_field:
        return None
    if getattr(view, "get_form_class", None) is not FormMixin.get_form_class:
        return None
    options = getattr(callback, "view_initkwargs", {})
    form = options.get("form_class") or getattr(view, "form_class", None)
    return form if hasattr(form, "base_fields") else None
