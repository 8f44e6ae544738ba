"""Check the set-up of a site, and say what to do about it: ``manage.py check``.

One module for each thing that is looked at: ``values`` of settings, ``limits`` of mails, what
``mails`` need and what ``writing`` them goes by, what the ``installation`` lacks, how redux's
``registration`` is routed, and how the ``databases`` let people write. Each id is used once and
never again for anything else; ``docs/checks.rst`` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core import checks as django_checks

from invitation.checks import databases, installation, limits, mails, registration, values, writing

Check = Callable[..., list[django_checks.CheckMessage]]


def never_raises(check: Check) -> Check:
    """Return the check with a message in place of whatever it raises.

    A check runs code of the site (a delivery, a URLconf, a path in a setting), which may raise
    anything, and an exception would keep Django from showing what the other checks have found.
    """

    @wraps(check)
    def run(app_configs: Any, **kwargs: Any) -> list[django_checks.CheckMessage]:
        try:
            return check(app_configs, **kwargs)
        except Exception as error:  # noqa: BLE001 (nothing is swallowed: it becomes a message)
            message = f"The check {check.__name__} stopped at {type(error).__name__}: {error}"
            hint = "Mend what raises this; until then nobody knows what the check would say."
            return [django_checks.Warning(message, hint=hint, id="invitation.W001")]

    return run


#: The checks that ``apps.py`` registers.
CHECKS: tuple[Check, ...] = tuple(
    never_raises(check)
    for check in (
        values.check_values,
        values.check_quota,
        values.check_signing_keys,
        values.check_permission,
        values.check_callables,
        limits.check_limits,
        limits.check_note_permission,
        limits.check_client_address,
        limits.check_password_reset,
        writing.check_writing,
        mails.check_base_url,
        mails.check_delivery,
        mails.check_link,
        installation.check_order_of_apps,
        installation.check_password_reset_mail,
        installation.check_templates,
        installation.check_middleware,
        installation.check_login_url,
        registration.check_installed,
        registration.check_gate,
        registration.check_backend_classes,
        registration.check_activation,
        registration.check_approval,
        registration.check_form,
        registration.check_login_redirect,
        registration.check_registration_redirect,
        databases.check_own_transactions,
        databases.check_sqlite_requests,
    )
)

#: Those that ask the database, to be registered with ``Tags.database`` too.
DATABASE_CHECKS: tuple[Check, ...] = (
    never_raises(mails.check_site),
    never_raises(mails.check_hosts),
    never_raises(mails.check_clock),
    never_raises(mails.check_opt_outs),
)

#: Those of which a site in development need not hear: ``check --deploy``.
DEPLOY_CHECKS: tuple[Check, ...] = (
    never_raises(registration.check_mail_timeout),
    never_raises(databases.check_sqlite_options),
)
