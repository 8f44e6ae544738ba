"""Configuration of the app."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.core import checks as django_checks
from django.utils.translation import gettext_lazy as _


class LazySignupConfig(AppConfig):
    """Configuration of ``invitation.lazysignup``, with the label and the table of lazysignup."""

    name = "invitation.lazysignup"
    label = "lazysignup"
    verbose_name = _("Guests")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks, and let the pages of the other apps know guests."""
        from django.contrib.auth.signals import user_logged_in

        from invitation.lazysignup import checks, guests, late_login

        for check in checks.CHECKS:
            django_checks.register(check, "lazysignup")
        if guests.WITH_INVITATIONS:
            from invitation import gate
            from invitation.lazysignup import invited

            gate.know_guests(invited)
            user_logged_in.connect(invited.take_for_member, dispatch_uid="lazysignup.sign_up")
        elif apps.is_installed("allauth.socialaccount"):
            # With invitations, our adapter makes a sign-up of it, which the gate lets through.
            from allauth.socialaccount.signals import social_account_added

            social_account_added.connect(guests.convert_connected, dispatch_uid="lazysignup")
        user_logged_in.connect(late_login.settle, dispatch_uid="lazysignup.late_login")
