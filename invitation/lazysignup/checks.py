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
    hint = "Remove it from AUTHENTICATION_BACKENDS. Guests need none."
    for path in settings.AUTHENTICATION_BACKENDS:
        if path in BY_NAME:
            text = f"{path} logs anybody in who knows the name of a guest."
            messages.append(Error(text, hint=hint, id="lazysignup.E001"))
        elif path == OLD_NAME:
            messages.append(CheckWarning(f"{path} does nothing.", hint=hint, id="lazysignup.W001"))
    return messages


def check_middleware(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report a missing middleware, or one in the wrong place."""
    names = list(settings.MIDDLEWARE)
    before = names[: names.index(MIDDLEWARE)] if MIDDLEWARE in names else []
    if MIDDLEWARE in names and (AUTHENTICATION in before or AUTHENTICATION not in names):
        return []
    text = f"{MIDDLEWARE} is not in MIDDLEWARE after {AUTHENTICATION}."
    hint = "Put it right after that. Without it, active guests expire, and a login loses a session."
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
    (
        8,
        "LAZYSIGNUP_USER_MODEL",
        "AUTH_USER_MODEL",
        lambda x: x in (None, settings.AUTH_USER_MODEL),
    ),
)


def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report settings with wrong values, and a name that nothing reads."""
    messages: list[CheckMessage] = [
        Error(f"{name} is {conf.raw(name)!r}, but it must be {wanted}.", id=f"lazysignup.E{n:03}")
        for n, name, wanted, fits in RULES
        if not fits(conf.raw(name))
    ]
    if conf.raw("USER_AGENT_BLACKLIST") is not None:
        text = "USER_AGENT_BLACKLIST is a mistake in the docs of lazysignup, and nothing reads it."
        hint = "Name it LAZYSIGNUP_USER_AGENT_BLACKLIST."
        messages.append(CheckWarning(text, hint=hint, id="lazysignup.W002"))
    return messages


CHECKS = (check_backends, check_middleware, check_settings)
