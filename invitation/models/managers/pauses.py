"""Manager of the pauses of the delivery."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models

from invitation.models.managers.retries import PauseOperatingMixin
from invitation.models.managers.writer import WriterManager
from invitation.models.moments import latest

if TYPE_CHECKING:
    from invitation.models import DeliveryPause


class DeliveryPauseManager(PauseOperatingMixin, WriterManager["DeliveryPause"]):
    """Manager that begins and ends pauses of the delivery, exactly once each.

    A row with ``failures`` is a pause. Nobody tries before ``until``. Then exactly one sender
    tries. It moves ``until`` on, and only one sender can find the old value.
    """

    #: The first pause, doubled with each try that fails, and the longest pause.
    FIRST = timedelta(minutes=1)
    LONGEST = timedelta(minutes=30)
    #: Time for the sender that tries. If that process dies, another one tries after this time.
    TRIAL = timedelta(minutes=2)
    QUEUE = "mail"

    def closed(self) -> models.QuerySet[DeliveryPause]:
        """Return the row if there is a pause, even if its end has passed."""
        return self.filter(queue=self.QUEUE, failures__gt=0)

    def ahead(self, now: datetime) -> models.QuerySet[DeliveryPause]:
        """Return the row if the end of its pause is too far ahead to be true."""
        return self.closed().filter(until__gt=latest(now, self.LONGEST))

    def try_again(self, pause: DeliveryPause, now: datetime) -> bool:
        """Take the turn to try if emails can leave; return whether this process got it."""
        until = now + self.TRIAL
        if not self._unchanged(pause).update(until=until):
            return False
        pause.until = until
        return True

    def leave_to_others(self, pause: DeliveryPause, now: datetime) -> None:
        """Let another sender try at once, because this one could not find out."""
        self._unchanged(pause).update(until=now)

    def close(self, reason: str, now: datetime) -> tuple[datetime, bool]:
        """Record that no email can leave; return the end of the pause, and whether that is new."""
        self.get_or_create(queue=self.QUEUE, defaults={"until": now, "since": now})
        until = now + self.FIRST
        changes = {"failures": 1, "until": until, "since": now, "reason": reason}
        is_news = self.filter(queue=self.QUEUE, failures=0).update(**changes) == 1
        return until, is_news

    def keep_closed(self, pause: DeliveryPause, reason: str, now: datetime) -> datetime:
        """Record that a try failed and the pause goes on; return its new end."""
        longer: timedelta = self.FIRST * 2 ** min(pause.failures, 20)
        until = now + min(self.LONGEST, longer)
        changes = {"failures": pause.failures + 1, "until": until, "reason": reason}
        self._unchanged(pause).update(**changes)
        return until

    def reopen(self, pause: DeliveryPause, now: datetime) -> bool:
        """Record that emails can leave again; return whether this process ended the pause."""
        return self._unchanged(pause).update(failures=0, until=now) == 1

    def _unchanged(self, pause: DeliveryPause) -> models.QuerySet[DeliveryPause]:
        return self.filter(pk=pause.pk, failures=pause.failures, until=pause.until)
