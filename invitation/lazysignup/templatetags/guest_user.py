"""Filter of django-guest-user, under its name."""

from invitation.lazysignup.templatetags.lazysignup_tags import register

__all__ = ["register"]
