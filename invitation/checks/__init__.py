"""System checks of a site's set-up, run by ``manage.py check``.

Each module checks one thing:

* ``values``: the settings
* ``limits``: the limits of emails, lists and notes
* ``mails``: what emails need to be sent
* ``writing``: the settings for the text of emails, reminders and news
* ``installation``: other apps, templates, middleware, the login and sign-up pages
* ``frame``: the site's base template, in which the pages are shown
* ``doors``: where people can sign up without an invitation
* ``registration``: the URLs of django-registration-redux
* ``databases``: whether people can write at the same time

The id of a check is never used again for another one. ``docs/reference/checks.rst`` lists all ids.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any

from django.core import checks as django_checks

Check = Callable[..., list[django_checks.CheckMessage]]


def never_raises(check: Check) -> Check:
    """Return the check, with a message in place of any exception.

    A check runs code of the site, such as a delivery, a URLconf or a path in a setting. That code
    may raise anything. An exception would stop Django from showing the results of the other checks.
    """

    @wraps(check)
    def run(app_configs: Any, **kwargs: Any) -> list[django_checks.CheckMessage]:
        try:
            return check(app_configs, **kwargs)
        except Exception as error:  # noqa: BLE001 (nothing is swallowed: it becomes a message)
            message = f"The check {check.__name__} stopped at {type(error).__name__}: {error}"
            hint = "Correct what raises this. Until then, this check says nothing."
            return [django_checks.Warning(message, hint=hint, id="invitation.W001")]

    return run


def named(name: str) -> Check:
    """Return the check with this name. Its module is imported when the check runs.

    A process that serves requests runs no checks.
    """
    module, function = name.split(".")

    def check(app_configs: Any, **kwargs: Any) -> list[django_checks.CheckMessage]:
        run: Check = getattr(import_module(f"{__name__}.{module}"), function)
        return run(app_configs, **kwargs)

    check.__name__ = function
    return never_raises(check)


#: Checks that ``apps.py`` registers.
CHECKS: tuple[Check, ...] = tuple(
    named(check)
    for check in (
        "values.check_values",
        "values.check_quota",
        "values.check_signing_keys",
        "values.check_permission",
        "values.check_callables",
        "limits.check_limits",
        "limits.check_note_permission",
        "limits.check_client_address",
        "limits.check_password_reset",
        "writing.check_writing",
        "mails.check_base_url",
        "mails.check_delivery",
        "mails.check_mail_server",
        "mails.check_link",
        "installation.check_order_of_apps",
        "installation.check_password_reset_mail",
        "installation.check_templates",
        "frame.check_frame",
        "installation.check_middleware",
        "installation.check_allowed_hosts",
        "installation.check_login_url",
        "installation.check_signup_url",
        "registration.check_installed",
        "doors.check_doors",
        "doors.check_allauth",
        "doors.check_allauth_pages",
        "registration.check_backend_classes",
        "registration.check_activation",
        "registration.check_approval",
        "registration.check_form",
        "registration.check_login_redirect",
        "registration.check_registration_redirect",
        "databases.check_own_transactions",
        "databases.check_sqlite_requests",
        "databases.check_one_database",
    )
)

#: Checks that query the database, registered also with ``Tags.database``.
DATABASE_CHECKS: tuple[Check, ...] = (
    named("mails.check_site"),
    named("mails.check_hosts"),
    named("mails.check_clock"),
    named("mails.check_unsubscribed"),
    named("limits.check_groups"),
)

#: Checks for production only: ``check --deploy``.
DEPLOY_CHECKS: tuple[Check, ...] = (
    named("registration.check_mail_timeout"),
    named("databases.check_sqlite_options"),
    named("mails.check_members"),
)
