"""Settings of this app, each read at the moment of use.

Only this module reads the app's own settings, and it caches nothing. So ``override_settings`` and
late settings both work. ``docs/reference/settings.rst`` lists all settings.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Union, cast

from django.conf import settings
from django.utils.module_loading import import_string

#: Quota in the settings: a number, ``None`` for no limit, a mapping, or a callable of the member or
#: its dotted path.
QuotaRule = Union[int, str, "Callable[[Any], int | None]", "Mapping[str | None, int | None]", None]

#: Quota after a dotted path was imported.
Limits = Union[int, "Callable[[Any], int | None]", "Mapping[str | None, int | None]", None]

#: Dotted path of the class that sends the emails where the site names no other.
DELIVERY = "invitation.delivery.email.EmailDelivery"

#: Emails in 24 hours: that one member may cause, to one mailbox from all inviters, to one domain,
#: from one site, and that visitors of one network address may cause without logging in.
LIMITS: Mapping[str, int | None] = {
    "inviter": 1000,
    "recipient": 5,
    "domain": 2000,
    "site": 10_000,
    "client": 200,
}

#: Maximum number of people in a list, and its maximum size, checked before it is read.
LISTS: Mapping[str, int | None] = {"rows": 1000, "bytes": 1024 * 1024}


def _limit_of_groups(limits: Mapping[str | None, int | None], user: Any) -> int | None:
    """Return the highest limit of the member's groups, or the value for ``None``."""
    # All groups, not a filtered query: code for many members can prefetch them.
    groups = user.groups.all() if hasattr(user, "groups") else ()
    found = [limits[group.name] for group in groups if group.name in limits]
    if not found:
        return limits.get(None, 0)
    return None if None in found else max(number for number in found if number is not None)


class Conf:
    """Settings as typed properties, each with the name of its setting."""

    @property
    def ACCOUNT_INVITATION_DAYS(self) -> int | None:
        """Days an invitation stays pending; ``None`` for ever."""
        return cast("int | None", getattr(settings, "ACCOUNT_INVITATION_DAYS", 7))

    @property
    def INVITATIONS_PER_USER(self) -> QuotaRule:
        """Quota in the settings; ``invitations_per_user`` returns the number for one member."""
        return cast(QuotaRule, getattr(settings, "INVITATIONS_PER_USER", 10))

    @property
    def quota_rule(self) -> Limits:
        """Quota in the settings, with a dotted path replaced by the imported callable."""
        value = self.INVITATIONS_PER_USER
        if isinstance(value, str):
            return cast("Callable[[Any], int | None]", import_string(value))
        return value

    def invitations_per_user(self, user: Any) -> int | None:
        """Return how many invitations the site allows this member; ``None`` for no limit."""
        value = self.quota_rule
        if isinstance(value, Mapping):
            return _limit_of_groups(value, user)
        return value(user) if callable(value) else value

    @property
    def INVITATION_QUOTA_PERIOD(self) -> timedelta | None:
        """Time after which a member's quota starts again; ``None`` for never."""
        return cast("timedelta | None", getattr(settings, "INVITATION_QUOTA_PERIOD", None))

    @property
    def INVITATION_MINIMUM_ACCOUNT_AGE(self) -> timedelta:
        """Minimum age of an account before its member may invite."""
        default = timedelta()
        return cast(timedelta, getattr(settings, "INVITATION_MINIMUM_ACCOUNT_AGE", default))

    @property
    def INVITATION_GRANTABLE_GROUPS(self) -> str | Callable[[Any], Iterable[Any]] | None:
        """Callable or dotted path for grantable groups; ``grantable_groups`` imports it."""
        return cast(
            "str | Callable[[Any], Iterable[Any]] | None",
            getattr(settings, "INVITATION_GRANTABLE_GROUPS", None),
        )

    @property
    def grantable_groups(self) -> Callable[[Any], Iterable[Any]] | None:
        """Callable that returns the groups a member may give, or ``None``."""
        rule = self.INVITATION_GRANTABLE_GROUPS
        if isinstance(rule, str):
            return cast("Callable[[Any], Iterable[Any]]", import_string(rule))
        return rule

    @property
    def INVITATION_VERIFIED_ADDRESSES(self) -> str | Callable[[Any], Iterable[str]] | None:
        """Callable or dotted path for proven addresses; ``verified_addresses`` imports it."""
        default = "invitation.backends.proofs.activated_address"
        return cast(
            "str | Callable[[Any], Iterable[str]] | None",
            getattr(settings, "INVITATION_VERIFIED_ADDRESSES", default),
        )

    @property
    def verified_addresses(self) -> Callable[[Any], Iterable[str]] | None:
        """Callable that returns the addresses a member has proven, or ``None``."""
        rule = self.INVITATION_VERIFIED_ADDRESSES
        if isinstance(rule, str):
            return cast("Callable[[Any], Iterable[str]]", import_string(rule))
        return rule

    @property
    def INVITATION_REWARD(self) -> int:
        """Extra invitations that a member gets for each accepted one."""
        return cast(int, getattr(settings, "INVITATION_REWARD", 0))

    @property
    def INVITATION_REQUIRE_ACTIVE_INVITER(self) -> bool:
        """Whether an invitation works only while its inviter's account is active."""
        return cast(bool, getattr(settings, "INVITATION_REQUIRE_ACTIVE_INVITER", True))

    @property
    def INVITE_MODE(self) -> bool:
        """Whether registration needs an invitation."""
        return cast(bool, getattr(settings, "INVITE_MODE", True))

    @property
    def INVITATION_SIGNUP_URL(self) -> str | None:
        """Path or URL name of the sign-up page; ``None`` for the one of this app's includes."""
        return cast("str | None", getattr(settings, "INVITATION_SIGNUP_URL", None))

    @property
    def INVITATION_PERMISSION(self) -> str | None:
        """Permission needed to invite; ``None`` lets every member invite."""
        return cast("str | None", getattr(settings, "INVITATION_PERMISSION", None))

    @property
    def INVITATION_EMAIL_POLICY(self) -> str:
        """Address that may register: ``"exact"`` for the invited one only, or ``"any"``."""
        return cast(str, getattr(settings, "INVITATION_EMAIL_POLICY", "exact"))

    @property
    def INVITATION_SIGNING_KEYS(self) -> Sequence[str]:
        """Keys that sign invitation keys: the first one signs, every one verifies."""
        default = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        return cast("Sequence[str]", getattr(settings, "INVITATION_SIGNING_KEYS", default))

    @property
    def INVITATION_REFUND_EXPIRED(self) -> bool:
        """Whether an invitation that expires unused goes back to the inviter's quota."""
        return cast(bool, getattr(settings, "INVITATION_REFUND_EXPIRED", True))

    @property
    def INVITATION_RETENTION_DAYS(self) -> int:
        """Days an ended, unused invitation is kept before cleanup deletes it."""
        return cast(int, getattr(settings, "INVITATION_RETENTION_DAYS", 30))

    @property
    def INVITATION_DELIVERY(self) -> str:
        """Dotted path of the class that sends the emails."""
        return cast(str, getattr(settings, "INVITATION_DELIVERY", DELIVERY))

    @property
    def INVITATION_BASE_URL(self) -> str | None:
        """Beginning of links in emails, or ``None`` to derive it (see ``sites``)."""
        return cast("str | None", getattr(settings, "INVITATION_BASE_URL", None))

    @property
    def INVITATION_REPLY_TO_INVITER(self) -> bool:
        """Whether a reply to the email goes to the inviter, which shows their address."""
        return cast(bool, getattr(settings, "INVITATION_REPLY_TO_INVITER", False))

    @property
    def INVITATION_RESEND_COOLDOWN(self) -> timedelta:
        """Minimum time between two emails for one invitation."""
        default = timedelta(minutes=5)
        return cast(timedelta, getattr(settings, "INVITATION_RESEND_COOLDOWN", default))

    @property
    def INVITATION_LISTS(self) -> Mapping[str, int | None]:
        """Largest lists, by ``"rows"`` and ``"bytes"``; ``list_limit`` returns one of them."""
        return cast("Mapping[str, int | None]", getattr(settings, "INVITATION_LISTS", LISTS))

    def list_limit(self, name: str) -> int | None:
        """Return how many ``"rows"`` or ``"bytes"`` a list may have; ``None`` for no limit."""
        return self.INVITATION_LISTS.get(name, LISTS[name])

    @property
    def INVITATION_EXPIRY_CHOICES(self) -> Sequence[int | None]:
        """Numbers of days from which an inviter may choose; ``None`` in the list means for ever."""
        default: tuple[int | None, ...] = ()
        return cast("Sequence[int | None]", getattr(settings, "INVITATION_EXPIRY_CHOICES", default))

    @property
    def INVITATION_BLOCKED_RECIPIENTS(self) -> Sequence[str] | str | Callable[[str], object]:
        """Addresses that nobody may invite: entries, a callable or its path (see ``blocklist``)."""
        default: tuple[str, ...] = ()
        return cast(
            "Sequence[str] | str | Callable[[str], object]",
            getattr(settings, "INVITATION_BLOCKED_RECIPIENTS", default),
        )

    @property
    def INVITATION_DESTINATIONS(self) -> Sequence[tuple[str, Any]]:
        """Pages with labels, from which an inviter chooses the first page after registration."""
        default: tuple[tuple[str, Any], ...] = ()
        return cast(
            "Sequence[tuple[str, Any]]", getattr(settings, "INVITATION_DESTINATIONS", default)
        )

    # -- the site, and its emails ------------------------------------------------------------------

    @property
    def INVITATION_SITE_NAME(self) -> str:
        """Name of the site on pages and in emails; empty for the Site's name or the host."""
        return cast(str, getattr(settings, "INVITATION_SITE_NAME", ""))

    @property
    def INVITATION_SITE_BLURB(self) -> str:
        """One sentence about the site, for invited people who do not know it; empty for none."""
        return cast(str, getattr(settings, "INVITATION_SITE_BLURB", ""))

    @property
    def INVITATION_SUBJECT_PREFIX(self) -> str:
        """Beginning of every subject, with its final blank: ``"[Club] "``."""
        return cast(str, getattr(settings, "INVITATION_SUBJECT_PREFIX", ""))

    @property
    def INVITATION_REMINDER_DAYS(self) -> int | None:
        """Days before the expiry at which a reminder is sent; ``None`` for never."""
        return cast("int | None", getattr(settings, "INVITATION_REMINDER_DAYS", None))

    @property
    def INVITATION_NOTIFY_INVITER(self) -> Collection[str] | str | Callable[[Any], Collection[str]]:
        """Events, callable or dotted path; ``notify_inviter`` returns the events for one member."""
        default: tuple[str, ...] = ()
        return cast(
            "Collection[str] | str | Callable[[Any], Collection[str]]",
            getattr(settings, "INVITATION_NOTIFY_INVITER", default),
        )

    def notify_inviter(self, user: Any) -> Collection[str]:
        """Return the events that are emailed to this inviter: accepted, declined, expired."""
        rule = self.INVITATION_NOTIFY_INVITER
        if isinstance(rule, str):
            rule = cast("Callable[[Any], Collection[str]]", import_string(rule))
        return (rule(user) or ()) if callable(rule) else rule

    @property
    def INVITATION_LIMITS(self) -> Mapping[str, int | None]:
        """Emails in 24 hours, by what ``LIMITS`` names; ``limit`` returns one of them."""
        return cast("Mapping[str, int | None]", getattr(settings, "INVITATION_LIMITS", LIMITS))

    def limit(self, name: str) -> int | None:
        """Return how many emails this limit allows in 24 hours; ``None`` for no limit."""
        return self.INVITATION_LIMITS.get(name, LIMITS[name])

    @property
    def INVITATION_CLIENT_ADDRESS(self) -> str | Callable[[Any], str | None] | None:
        """Callable or dotted path for a client's address; ``client_address`` imports it."""
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
        """Permission needed for a personal note; ``None`` lets every inviter write one."""
        return cast("str | None", getattr(settings, "INVITATION_NOTE_PERMISSION", None))

    @property
    def INVITATION_NOTE_MAX_LENGTH(self) -> int:
        """Maximum number of characters in a personal note: 500 at most."""
        return cast(int, getattr(settings, "INVITATION_NOTE_MAX_LENGTH", 500))


conf = Conf()
