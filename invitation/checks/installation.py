"""Checks of what surrounds the app: other apps, templates, middleware, and pages."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.template import TemplateDoesNotExist, TemplateSyntaxError, engines
from django.template.backends.django import DjangoTemplates, get_installed_libraries
from django.template.loader import get_template
from django.utils.module_loading import import_string

from invitation.checks import routing
from invitation.conf import conf
from invitation.gate.carried_keys import SIGNUP
from invitation.keys import sites

TEMPLATES = Path(__file__).parents[1] / "templates"
RESET_MAIL = "registration/password_reset_email.html"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


def check_order_of_apps(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn if INSTALLED_APPS has an order in which the wrong templates are found first."""
    places = {config.name: place for place, config in enumerate(apps.get_app_configs())}
    ours = places["invitation"]
    redux, admin = places.get("registration"), places.get("django.contrib.admin")
    messages: list[CheckMessage] = []
    if redux is not None and admin is not None and redux > admin:
        message = (
            'INSTALLED_APPS has "registration" after "django.contrib.admin". The admin\'s pages '
            "for logging out and for passwords are shown to members."
        )
        hint = 'Put "invitation" and "registration" before "django.contrib.admin".'
        messages.append(CheckWarning(message, hint=hint, id="invitation.W009"))
    if any(place is not None and place < ours for place in (redux, admin)):
        message = (
            'INSTALLED_APPS has "invitation" after "registration" or "django.contrib.admin". Their '
            "templates of the same names are used."
        )
        hint = 'Put "invitation" first, then "registration", then "django.contrib.admin".'
        messages.append(CheckWarning(message, hint=hint, id="invitation.W010"))
    return messages


def check_password_reset_mail(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report that the password reset email comes from the admin's template.

    That template names a URL that the site does not have.
    """
    names = routing.find_names()
    if "auth_password_reset" not in names or "password_reset_confirm" in names:
        return []
    if not apps.is_installed("django.contrib.admin"):
        return []
    try:
        template: Any = get_template(RESET_MAIL)
    except (TemplateDoesNotExist, TemplateSyntaxError):
        return []  # check_templates reports it.
    origin = Path(getattr(getattr(template, "origin", None), "name", ""))
    if not origin.is_relative_to(apps.get_app_config("admin").path):
        return []
    message = (
        f'Asking for a new password ends in an error. The template "{RESET_MAIL}" is that of '
        "django.contrib.admin, which comes first in INSTALLED_APPS."
    )
    hint = 'Put "invitation" and "registration" before "django.contrib.admin".'
    return [Error(message, hint=hint, id="invitation.E022")]


def check_templates(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report templates that are not found or cannot be read."""
    missing: list[str] = []
    messages: list[CheckMessage] = []
    loaders = _loaders()
    for file in sorted(TEMPLATES.rglob("*.*")):
        name = file.relative_to(TEMPLATES).as_posix()
        try:
            if not _finds_own(loaders, name, file):
                get_template(name)
        except TemplateDoesNotExist:
            missing.append(name)
        except (TemplateSyntaxError, UnicodeError) as error:
            message = f'The template "{name}" cannot be read: {error}'
            hint = "Correct the site's own template of this name. The app's is an example."
            messages.append(Error(message, hint=hint, id="invitation.E023"))
    if missing:
        shown = ", ".join(f'"{name}"' for name in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        message = f"TEMPLATES does not find {shown}{more}."
        hint = 'Set "APP_DIRS" to True, or list the app_directories loader among the "loaders".'
        messages.append(Error(message, hint=hint, id="invitation.E024"))
    return messages


def _loaders() -> list[Any]:
    """Return the loaders that find a template, if the app's own templates need not be compiled.

    The tests of this package compile them. But tag libraries of the site's settings could take the
    place of those that they load.
    """
    configured = next(iter(engines.all()), None)
    if not isinstance(configured, DjangoTemplates):
        return []
    engine: Any = configured.engine
    usual = (engine.default_builtins, get_installed_libraries())
    return engine.template_loaders if (engine.builtins, engine.libraries) == usual else []


def _finds_own(loaders: list[Any], name: str, file: Path) -> bool:
    """Return whether these loaders find the app's own file under this name."""
    for loader in loaders:
        for origin in loader.get_template_sources(name):
            with suppress(TemplateDoesNotExist):
                loader.get_contents(origin)
                return Path(origin.name) == file
    return False


def check_middleware(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report that no middleware sets the user of a request.

    Where the admin is installed, Django checks this itself.
    """
    if apps.is_installed("django.contrib.admin"):
        return []
    wanted = import_string(AUTHENTICATION)
    for path in settings.MIDDLEWARE:
        middleware = import_string(path)
        if isinstance(middleware, type) and issubclass(middleware, wanted):
            return []
    message = f'MIDDLEWARE lacks "{AUTHENTICATION}". Nobody can be logged in.'
    hint = "Add it after SessionMiddleware."
    return [Error(message, hint=hint, id="invitation.E025")]


def check_allowed_hosts(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn about names in ALLOWED_HOSTS that no request has, because they are not in ASCII."""
    hosts = [host for host in settings.ALLOWED_HOSTS if not host.isascii()]
    if not hosts:
        return []
    shown = ", ".join(f'"{host}"' for host in hosts)
    message = f"No request is for {shown} in ALLOWED_HOSTS: browsers ask for a host in ASCII."
    named = ", ".join(f'"{found}"' for host in hosts if (found := sites.ascii_host(host)).isascii())
    hint = f"Write {named}." if named else "Write the name in ASCII, or remove it."
    return [CheckWarning(message, hint=hint, id="invitation.W040")]


def check_login_url(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn if LOGIN_URL leads to no page. Members who want to invite are sent there."""
    if "invitation_invite" not in routing.find_names():
        return []
    reason = routing.why_nowhere(settings.LOGIN_URL)
    if not reason:
        return []
    message = f"LOGIN_URL leads nowhere: {reason}"
    hint = f'Set it to the name of the page, "auth_login" for redux\'s own. {routing.ELSEWHERE}'
    return [CheckWarning(message, hint=hint, id="invitation.W011")]


def check_signup_url(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn if the pages of invitations lead to no sign-up page."""
    names = routing.find_names()
    if "invitation_landing" not in names:
        return []
    target = conf.INVITATION_SIGNUP_URL
    hint = f"Set it to the name or the path of the page where people sign up. {routing.ELSEWHERE}"
    if target is None:
        if SIGNUP in names:
            return []
        message = (
            "Invitations lead to no sign-up page. INVITATION_SIGNUP_URL is not set, and no page of "
            "this app signs people up."
        )
        return [CheckWarning(message, hint=hint, id="invitation.W035")]
    reason = routing.why_nowhere(target)
    if not reason:
        return []
    message = f"INVITATION_SIGNUP_URL leads nowhere: {reason}"
    return [CheckWarning(message, hint=hint, id="invitation.W034")]
