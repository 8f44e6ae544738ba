"""Checks of whether several people can write to the databases at the same time."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import connections, router

from invitation.checks import routing
from invitation.checks.doors import view_class
from invitation.gate.atomic_requests import (
    OwnTransactionsMixin,
    has_own_transactions,
    innermost,
)
from invitation.models import InvitationKey

#: Minimum number of seconds that SQLite should wait for its lock. Python's default is 5.
TIMEOUT_MIN = 20
#: Modes in which a transaction takes the lock when it begins.
MODES = ("IMMEDIATE", "EXCLUSIVE")
SQLITE_OPTIONS = (
    'Set in DATABASES: "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, '
    '"init_command": "PRAGMA journal_mode=WAL"}.'
)


def check_own_transactions(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn about our pages that still run in a transaction of ATOMIC_REQUESTS."""
    aliases = _with_atomic_requests()
    if not aliases:
        return []
    routes, _failure = routing.find_routes()
    messages: list[CheckMessage] = []
    for route in routes:
        view = view_class(route.callback)
        if view is None or not issubclass(view, OwnTransactionsMixin):
            continue
        page = innermost(route.callback)
        if all(has_own_transactions(page, alias) for alias in aliases):
            continue
        message = (
            f'ATOMIC_REQUESTS puts one transaction around the page at "/{route}". Two such pages '
            "at once can end with an error."
        )
        hint = (
            "Leave own_transactions at True, and let a decorator around the view use "
            "functools.wraps."
        )
        messages.append(CheckWarning(message, hint=hint, id="invitation.W030"))
    return messages


def check_sqlite_requests(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn if SQLite would refuse a request that reads first and writes later."""
    if not any(_is_late(alias) for alias in _with_atomic_requests()):
        return []
    message = (
        "ATOMIC_REQUESTS is on with SQLite, and transactions begin without its lock. While "
        'somebody writes, other requests end with "database is locked".'
    )
    hint = f"{SQLITE_OPTIONS} Or turn ATOMIC_REQUESTS off."
    return [CheckWarning(message, hint=hint, id="invitation.W031")]


def check_sqlite_options(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn if SQLite gives up too soon when several people write."""
    if not any(_is_file(alias) and _gives_up(alias) for alias in _written_by_requests()):
        return []
    message = (
        'SQLite gives up too soon when several people write. They see an error page ("database is '
        'locked").'
    )
    return [CheckWarning(message, hint=SQLITE_OPTIONS, id="invitation.W032")]


def check_one_database(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report that an account and the use of its invitation cannot be written in one transaction."""
    ours = router.db_for_write(InvitationKey)
    others = [model for model in _models_of_accounts() if router.db_for_write(model) != ours]
    message = (
        "DATABASE_ROUTERS write {} to another database than invitations. An account and the use of "
        "its invitation cannot be saved together."
    )
    hint = "Let the routers keep both in the same database."
    return [
        Error(message.format(model._meta.label), hint=hint, id="invitation.E065")
        for model in others
    ]


def _models_of_accounts() -> list[Any]:
    """Return the models of an account and of its activation."""
    found: list[Any] = [get_user_model()]
    if apps.is_installed("registration"):
        found.append(apps.get_model("registration", "RegistrationProfile"))
    return found


def _written_by_requests() -> set[str]:
    """Return the databases that sign-ups and log-ins write to."""
    models: list[Any] = [InvitationKey, *_models_of_accounts()]
    if apps.is_installed("django.contrib.sessions"):
        models.append(apps.get_model("sessions", "Session"))
    return {router.db_for_write(model) for model in models}


def _gives_up(alias: str) -> bool:
    """Return whether a request may end because another one writes to this SQLite database."""
    timeout = _options(alias).get("timeout", 5)
    short = isinstance(timeout, (int, float)) and timeout < TIMEOUT_MIN
    return short or _is_late(alias)


def _with_atomic_requests() -> list[str]:
    return [alias for alias in connections if connections[alias].settings_dict["ATOMIC_REQUESTS"]]


def _options(alias: str) -> dict[str, Any]:
    options: dict[str, Any] = connections[alias].settings_dict.get("OPTIONS") or {}
    return options


def _is_late(alias: str) -> bool:
    """Return whether transactions on this SQLite database begin without its lock."""
    mode = str(_options(alias).get("transaction_mode") or "")
    return connections[alias].vendor == "sqlite" and mode.upper() not in MODES


def _is_file(alias: str) -> bool:
    """Return whether the database is SQLite in a file, which others may write to."""
    connection: Any = connections[alias]
    return connection.vendor == "sqlite" and not connection.is_in_memory_db()
