"""Limit how many mails there are in 24 hours: by whom, to whom, to which domain, and in all.

A mail counts when its row is written into the outbox, in the same transaction. The limits hold
for any 24 hours and not for a day of the calendar; a mail is forgotten after 24 to 25 hours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from invitation import addresses
from invitation.conf import conf
from invitation.exceptions import MailLimitReached
from invitation.models import InvitationEmail, InvitationKey, MailCounter

_HOUR = 3600

#: The kinds of mails that go to who has invited.
_TO_INVITER = (
    InvitationEmail.Kind.RENEWAL,
    InvitationEmail.Kind.ACCEPTED,
    InvitationEmail.Kind.EXPIRED,
)

#: What is said when a limit is reached. None says who else has invited.
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


@dataclass(frozen=True)
class MailLimit:
    """Hold one limit that a mail counts for."""

    #: What its counter is called: a keyed hash, so that the table names nobody.
    scope: str
    times: int
    #: Says that it is reached.
    error: Callable[[], MailLimitReached]


@dataclass
class Room:
    """Say of one mail after the other whether there may be one more."""

    used: Counter[str]
    taken: Counter[str] = field(default_factory=Counter)

    def refusal(self, limits: Iterable[MailLimit]) -> MailLimitReached | None:
        """Return which of these limits is reached."""
        for limit in limits:
            if self.used[limit.scope] + self.taken[limit.scope] >= limit.times:
                return limit.error()
        return None

    def take(self, limits: Iterable[MailLimit]) -> None:
        """Count a mail with these limits."""
        self.taken.update(limit.scope for limit in limits)


#: Returns the limits of an invitation's mail to a canonical address.
LimitsOf = Callable[[str], tuple[MailLimit, ...]]


def count(invitations: Sequence[InvitationKey], kind: str) -> bool:
    """Count a mail of this kind for each of the invitations; call it before they are written.

    Of invitations, somebody is told that it cannot be: this raises ``MailLimitReached``. For any
    other kind nobody waits: this returns ``False``, and the mails are left out. Either way nothing
    is counted. What is locked here is the last that the transaction may lock.
    """
    refusal, _before = count_all(list(_limits_of_mails(invitations, kind)))
    if refusal is not None and kind == InvitationEmail.Kind.INVITATION:
        raise refusal
    return refusal is None


def count_all(
    wanted: Sequence[Sequence[MailLimit]],
) -> tuple[MailLimitReached | None, Counter[str]]:
    """Count a mail for each of these limits, all or none.

    Returns what is reached, if anything is, and how many each counter had before.
    """
    scopes = {limit.scope for limits in wanted for limit in limits}
    if not scopes:
        return None, Counter()
    now, hour = timezone.now(), this_hour()
    # In the caller's transaction, if there is one: what he rolls back was not counted.
    with transaction.atomic(savepoint=False):
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
    """Keep those for which there seems to be room for a mail; locks and counts nothing."""
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
    """Return what room there is for invitations to these addresses, and the limits of each.

    Nothing is counted by it. What it says may be over in the next moment, unless ``lock`` keeps
    everybody else from counting until the end of the transaction.
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
    """Return what gives the limits of a mail of this kind, the narrowest first."""
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
    """Return what makes this limit for somebody, each once: a list has many of one domain.

    ``reached`` names the error of it, where that is another one's.
    """
    secret = conf.INVITATION_SIGNING_KEYS[0]

    @cache
    def limit(whom: Any) -> MailLimit | None:
        if times is None or whom is None:
            return None
        return MailLimit(scope_of(name, whom, secret), times, REACHED[reached or name])

    return limit


def scope_of(name: str, whom: Any, secret: str | None = None) -> str:
    """Return what a counter is called: a keyed hash, so that the table names nobody."""
    secret = conf.INVITATION_SIGNING_KEYS[0] if secret is None else secret
    hashed = salted_hmac("invitation:limit", f"{name}:{whom}", secret=secret, algorithm="sha256")
    return hashed.hexdigest()


def this_hour() -> int:
    """Return the number of this hour since 1970, which a change of the clocks does not touch."""
    return int(timezone.now().timestamp()) // _HOUR
