"""System checks of a site with guests."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

from invitation.lazysignup.conf import conf

MIDDLEWARE = "invitation.lazysignup.middleware.LazySignupMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
#: Backends that log anybody in who knows a name.
BY_NAME = ("lazysignup.backends.LazySignupBackend", "guest_user.backends.GuestBackend")
OLD_NAME = "invitation.lazysignup.backends.LazySignupBackend"


def check_backends(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report backends that log anybody in by name, and the name of one that logs nobody in."""
    messages: list[CheckMessage] = []
    for path in settings.AUTHENTICATION_BACKENDS:
        if path in BY_NAME:
            text = f"{path} logs anybody in who knows the name of a guest."
            messages.append(Error(text, hint="Remove it. Guests need none.", id="lazysignup.E001"))
        elif path == OLD_NAME:
            text = f"{path} in AUTHENTICATION_BACKENDS does nothing."
            messages.append(CheckWarning(text, hint="Remove it.", id="lazysignup.W001"))
    return messages


def check_middleware(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report a missing middleware, or one in the wrong place."""
    names = list(settings.MIDDLEWARE)
    if MIDDLEWARE not in names:
        text = f"{MIDDLEWARE} is not in MIDDLEWARE: active guests expire, and lose what they have."
    elif AUTHENTICATION in names and names.index(MIDDLEWARE) < names.index(AUTHENTICATION):
        text = f"{MIDDLEWARE} stands before {AUTHENTICATION} in MIDDLEWARE."
    else:
        return []
    hint = f"Put it right after {AUTHENTICATION}."
    return [Error(text, hint=hint, id="lazysignup.E002")]


def is_list_of_patterns(value: Any) -> bool:
    """Return whether a value is a list of regular expressions, or not set."""
    try:
        re.compile("|".join(value or ()))
    except (TypeError, re.error):
        return False
    return not isinstance(value, str)


def is_limit(value: Any) -> bool:
    """Return whether a value is a number of guests or ``None``."""
    return value is None or (type(value) is int and value >= 0)


def is_days(value: Any) -> bool:
    """Return whether a value is a number of days above 0, or not set."""
    return value is None or (type(value) in (int, float) and value > 0)


def is_callable(value: Any) -> bool:
    """Return whether a value is a callable, the dotted path of one, or not set."""
    try:
        return value is None or callable(import_string(value) if isinstance(value, str) else value)
    except ImportError:
        return False


#: Number of the check, setting, what it must be, and the rule.
RULES: tuple[tuple[int, str, str, Callable[[Any], bool]], ...] = (
    (3, "LAZYSIGNUP_USER_AGENT_BLACKLIST", "a list of regular expressions", is_list_of_patterns),
    (4, "LAZYSIGNUP_LIMIT_PER_CLIENT", "a number or None", is_limit),
    (4, "LAZYSIGNUP_LIMIT", "a number or None", is_limit),
    (5, "LAZYSIGNUP_DAYS", "a number above 0", is_days),
    (6, "LAZYSIGNUP_CUSTOM_USER_CREATION_FORM", "the path of a form class", is_callable),
    (7, "LAZYSIGNUP_NAME_GENERATOR", "a callable or its path", is_callable),
)


def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report settings with wrong values, and names that nothing reads."""
    messages: list[CheckMessage] = []
    for number, name, wanted, fits in RULES:
        if not fits(conf.raw(name)):
            text = f"{name} is {conf.raw(name)!r}, but it must be {wanted}."
            messages.append(Error(text, id=f"lazysignup.E{number:03}"))
    if conf.LAZYSIGNUP_USER_MODEL != settings.AUTH_USER_MODEL:
        text = f"LAZYSIGNUP_USER_MODEL is {conf.LAZYSIGNUP_USER_MODEL}, not AUTH_USER_MODEL."
        hint = "Remove LAZYSIGNUP_USER_MODEL."
        messages.append(Error(text, hint=hint, id="lazysignup.E008"))
    if hasattr(settings, "USER_AGENT_BLACKLIST"):
        text = "USER_AGENT_BLACKLIST is a mistake in the docs of lazysignup, and nothing reads it."
        hint = "Name it LAZYSIGNUP_USER_AGENT_BLACKLIST."
        messages.append(CheckWarning(text, hint=hint, id="lazysignup.W002"))
    return messages


CHECKS = (check_backends, check_middleware, check_settings)
