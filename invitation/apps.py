"""Configuration of the app, the only module with an effect at start-up."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.core import checks as django_checks
from django.utils.translation import gettext_lazy as _

#: The modules that receive signals. Each has a function ``connect``, which ``ready`` calls.
RECEIVERS = (
    "invitation.backends.receivers",
    "invitation.backends.anymail",
    "invitation.flows.quota.rewards",
    "invitation.flows.mail.notices",
    "invitation.flows.mail.health",
    "invitation.keys.masking",
)


class InvitationConfig(AppConfig):
    """Configuration of ``invitation``."""

    name = "invitation"
    verbose_name = _("Invitations")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and the task, connect the signals, and hide keys in the logs."""
        from invitation import checks
        from invitation.delivery import workers

        for check in checks.CHECKS:
            django_checks.register(check, "invitation")
        for check in checks.DATABASE_CHECKS:
            django_checks.register(check, "invitation", django_checks.Tags.database)
        for check in checks.DEPLOY_CHECKS:
            django_checks.register(check, "invitation", deploy=True)
        for module in RECEIVERS:
            import_module(module).connect()
        workers.register()
