"""Say how the outbox is: for monitoring, and for whoever looks after the site."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, F, Min, Q, When
from django.utils import timezone

from invitation.flows.sending import delivery_pause
from invitation.models import InvitationEmail
from invitation.moments import since

#: How far back failed mails are counted.
FAILED_WITHIN = timedelta(hours=24)


@dataclass(frozen=True)
class OutboxHealth:
    """Say how many mails wait, whether they go, and for how long they should have gone."""

    #: Waiting for their first or their next try, and how many of these may be tried now.
    queued: int
    due: int
    #: Held by a sender, and how many of these a sender has left behind.
    sending: int
    stuck: int
    #: Failed for good, whose last try was due within the last 24 hours.
    failed: int
    #: For how long the oldest unsent mail waits, whatever the reason; ``None`` if none waits.
    oldest_unsent_age: timedelta | None
    #: For how long the mail waits that is longest due: its time has come, and nobody has taken it,
    #: or the one who has is gone; ``None`` if none is. One that waits for its next try is not due.
    overdue: timedelta | None
    #: From when on a mail is tried again, since none could leave; ``None`` if they can.
    paused_until: datetime | None
    paused_reason: str
    #: Sent within the last 24 hours, but only probably: the mail server did not confirm it.
    unconfirmed: int = 0


def outbox_health(now: datetime | None = None) -> OutboxHealth:
    """Return how the outbox is; three queries, which look at no email that is sent for a day.

    A mail that was never tried waits from when it may leave, so that one which is queued for later,
    or was queued again, is not late; one that was tried waits from when it was asked for.
    """
    now = now or timezone.now()
    state, unconfirmed = InvitationEmail.State, InvitationEmail.Failure.UNCONFIRMED
    queued, sending = Q(state=state.QUEUED), Q(state=state.SENDING)
    unsent = InvitationEmail.objects.filter(state__in=(state.QUEUED, state.SENDING))
    # News are written in the name of an earlier time (see ``notifying``).
    waits_from = Q(attempts=0) | Q(kind=InvitationEmail.Kind.EXPIRED)
    waits_since = Case(When(waits_from, then=F("not_before")), default=F("created_at"))
    counts: dict[str, Any] = unsent.annotate(since=waits_since).aggregate(
        queued=Count("pk", filter=queued),
        due=Count("pk", filter=InvitationEmail.objects.waits_no_longer(now)),
        sending=Count("pk", filter=sending),
        stuck=Count("pk", filter=InvitationEmail.objects.is_left_behind(now)),
        oldest=Min("since", filter=Q(since__lte=now)),
        untaken=Min("not_before", filter=queued & Q(not_before__lte=now)),
        left_behind=Min("lease_until", filter=sending & Q(lease_until__lte=now)),
        asked=Min("created_at", filter=queued & Q(not_before__lte=now)),
    )
    oldest = counts.pop("oldest")
    late = [since for since in (counts.pop("untaken"), counts.pop("left_behind")) if since]
    asked = counts.pop("asked")
    # By when it was tried: that is what the index holds, and what a mail that came back later
    # leaves alone.
    lately = InvitationEmail.objects.filter(
        since("not_before", now - FAILED_WITHIN, now, InvitationEmail.objects.WAIT),
        state__in=(state.FAILED, state.SENT),
    ).aggregate(
        failed=Count("pk", filter=Q(state=state.FAILED)),
        unconfirmed=Count("pk", filter=Q(state=state.SENT, failure=unconfirmed)),
    )
    pause = delivery_pause()
    if pause is not None and asked is not None:
        # One that was tried in vain has gone behind the others, and is late nevertheless.
        late.append(max(asked, pause.since))
    if pause is not None and pause.is_over(now) and not counts["due"]:
        pause = None  # Nothing has to leave by which it could be found out.
    return OutboxHealth(
        **counts,
        **lately,
        oldest_unsent_age=None if oldest is None else now - oldest,
        overdue=now - min(late) if late else None,
        paused_until=None if pause is None else now if pause.is_over(now) else pause.until,
        paused_reason="" if pause is None else pause.reason,
    )
