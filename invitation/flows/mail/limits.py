"""Limits for emails in 24 hours: by inviter, recipient, domain and site.

An email counts when its row is written into the outbox, in the same transaction. The limits hold
for any 24 hours, not for a calendar day. An email stops counting after 24 to 25 hours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from invitation import addresses
from invitation.conf import conf
from invitation.exceptions import MailLimitReached
from invitation.flows.after_commit import database, retrying
from invitation.models import InvitationEmail, InvitationKey, MailCounter

_HOUR = 3600

#: Kinds of emails that go to the inviter.
_TO_INVITER = (
    InvitationEmail.Kind.RENEWAL,
    InvitationEmail.Kind.ACCEPTED,
    InvitationEmail.Kind.EXPIRED,
)

#: Errors for reached limits. None of them names another inviter.
REACHED: dict[str, Callable[[], MailLimitReached]] = {
    "inviter": partial(
        MailLimitReached,
        _("You have sent as many invitations as you may in one day. Please try again tomorrow."),
        code="inviter_limit_reached",
    ),
    "recipient": partial(
        MailLimitReached,
        _("No more mail can be sent to this address today. Please try again tomorrow."),
        code="recipient_limit_reached",
    ),
    "domain": partial(
        MailLimitReached,
        _("No more mail can be sent to addresses of this domain today. Please try again tomorrow."),
        code="domain_limit_reached",
    ),
    "site": partial(
        MailLimitReached,
        _("This site has sent as many mails as it may in one day. Please try again tomorrow."),
        code="site_limit_reached",
    ),
    "client": partial(
        MailLimitReached,
        _("Too many emails were requested from your network today. Please try again tomorrow."),
        code="client_limit_reached",
    ),
}


class MailLimit(NamedTuple):
    """One limit that an email counts for."""

    #: Name of its counter: a keyed hash, so that the table names nobody.
    scope: bytes
    times: int
    #: Callable that returns the error for a reached limit.
    error: Callable[[], MailLimitReached]


class Room:
    """Room for more emails, checked for one email after the other."""

    def __init__(self, used: Counter[bytes]) -> None:
        self.used = used
        self.taken: Counter[bytes] = Counter()

    def refusal(self, limits: Iterable[MailLimit]) -> MailLimitReached | None:
        """Return the error of the first reached limit, or ``None``."""
        for limit in limits:
            if self.used[limit.scope] + self.taken[limit.scope] >= limit.times:
                return limit.error()
        return None

    def take(self, limits: Iterable[MailLimit]) -> None:
        """Count an email with these limits."""
        self.taken.update(limit.scope for limit in limits)


#: Function that returns the limits of an email to a canonical address.
LimitsOf = Callable[[str], tuple[MailLimit, ...]]


def count(invitations: Sequence[InvitationKey], kind: str) -> bool:
    """Count an email of this kind for each invitation, in the transaction of the emails.

    For invitations, it raises ``MailLimitReached``, because a person gets the answer. The
    transaction must then be rolled back. For other kinds, it returns ``False`` and counts nothing,
    and the emails are left out. Its locks must be the last locks of the transaction.
    """
    wanted = list(_limits_of_mails(invitations, kind))
    asked = kind == InvitationEmail.Kind.INVITATION
    refusal = _count_one(wanted[0]) if asked and len(wanted) == 1 else count_all(wanted)[0]
    if refusal is not None and asked:
        raise refusal
    return refusal is None


def _count_one(limits: Sequence[MailLimit]) -> MailLimitReached | None:
    """Count one email, with one statement if possible; return the error of a reached limit."""
    if not limits:
        return None
    times = {limit.scope: limit.times for limit in limits}
    full = MailCounter.objects.count_one(times, this_hour(), timezone.now())
    if full is None:
        return count_all([limits])[0]
    return next((limit.error() for limit in limits if limit.scope in full), None)


@retrying
def count_all(
    wanted: Sequence[Sequence[MailLimit]],
) -> tuple[MailLimitReached | None, Counter[bytes]]:
    """Count an email for each of these limits, all or none.

    Returns the error of a reached limit or ``None``, and what each counter had before.
    """
    scopes = {limit.scope for limits in wanted for limit in limits}
    if not scopes:
        return None, Counter()
    now, hour = timezone.now(), this_hour()
    # It uses the caller's transaction, if there is one. So the count is rolled back with it.
    with transaction.atomic(using=database(), savepoint=False):
        held = MailCounter.objects.hold(scopes, hour, now)
        room = Room(Counter({scope: sum(hours.values()) for scope, hours in held.items()}))
        for limits in wanted:
            refusal = room.refusal(limits)
            if refusal is not None:
                break
            room.take(limits)
        else:
            refusal = None
            MailCounter.objects.add(held, room.taken, hour, now)
    return refusal, room.used


def with_room(invitations: Sequence[InvitationKey], kind: str) -> list[InvitationKey]:
    """Return the invitations that seem to have room for an email, without locks or counts."""
    wanted = list(_limits_of_mails(invitations, kind))
    scopes = {limit.scope for limits in wanted for limit in limits}
    room = Room(Counter(MailCounter.objects.used(scopes, this_hour()) if scopes else {}))
    found = []
    for invitation, limits in zip(invitations, wanted, strict=True):
        if room.refusal(limits) is None:
            room.take(limits)
            found.append(invitation)
    return found


def room_for(
    inviter: Any, site_id: int, email_keys: Sequence[str], *, lock: bool = False
) -> tuple[Room, dict[str, tuple[MailLimit, ...]]]:
    """Return the room for invitations to these addresses, and the limits of each address.

    Nothing is counted. The room may be gone a moment later. With ``lock``, no other transaction can
    count until this one ends.
    """
    limits_of = _limits_of(InvitationEmail.Kind.INVITATION, inviter.pk, site_id)
    wanted = {email_key: limits_of(email_key) for email_key in email_keys}
    scopes = {limit.scope for limits in wanted.values() for limit in limits}
    hour = this_hour()
    if lock:
        MailCounter.objects.hold(scopes, hour, timezone.now())
    return Room(Counter(MailCounter.objects.used(scopes, hour) if scopes else {})), wanted


def _limits_of_mails(
    invitations: Sequence[InvitationKey], kind: str
) -> Iterator[tuple[MailLimit, ...]]:
    limits_of = cache(_limits_of)
    to_inviter = kind in _TO_INVITER
    for invitation in invitations:
        if to_inviter:
            email_key = addresses.of_member(invitation.from_user).lower()
        else:
            email_key = invitation.email_key
        yield limits_of(kind, invitation.from_user_id, invitation.site_id)(email_key)


def _limits_of(kind: str, inviter: Any, site_id: int) -> LimitsOf:
    """Return a function that gives the limits of an email of this kind, the narrowest first."""
    own = inviter if kind == InvitationEmail.Kind.INVITATION else None
    by_inviter = limit_for("inviter", conf.INVITATION_LIMIT_PER_INVITER)
    by_recipient = limit_for("recipient", conf.INVITATION_LIMIT_PER_RECIPIENT)
    by_domain = limit_for("domain", conf.INVITATION_LIMIT_PER_DOMAIN)
    by_site = limit_for("site", conf.INVITATION_LIMIT_PER_SITE)

    def limits_of(email_key: str) -> tuple[MailLimit, ...]:
        found = (
            by_inviter(own),
            by_recipient(addresses.mailbox(email_key) if email_key else None),
            by_domain(email_key.rpartition("@")[2] or None),
            by_site(site_id),
        )
        return tuple(limit for limit in found if limit is not None)

    return limits_of


def limit_for(name: str, times: int | None, reached: str = "") -> Callable[[Any], MailLimit | None]:
    """Return a function that makes this limit for a person or thing, and caches it.

    The cache helps because a list has many addresses of one domain. ``reached`` names the error if
    it is the error of another limit.
    """
    secret = conf.INVITATION_SIGNING_KEYS[0]

    @cache
    def limit(whom: Any) -> MailLimit | None:
        if times is None or whom is None:
            return None
        return MailLimit(scope_of(name, whom, secret), times, REACHED[reached or name])

    return limit


def scope_of(name: str, whom: Any, secret: str | None = None) -> bytes:
    """Return the name of a counter: a keyed hash, so that the table names nobody."""
    secret = conf.INVITATION_SIGNING_KEYS[0] if secret is None else secret
    hashed = salted_hmac("invitation:limit", f"{name}:{whom}", secret=secret, algorithm="sha256")
    return hashed.digest()


def this_hour() -> int:
    """Return the number of this hour since 1970. Clock changes do not affect it."""
    return int(timezone.now().timestamp()) // _HOUR
