"""Limits for emails in 24 hours: by inviter, recipient, domain and site.

An email counts when its row is written into the outbox, in the same transaction. The limits hold
for any 24 hours, not for a calendar day. An email stops counting after 24 to 25 hours.
"""

from __future__ import annotations

import hmac
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
    InvitationEmail.Kind.DECLINED,
    InvitationEmail.Kind.EXPIRED,
)

#: Errors for reached limits. None of them names another inviter.
REACHED: dict[str, Callable[[], MailLimitReached]] = {
    "inviter": partial(
        MailLimitReached,
        _("You cannot send more invitations today. Try again tomorrow."),
        code="inviter_limit_reached",
    ),
    "recipient": partial(
        MailLimitReached,
        _("No more emails can be sent to this address today. Try again tomorrow."),
        code="recipient_limit_reached",
    ),
    "domain": partial(
        MailLimitReached,
        _("No more emails can be sent to this domain today. Try again tomorrow."),
        code="domain_limit_reached",
    ),
    "site": partial(
        MailLimitReached,
        _("This site cannot send more emails today. Try again tomorrow."),
        code="site_limit_reached",
    ),
    "client": partial(
        MailLimitReached,
        _("Too many emails were requested from your network today. Try again tomorrow."),
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

    def __init__(self, used: Counter[bytes], limits: dict[bytes, MailLimit] | None = None) -> None:
        self.used = used
        self.taken: Counter[bytes] = Counter()
        #: Limits by the names of their counters, the narrowest of an email first.
        self.limits = {} if limits is None else limits

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


def has_counted(invitation: InvitationKey, kind: str) -> bool:
    """Count an email of this kind, in its transaction; return ``False`` if a limit is reached.

    Nothing is counted then, and the email is left out. Its locks must be the last locks of the
    transaction.
    """
    return count_all(list(_limits_of_mails([invitation], kind)))[0] is None


def wanted_for(invitation: InvitationKey, kind: str) -> Room:
    """Return a room in which an email of this kind has taken what it needs, without a look."""
    (limits,) = _limits_of_mails([invitation], kind)
    room = Room(Counter(), limits={limit.scope: limit for limit in limits})
    room.take(limits)
    return room


def count(room: Room) -> None:
    """Count what emails have taken, in their transaction.

    Raises ``MailLimitReached`` if there is no room for all of them. The transaction must then be
    rolled back. Its locks must be the last locks of the transaction.
    """
    if not room.taken:
        return
    used = MailCounter.objects.count_at_once(room.taken, this_hour(), timezone.now())
    for scope, limit in room.limits.items():
        if used.get(scope, 0) > limit.times:
            raise limit.error()


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
    number = None if inviter is None else inviter.pk
    limits_of = _limits_of(InvitationEmail.Kind.INVITATION, number, site_id)
    wanted = {email_key: limits_of(email_key) for email_key in email_keys}
    known = {limit.scope: limit for limits in wanted.values() for limit in limits}
    hour = this_hour()
    if lock:
        MailCounter.objects.hold(known, hour, timezone.now())
    used = MailCounter.objects.used(known, hour) if known else {}
    return Room(Counter(used), limits=known), wanted


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
    by_inviter = limit_for("inviter", conf.limit("inviter"))
    by_recipient = limit_for("recipient", conf.limit("recipient"))
    by_domain = limit_for("domain", conf.limit("domain"))
    by_site = limit_for("site", conf.limit("site"))

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
    begun, error = _hash_of(name), REACHED[reached or name]

    @cache
    def limit(whom: Any) -> MailLimit | None:
        if times is None or whom is None:
            return None
        return MailLimit(_ended(begun, whom), times, error)

    return limit


def scope_of(name: str, whom: Any) -> bytes:
    """Return the name of a counter: a keyed hash, so that the table names nobody."""
    return _ended(_hash_of(name), whom)


def _hash_of(name: str) -> hmac.HMAC:
    """Return the beginning of a keyed hash, the same for all counters of a limit."""
    secret = conf.INVITATION_SIGNING_KEYS[0]
    return salted_hmac("invitation:limit", f"{name}:", secret=secret, algorithm="sha256")


def _ended(begun: hmac.HMAC, whom: Any) -> bytes:
    hashed = begun.copy()
    hashed.update(str(whom).encode())
    return hashed.digest()


def this_hour() -> int:
    """Return the number of this hour since 1970. Clock changes do not affect it."""
    return int(timezone.now().timestamp()) // _HOUR
