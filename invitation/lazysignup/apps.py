"""Configuration of the app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks as django_checks
from django.utils.translation import gettext_lazy as _


class LazySignupConfig(AppConfig):
    """Configuration of ``invitation.lazysignup``, with the label and the table of lazysignup."""

    name = "invitation.lazysignup"
    label = "lazysignup"
    verbose_name = _("Guests")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, and connect the signals."""
        from invitation.lazysignup import checks, hosts, late_login

        for check in checks.CHECKS:
            django_checks.register(check, "lazysignup")
        late_login.connect()
        hosts.connect()
