"""Sending of the emails that wait in the outbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from invitation.delivery.base import BaseDelivery, get_delivery
from invitation.flows.after_commit import retrying
from invitation.flows.mail.pausing import Way, delivery_pause
from invitation.flows.mail.trying import Tries
from invitation.flows.mail.unsubscribing import digests_of
from invitation.models import InvitationEmail

#: Most emails that are leased at once, and most that go through one connection.
BATCH, PER_CONNECTION = 100, 500
#: Most emails that are read with one query, and whose results are recorded with one statement.
TOGETHER = 50
#: Seconds after which the emails that are left are read again, and results are recorded.
FRESH_SECONDS = 0.5
#: Seconds after which a lease is renewed for the emails that are left.
RENEW_SECONDS = 30.0
#: Most seconds for sending in the process of a request, because a member waits.
IN_PROCESS_SECONDS = 15.0


def deliver(mail: InvitationEmail, *, is_new: bool = False) -> bool:
    """Send one email whose attempt this process has begun; return whether it was sent.

    ``is_new`` says that this process has just written its invitation, too.
    """
    sending = _Sending(seconds=IN_PROCESS_SECONDS)
    with get_delivery() as delivery:
        if not (is_new and sending.finish_new(delivery, mail)):
            sending.finish(delivery, mail)
    sending.way.leave()
    return sending.tries.sent == 1


def deliver_rows(pks: Sequence[int], seconds: float | None = None) -> tuple[int, int]:
    """Send these rows if they are due; return how many were sent and how many were not.

    ``seconds`` limits the time. Emails for which no time is left wait.
    """
    return _Sending(seconds=seconds, pks=pks).drain(len(pks))


def deliver_due(
    limit: int | None = None, *, stopping: Callable[[], bool] = lambda: False
) -> tuple[int, int]:
    """Send the due emails, oldest first; return how many were sent and how many were not.

    Several processes on any number of machines may run it at once. Each email is leased before it
    is sent. The function calls ``stopping`` before each email, and ends if it returns true.
    """
    return _Sending(stopping=stopping).drain(limit)


class _Sending:
    """One run of sending: the emails of a request, the rows of a worker, or the whole outbox."""

    def __init__(
        self,
        *,
        seconds: float | None = None,
        pks: Sequence[int] | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.seconds = seconds
        self.pks = pks
        self.stopping = stopping
        self.started = time.monotonic()
        #: When the emails of the present batch were leased, by ``time.monotonic()``.
        self.leased = 0.0
        #: Number of emails to read next: as many as could be sent in ``FRESH_SECONDS``.
        self.together = TOGETHER
        self.way = Way(pks)
        self.tries = Tries(self.way, watched=seconds is not None)
        if seconds is not None:
            self.tries.deadline = self.started + seconds

    # -- many emails --

    def drain(self, limit: int | None) -> tuple[int, int]:
        """Send until nothing is due, all are tried, or nothing can leave; return the counts.

        Each round has a connection of its own, for many batches.
        """
        self.tries.many = goes_on = True
        while goes_on and limit != 0 and not self._is_over():
            most = PER_CONNECTION if limit is None else min(PER_CONNECTION, limit)
            with get_delivery() as delivery:
                left = self._round(delivery, most)
            limit = limit if limit is None else limit - (most - left)
            goes_on = left == 0
        self.way.leave()
        return self.tries.sent, self.tries.unsent

    def _round(self, delivery: BaseDelivery, most: int) -> int:
        """Try up to this many emails; return for how many there was no reason to go on."""
        while most and not self._is_over():
            tried = self._batch(delivery, min(BATCH, most))
            if tried is None:
                break
            most -= tried
        return most

    def _batch(self, delivery: BaseDelivery, number: int) -> int | None:
        """Try up to this many emails; return how many there were, or ``None`` to stop for now."""
        now = timezone.now()
        pause = None if self.way.trial else delivery_pause()
        if pause is not None and not pause.is_over(now):
            self.way.hand_over(delivery, self.pks or (), pause.until)
            return None
        # After a pause, try one email at a time until one leaves.
        one_by_one = self.way.trial is not None or pause is not None
        self.leased = time.monotonic()
        left = retrying(InvitationEmail.objects.lease_batch)(
            1 if one_by_one else number, now, self.pks, least_tried=one_by_one
        )
        found = len(left)
        try:
            if pause is not None and left and not self.way.may_try():
                self.way.hand_over(delivery, self.pks or [left[0].pk], pause.until)
                return None
            goes_on = self._work_off(delivery, left)
        finally:
            # Also after an error, so that one email does not delay the others.
            with suppress(DatabaseError, InterfaceError):
                self.tries.record()
                retrying(InvitationEmail.objects.release)(left)
        return found or None if goes_on else None

    def _work_off(self, delivery: BaseDelivery, left: list[InvitationEmail]) -> bool:
        """Try these emails and remove each from the list; return whether to go on with others."""
        self.tries.seen = False
        alone = len(left) == 1
        goes_on = True
        while left and goes_on and not self._is_over():
            if alone or left[0].is_suspect:
                goes_on = self._try_alone(delivery, left)
            else:
                goes_on = self._try_together(delivery, left)
        self.tries.settle_followers(delivery)
        self.tries.record()
        return goes_on and not left

    def _try_alone(self, delivery: BaseDelivery, left: list[InvitationEmail]) -> bool:
        """Try the first email, which may stop this process; return whether others can leave.

        The attempt is counted before it, and the result is recorded at once.
        """
        held, goes_on = left.pop(0), True
        if retrying(InvitationEmail.objects.begin)(held, timezone.now()):
            for mail in self._read(delivery, [held]).values():
                goes_on = self.tries.make(delivery, mail)
        self.tries.record()
        return goes_on

    def _try_together(self, delivery: BaseDelivery, left: list[InvitationEmail]) -> bool:
        """Try the first emails with few statements; return whether others can leave.

        They are sent as they were read a moment ago.
        """
        if time.monotonic() - self.leased > RENEW_SECONDS:
            self.leased = time.monotonic()
            retrying(InvitationEmail.objects.renew)(left, timezone.now())
        group = [held for held in left[: self.together] if not held.is_suspect]
        rows = self._read(delivery, group)
        read = time.monotonic()
        for number, held in enumerate(group, 1):
            if self._is_over():
                break
            del left[0]
            mail = rows.get(held.pk)
            if mail is not None:
                mail.take_turn(timezone.now())
                if not self.tries.make(delivery, mail):
                    return False
            self.together = min(2 * number, TOGETHER)
            if time.monotonic() - read > FRESH_SECONDS:
                break
        self.tries.record()
        return True

    def _read(
        self, delivery: BaseDelivery, group: Sequence[InvitationEmail]
    ) -> dict[int, InvitationEmail]:
        """Return the present rows of these emails, and find out what their sending needs."""
        rows = retrying(InvitationEmail.objects.look_at)(group)
        self.tries.prepare(delivery, list(rows.values()))
        return rows

    def _is_over(self) -> bool:
        """Return whether to begin no other email.

        The limit is a third of the seconds, because one email may take most of the time.
        """
        spent = time.monotonic() - self.started
        return self.stopping() or (self.seconds is not None and spent > self.seconds / 3)

    # -- one email --

    def finish(self, delivery: BaseDelivery, held: InvitationEmail) -> None:
        """Send an email whose attempt has begun, unless it is no longer wanted.

        One query tells that, and whether the delivery is paused.
        """
        known = held._meta.get_field("invitation").is_cached(held)
        email = held.invitation.email if known else ""
        digests = digests_of(email) if email else ()
        mail, paused_until = retrying(InvitationEmail.objects.look)(held, digests)
        if mail is None:
            return
        if paused_until is not None and not self.way.may_try():
            retrying(InvitationEmail.objects.mark_untried)(mail)
            self.way.hand_over(delivery, [mail.pk], paused_until)
            return
        if not getattr(mail, "suppressed", True):
            self.tries.wanting = {email}
        self.tries.make(delivery, mail)
        self.tries.record()

    def finish_new(self, delivery: BaseDelivery, mail: InvitationEmail) -> bool:
        """Send an email whose invitation was just written, if nobody has changed them since.

        Return whether it was tried. One query tells the rest, and the rows are not read again.
        """
        email = mail.invitation.email
        suppressed = InvitationEmail.objects.look_again(mail, digests_of(email))
        if suppressed is None:
            return False
        if not suppressed:
            self.tries.wanting = {email}
        self.tries.make(delivery, mail)
        self.tries.record()
        return True
