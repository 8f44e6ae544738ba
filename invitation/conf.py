"""Read the settings of this app, each at the moment of use.

No other module reads a setting of ours, and nothing is cached here, so ``override_settings``
and settings that are made late both work. ``docs/settings.rst`` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Union, cast

from django.conf import settings
from django.utils.module_loading import import_string

#: A number, ``None`` for no limit, a callable of the member or its dotted path, or a mapping.
QuotaRule = Union[int, str, "Callable[[Any], int | None]", "Mapping[str | None, int | None]", None]

#: The same without a path: what it leads to.
Limits = Union[int, "Callable[[Any], int | None]", "Mapping[str | None, int | None]", None]


def _limit_of_groups(limits: Mapping[str | None, int | None], user: Any) -> int | None:
    """Return the most that one of the member's groups allows, or what stands beside ``None``."""
    # All of them, so that who asks for many members can have fetched them beforehand.
    groups = user.groups.all() if hasattr(user, "groups") else ()
    found = [limits[group.name] for group in groups if group.name in limits]
    if not found:
        return limits.get(None, 0)
    return None if None in found else max(number for number in found if number is not None)


class Conf:
    """Give every setting as a typed property of the setting's own name."""

    @property
    def ACCOUNT_INVITATION_DAYS(self) -> int | None:
        """Give how many days an invitation stays open; ``None`` is for ever."""
        return cast("int | None", getattr(settings, "ACCOUNT_INVITATION_DAYS", 7))

    @property
    def INVITATIONS_PER_USER(self) -> QuotaRule:
        """Give the quota as it is set; ask ``invitations_per_user`` for one member's number."""
        return cast(QuotaRule, getattr(settings, "INVITATIONS_PER_USER", 10))

    @property
    def quota_rule(self) -> Limits:
        """Give the quota as it is set, and what a dotted path leads to."""
        value = self.INVITATIONS_PER_USER
        if isinstance(value, str):
            return cast("Callable[[Any], int | None]", import_string(value))
        return value

    def invitations_per_user(self, user: Any) -> int | None:
        """Return how many invitations the site allows this member; ``None`` is unlimited."""
        value = self.quota_rule
        if isinstance(value, Mapping):
            return _limit_of_groups(value, user)
        return value(user) if callable(value) else value

    @property
    def INVITATION_QUOTA_PERIOD(self) -> timedelta | None:
        """Give after which time a member may spend his quota again; ``None`` is never."""
        return cast("timedelta | None", getattr(settings, "INVITATION_QUOTA_PERIOD", None))

    @property
    def INVITATION_MINIMUM_ACCOUNT_AGE(self) -> timedelta:
        """Give how old an account must be before its member may invite."""
        default = timedelta()
        return cast(timedelta, getattr(settings, "INVITATION_MINIMUM_ACCOUNT_AGE", default))

    @property
    def INVITATION_GRANTABLE_GROUPS(self) -> str | Callable[[Any], Iterable[Any]] | None:
        """Give the rule as it is set; ask ``grantable_groups`` for the callable."""
        return cast(
            "str | Callable[[Any], Iterable[Any]] | None",
            getattr(settings, "INVITATION_GRANTABLE_GROUPS", None),
        )

    @property
    def grantable_groups(self) -> Callable[[Any], Iterable[Any]] | None:
        """Give what returns the groups that a member may give, or ``None``."""
        rule = self.INVITATION_GRANTABLE_GROUPS
        if isinstance(rule, str):
            return cast("Callable[[Any], Iterable[Any]]", import_string(rule))
        return rule

    @property
    def INVITATION_VERIFIED_ADDRESSES(self) -> str | Callable[[Any], Iterable[str]] | None:
        """Give the rule as it is set; ask ``verified_addresses`` for the callable."""
        default = "invitation.backends.proofs.activated_address"
        return cast(
            "str | Callable[[Any], Iterable[str]] | None",
            getattr(settings, "INVITATION_VERIFIED_ADDRESSES", default),
        )

    @property
    def verified_addresses(self) -> Callable[[Any], Iterable[str]] | None:
        """Give what returns the addresses that a member has proven, or ``None``."""
        rule = self.INVITATION_VERIFIED_ADDRESSES
        if isinstance(rule, str):
            return cast("Callable[[Any], Iterable[str]]", import_string(rule))
        return rule

    @property
    def INVITATION_REWARD(self) -> int:
        """Give how many invitations a member gets for each one that was accepted."""
        return cast(int, getattr(settings, "INVITATION_REWARD", 0))

    @property
    def INVITATION_REQUIRE_ACTIVE_INVITER(self) -> bool:
        """Tell whether an invitation works only while its inviter's account is active."""
        return cast(bool, getattr(settings, "INVITATION_REQUIRE_ACTIVE_INVITER", True))

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

    @property
    def INVITATION_BULK_MAX_ROWS(self) -> int:
        """Give how many people one list may name."""
        return cast(int, getattr(settings, "INVITATION_BULK_MAX_ROWS", 1000))

    @property
    def INVITATION_BULK_MAX_BYTES(self) -> int:
        """Give how long such a list may be, before anything in it is looked at."""
        return cast(int, getattr(settings, "INVITATION_BULK_MAX_BYTES", 1024 * 1024))

    @property
    def INVITATION_EXPIRY_CHOICES(self) -> Sequence[int | None]:
        """Give the days among which an inviter may choose; ``None`` among them is for ever."""
        default: tuple[int | None, ...] = ()
        return cast("Sequence[int | None]", getattr(settings, "INVITATION_EXPIRY_CHOICES", default))

    @property
    def INVITATION_BLOCKED_RECIPIENTS(self) -> Sequence[str] | str | Callable[[str], object]:
        """Give whom nobody may invite: entries, a callable or its path (see ``blocklist``)."""
        default: tuple[str, ...] = ()
        return cast(
            "Sequence[str] | str | Callable[[str], object]",
            getattr(settings, "INVITATION_BLOCKED_RECIPIENTS", default),
        )

    @property
    def INVITATION_DESTINATIONS(self) -> Sequence[tuple[str, Any]]:
        """Give the pages among which an inviter may choose where newcomers land, with labels."""
        default: tuple[tuple[str, Any], ...] = ()
        return cast(
            "Sequence[tuple[str, Any]]", getattr(settings, "INVITATION_DESTINATIONS", default)
        )

    # -- mails: what they look like, and how many there may be -----------------------------------

    @property
    def INVITATION_SUBJECT_PREFIX(self) -> str:
        """Give what every subject begins with, blank included: ``"[Club] "``."""
        return cast(str, getattr(settings, "INVITATION_SUBJECT_PREFIX", ""))

    @property
    def INVITATION_REMINDER_DAYS(self) -> int | None:
        """Give how many days before its end an invitation is mailed again; ``None`` is never."""
        return cast("int | None", getattr(settings, "INVITATION_REMINDER_DAYS", None))

    @property
    def INVITATION_NOTIFY_INVITER(self) -> Collection[str] | str | Callable[[Any], Collection[str]]:
        """Give the rule as it is set; ask ``notify_inviter`` about one member."""
        default: tuple[str, ...] = ()
        return cast(
            "Collection[str] | str | Callable[[Any], Collection[str]]",
            getattr(settings, "INVITATION_NOTIFY_INVITER", default),
        )

    def notify_inviter(self, user: Any) -> Collection[str]:
        """Return of what this inviter is mailed: of ``"accepted"`` and ``"expired"``."""
        rule = self.INVITATION_NOTIFY_INVITER
        if isinstance(rule, str):
            rule = cast("Callable[[Any], Collection[str]]", import_string(rule))
        return (rule(user) or ()) if callable(rule) else rule

    @property
    def INVITATION_LIMIT_PER_INVITER(self) -> int | None:
        """Give how many mails a member may cause in 24 hours; ``None`` is no limit."""
        return cast("int | None", getattr(settings, "INVITATION_LIMIT_PER_INVITER", 1000))

    @property
    def INVITATION_LIMIT_PER_RECIPIENT(self) -> int | None:
        """Give how many mails one mailbox gets in 24 hours, whoever causes them."""
        return cast("int | None", getattr(settings, "INVITATION_LIMIT_PER_RECIPIENT", 5))

    @property
    def INVITATION_LIMIT_PER_DOMAIN(self) -> int | None:
        """Give how many mails one domain gets in 24 hours; ``None`` is no limit."""
        return cast("int | None", getattr(settings, "INVITATION_LIMIT_PER_DOMAIN", 2000))

    @property
    def INVITATION_LIMIT_PER_SITE(self) -> int | None:
        """Give how many mails a site sends in 24 hours; ``None`` is no limit."""
        return cast("int | None", getattr(settings, "INVITATION_LIMIT_PER_SITE", 10_000))

    @property
    def INVITATION_LIMIT_PER_CLIENT(self) -> int | None:
        """Emails that visitors of one network address cause in 24 hours; ``None`` for no limit."""
        return cast("int | None", getattr(settings, "INVITATION_LIMIT_PER_CLIENT", 200))

    @property
    def INVITATION_CLIENT_ADDRESS(self) -> str | Callable[[Any], str | None] | None:
        """Rule as it is set; ask ``client_address`` for the callable."""
        return cast(
            "str | Callable[[Any], str | None] | None",
            getattr(settings, "INVITATION_CLIENT_ADDRESS", None),
        )

    @property
    def client_address(self) -> Callable[[Any], str | None] | None:
        """Callable that returns the address of a request's client, or ``None`` for REMOTE_ADDR."""
        rule = self.INVITATION_CLIENT_ADDRESS
        if isinstance(rule, str):
            return cast("Callable[[Any], str | None]", import_string(rule))
        return rule

    @property
    def INVITATION_NOTE_PERMISSION(self) -> str | None:
        """Give the permission that a personal note needs; ``None`` lets every inviter write one."""
        return cast("str | None", getattr(settings, "INVITATION_NOTE_PERMISSION", None))

    @property
    def INVITATION_NOTE_MAX_LENGTH(self) -> int:
        """Give how many characters a personal note may have: 500 at most."""
        return cast(int, getattr(settings, "INVITATION_NOTE_MAX_LENGTH", 500))


conf = Conf()
