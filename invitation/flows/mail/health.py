"""State of the outbox, and a log record for each email that came to an end: for monitoring.

A log record names the mail by its number alone: no address, no name, no key.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Case, Count, F, Min, Q, When
from django.utils import timezone

from invitation import signals
from invitation.flows.mail.pausing import delivery_pause
from invitation.models import InvitationEmail
from invitation.models.moments import since

logger = logging.getLogger("invitation.mail")

#: Period for which failed emails are counted.
FAILED_WITHIN = timedelta(hours=24)


class OutboxHealth(NamedTuple):
    """State of the outbox: how many emails wait, whether they leave, and how late they are."""

    #: Emails that wait for their first or next try, and how many of them may be tried now.
    queued: int
    due: int
    #: Emails that a sender holds, and how many of them a sender has left behind.
    sending: int
    stuck: int
    #: Emails that failed for good, whose last try was due within the last 24 hours.
    failed: int
    #: Age of the oldest unsent email, for any reason; ``None`` if there is none.
    oldest_unsent_age: timedelta | None
    #: Delay of the email that is due for longest; ``None`` if none is due. It is due if its time
    #: has come, but no sender has taken it or its sender has stopped. An email that waits for its
    #: next try is not due.
    overdue: timedelta | None
    #: Time of the next try while no email can leave; ``None`` if emails can leave.
    paused_until: datetime | None
    paused_reason: str
    #: Emails probably sent in the last 24 hours, without an answer from the mail server.
    unconfirmed: int = 0


def outbox_health(now: datetime | None = None) -> OutboxHealth:
    """Return the state of the outbox. Runs three queries.

    They look at no email that was sent more than a day ago. The age of an email that was never
    tried counts from when it may leave. So an email that is queued for later, or queued again, is
    not late. The age of an email that was tried counts from when it was requested.
    """
    now = now or timezone.now()
    state, unconfirmed = InvitationEmail.State, InvitationEmail.Failure.UNCONFIRMED
    queued, sending = Q(state=state.QUEUED), Q(state=state.SENDING)
    unsent = InvitationEmail.objects.filter(state__in=(state.QUEUED, state.SENDING))
    # These emails have an earlier time as ``created_at`` (see ``notices``).
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
    # By the time of the last try, which a later bounce does not change.
    failed, unsure = Q(state=state.FAILED), Q(state=state.SENT, failure=unconfirmed)
    within = since("not_before", now - FAILED_WITHIN, now, InvitationEmail.objects.WAIT)
    lately = InvitationEmail.objects.filter(within, failed | unsure).aggregate(
        failed=Count("pk", filter=failed), unconfirmed=Count("pk", filter=unsure)
    )
    pause = delivery_pause()
    if pause is not None and asked is not None:
        # An email that was tried without success has moved behind the others, but is still late.
        late.append(max(asked, pause.since))
    if pause is not None and pause.is_over(now) and not counts["due"]:
        pause = None  # No email is due that could show whether the pause must go on.
    return OutboxHealth(
        **counts,
        **lately,
        oldest_unsent_age=None if oldest is None else now - oldest,
        overdue=now - min(late) if late else None,
        paused_until=None if pause is None else now if pause.is_over(now) else pause.until,
        paused_reason="" if pause is None else pause.reason,
    )


def connect() -> None:
    """Connect the receiver; ``apps.RECEIVERS`` names this module."""
    signals.mail_settled.connect(_record, dispatch_uid="invitation.record")


def _record(sender: Any, mail: InvitationEmail, state: str, failure: str, **kwargs: Any) -> None:
    unsure = failure == InvitationEmail.Failure.UNCONFIRMED
    failed = state == InvitationEmail.State.FAILED
    level = logging.WARNING if failed or unsure else logging.INFO
    details = {
        "mail_id": mail.pk,
        "kind": str(mail.kind),
        "state": state,
        "failure": failure,
        "attempts": mail.attempts,
        #: Seconds since the email was requested.
        "duration": round((timezone.now() - mail.created_at).total_seconds(), 3),
    }
    said = f"{state} ({failure})" if failure else state
    logger.log(level, "Invitation email %s: %s", mail.pk, said, extra=details)
