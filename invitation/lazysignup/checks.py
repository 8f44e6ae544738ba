"""System checks of a site with guests."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.checks import ERROR, WARNING, CheckMessage
from django.utils.module_loading import import_string

from invitation.lazysignup.conf import conf
from invitation.lazysignup.guests import INERT, OLD_BACKENDS

MIDDLEWARE = "invitation.lazysignup.middleware.LazySignupMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


def message(code: str, text: str, hint: str | None = None) -> CheckMessage:
    """Return the message of a check; the letter of its code is its level."""
    return CheckMessage(ERROR if "E" in code else WARNING, text, hint=hint, id=f"lazysignup.{code}")


def check_backends(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report backends that log anybody in by name, and the name of one that logs nobody in."""
    hint = "Remove it from AUTHENTICATION_BACKENDS. Guests need none."
    return [
        message("W001", f"{path} does nothing.", hint)
        if path == INERT
        else message("E001", f"{path} logs anybody in who knows the name of a guest.", hint)
        for path in settings.AUTHENTICATION_BACKENDS
        if path in OLD_BACKENDS
    ]


def check_middleware(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report a missing middleware, or one in the wrong place."""
    found = [name for name in settings.MIDDLEWARE if name in (MIDDLEWARE, AUTHENTICATION)]
    if found in ([MIDDLEWARE], [AUTHENTICATION, MIDDLEWARE]):
        return []
    text = f"{MIDDLEWARE} is not in MIDDLEWARE after {AUTHENTICATION}."
    hint = "Put it right after that. Without it, active guests expire, and a login loses a session."
    return [message("E002", text, hint)]


def is_list(value: Any) -> bool:
    """Return whether a value is a list of regular expressions."""
    try:
        re.compile("|".join(value))
    except (TypeError, re.error):
        return False
    return not isinstance(value, str)


def is_limit(value: Any) -> bool:
    """Return whether a value is a number of guests."""
    return type(value) is int and value >= 0


def is_callable(value: Any) -> bool:
    """Return whether a value is a callable, or the dotted path of one."""
    try:
        return callable(import_string(value) if isinstance(value, str) else value)
    except ImportError:
        return False


#: Code of the check, setting, what it must be if it is set, and the rule.
RULES: tuple[tuple[str, str, str, Callable[[Any], bool]], ...] = (
    ("E003", "LAZYSIGNUP_USER_AGENT_BLACKLIST", "a list of regular expressions", is_list),
    ("E004", "LAZYSIGNUP_LIMIT_PER_CLIENT", "a number or None", is_limit),
    ("E004", "LAZYSIGNUP_LIMIT", "a number or None", is_limit),
    ("E005", "LAZYSIGNUP_DAYS", "a number above 0", lambda x: type(x) in (int, float) and x > 0),
    ("E006", "LAZYSIGNUP_CUSTOM_USER_CREATION_FORM", "the path of a form class", is_callable),
    ("E007", "LAZYSIGNUP_NAME_GENERATOR", "a callable or its path", is_callable),
    ("E008", "LAZYSIGNUP_USER_MODEL", "AUTH_USER_MODEL", lambda x: x == settings.AUTH_USER_MODEL),
    # The docs of lazysignup have this name by mistake. Nothing reads it.
    ("W002", "USER_AGENT_BLACKLIST", "named LAZYSIGNUP_USER_AGENT_BLACKLIST", lambda _: False),
)


def check_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report settings with wrong values, and a name that nothing reads."""
    given = [(conf.raw(rule[1]), rule) for rule in RULES]
    return [
        message(code, f"{name} is {value!r}, but it must be {wanted}.")
        for value, (code, name, wanted, fits) in given
        if value is not None and not fits(value)
    ]


CHECKS = (check_backends, check_middleware, check_settings)
