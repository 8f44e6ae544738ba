"""Read the settings of this app, each at the moment of use.

No other module reads a setting of ours, and nothing is cached here, so ``override_settings``
and settings that are made late both work. ``docs/settings.rst`` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string


class Conf:
    """Give every setting as a typed property of the setting's own name."""

    @property
    def ACCOUNT_INVITATION_DAYS(self) -> int | None:
        """Give how many days an invitation stays open; ``None`` is for ever."""
        return cast("int | None", getattr(settings, "ACCOUNT_INVITATION_DAYS", 7))

    @property
    def INVITATIONS_PER_USER(self) -> int | str | Callable[[Any], int | None] | None:
        """Give the quota as it is set; ask ``invitations_per_user`` for one member's number."""
        return cast(
            "int | str | Callable[[Any], int | None] | None",
            getattr(settings, "INVITATIONS_PER_USER", 10),
        )

    def invitations_per_user(self, user: Any) -> int | None:
        """Return how many invitations the site allows this member; ``None`` is unlimited."""
        value = self.INVITATIONS_PER_USER
        if isinstance(value, str):
            value = cast("Callable[[Any], int | None]", import_string(value))
        return value(user) if callable(value) else value

    @property
    def INVITE_MODE(self) -> bool:
        """Tell whether registration needs an invitation."""
        return cast(bool, getattr(settings, "INVITE_MODE", True))

    @property
    def INVITATION_PERMISSION(self) -> str | None:
        """Give the permission that inviting needs; ``None`` lets every member invite."""
        return cast("str | None", getattr(settings, "INVITATION_PERMISSION", None))

    @property
    def INVITATION_EMAIL_POLICY(self) -> str:
        """Give which address may register: ``"exact"``, the invited one, or ``"any"``."""
        return cast(str, getattr(settings, "INVITATION_EMAIL_POLICY", "exact"))

    @property
    def INVITATION_SIGNING_KEYS(self) -> Sequence[str]:
        """Give the keys that sign invitation keys: the first signs, every one verifies."""
        default = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        return cast("Sequence[str]", getattr(settings, "INVITATION_SIGNING_KEYS", default))

    @property
    def INVITATION_REFUND_EXPIRED(self) -> bool:
        """Tell whether an invitation that expires unused goes back to the inviter's quota."""
        return cast(bool, getattr(settings, "INVITATION_REFUND_EXPIRED", True))

    @property
    def INVITATION_RETENTION_DAYS(self) -> int:
        """Give how many days an ended, unused invitation is kept before cleanup deletes it."""
        return cast(int, getattr(settings, "INVITATION_RETENTION_DAYS", 0))

    @property
    def INVITATION_DELIVERY(self) -> str:
        """Give the dotted path of the class that sends the mails."""
        default = "invitation.delivery.email.EmailDelivery"
        return cast(str, getattr(settings, "INVITATION_DELIVERY", default))

    @property
    def INVITATION_BASE_URL(self) -> str | None:
        """Give what links in mails begin with, or ``None`` to derive it (see ``sites``)."""
        return cast("str | None", getattr(settings, "INVITATION_BASE_URL", None))

    @property
    def INVITATION_REPLY_TO_INVITER(self) -> bool:
        """Tell whether a reply to the mail goes to the inviter, which shows his address."""
        return cast(bool, getattr(settings, "INVITATION_REPLY_TO_INVITER", False))

    @property
    def INVITATION_RESEND_COOLDOWN(self) -> timedelta:
        """Give the time that must pass between two mails for one invitation."""
        default = timedelta(minutes=5)
        return cast(timedelta, getattr(settings, "INVITATION_RESEND_COOLDOWN", default))


conf = Conf()
