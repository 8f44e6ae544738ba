"""Delete guests that have expired: the name in django-guest-user."""

from invitation.lazysignup.management.commands.remove_expired_users import Command

__all__ = ["Command"]
