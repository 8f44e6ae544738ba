"""Wire the app: the only place where importing is followed by doing."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks as django_checks
from django.utils.translation import gettext_lazy as _


class InvitationConfig(AppConfig):
    """Configure ``invitation``."""

    name = "invitation"
    verbose_name = _("Invitations")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and the task, follow accounts, and keep keys out of the logs."""
        from invitation import checks, masking, workers
        from invitation.backends import anymail, receivers
        from invitation.flows import notifying, recording, rewarding

        for check in checks.CHECKS:
            django_checks.register(check, "invitation")
        for check in checks.DATABASE_CHECKS:
            django_checks.register(check, "invitation", django_checks.Tags.database)
        for check in checks.DEPLOY_CHECKS:
            django_checks.register(check, "invitation", deploy=True)
        receivers.connect()
        anymail.connect()
        rewarding.connect()
        workers.register()
        notifying.connect()
        recording.connect()
        masking.connect()
