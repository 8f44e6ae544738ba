"""Sending of the emails that wait in the outbox."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from invitation import keys, signals
from invitation.delivery.base import BaseDelivery, get_delivery
from invitation.exceptions import DeliveryFailed, DeliveryUnavailable
from invitation.flows.after_commit import announce
from invitation.flows.mail import timing
from invitation.flows.mail.outcomes import (
    MAIL_ATTEMPTS,
    is_probably_sent,
    kept,
    kind_of,
    note_closing,
    note_failure,
    note_probably_sent,
    note_sent,
    settle,
)
from invitation.flows.mail.stop_reasons import StopReason, stop_reason
from invitation.flows.mail.unsubscribe import digests_of
from invitation.flows.mail.unwanted import as_another, fate_of_others
from invitation.models import DeliveryPause, InvitationEmail

logger = logging.getLogger(__name__)

State = InvitationEmail.State
Failure = InvitationEmail.Failure

#: Most emails that go through one connection and are leased at once.
BATCH = 50
#: Most seconds for sending in the process of a request, because a member waits.
IN_PROCESS_SECONDS = 15.0


class _Outcome(Enum):
    """Result of trying one email, and what it tells about the next."""

    #: It was sent, or the mail server refused it. In both cases the server can be reached.
    ANSWERED = "answered"
    #: It was not tried, could not be written, or another sender has it.
    SKIPPED = "skipped"
    #: No email can leave at the moment.
    CLOSED = "closed"


def deliver(mail: InvitationEmail) -> bool:
    """Send one email whose attempt this process has begun; return whether it was sent."""
    sending = _Sending(seconds=IN_PROCESS_SECONDS)
    if mail._meta.get_field("invitation").is_cached(mail):
        sending.addresses = {mail.pk: mail.invitation.email}
    with get_delivery() as delivery:
        sending.finish(delivery, mail, alone=True)
    sending.leave()
    return sending.sent == 1


def deliver_rows(pks: Sequence[int], seconds: float | None = None) -> tuple[int, int]:
    """Send these rows if they are due; return how many were sent and how many were not.

    ``seconds`` limits the time. Emails for which no time is left wait.
    """
    sending = _Sending(seconds=seconds, pks=pks)
    sending.drain(len(pks))
    return sending.sent, sending.unsent


def deliver_due(
    limit: int | None = None, *, stopping: Callable[[], bool] = lambda: False
) -> tuple[int, int]:
    """Send the due emails, oldest first; return how many were sent and how many were not.

    Several processes on any number of machines may run it at once. Each email is leased before it
    is sent. The function calls ``stopping`` before each email, and ends if it returns true.
    """
    sending = _Sending(stopping=stopping)
    sending.drain(limit)
    return sending.sent, sending.unsent


def delivery_pause() -> DeliveryPause | None:
    """Return the present pause of delivery, or ``None`` if emails can leave.

    The pause has its start, its end and its reason.
    """
    return DeliveryPause.objects.closed().first()


@dataclass
class _Sending:
    """One run of sending: the emails of a request, the rows of a worker, or the whole outbox."""

    seconds: float | None = None
    pks: Sequence[int] | None = None
    stopping: Callable[[], bool] = lambda: False
    sent: int = 0
    unsent: int = 0
    #: Pause during which this run tries whether emails can leave again.
    trial: DeliveryPause | None = None
    #: Whether other emails may follow in this run.
    many: bool = False
    #: Error of the latest email of this batch that reached a server; ``None`` if it was sent.
    fate: DeliveryFailed | None = None
    #: Whether an email of this batch has reached a server.
    seen: bool = False
    #: Suppressed emails that wait until the result of others is known.
    followers: list[tuple[InvitationEmail, StopReason]] = field(default_factory=list)
    #: Addresses of a batch's emails, by primary key, as known before each row is read again.
    addresses: Mapping[int, str] = field(default_factory=dict)
    started: float = field(default_factory=lambda: time.monotonic())

    # -- many emails --

    def drain(self, limit: int | None) -> None:
        """Send batch by batch until nothing is due, all are tried, or nothing can leave."""
        tried: int | None = 0
        self.many = True
        while tried is not None and limit != 0 and not self._is_over():
            with get_delivery() as delivery:
                tried = self._batch(delivery, BATCH if limit is None else min(BATCH, limit))
            limit = limit if limit is None or tried is None else limit - tried
        self.leave()

    def leave(self) -> None:
        """Let another sender make the trial that this run took over but did not make."""
        if self.trial is not None:
            # The email of the trial could not be written, or was no longer wanted.
            DeliveryPause.objects.leave_to_others(self.trial, timezone.now())

    def _batch(self, delivery: BaseDelivery, number: int) -> int | None:
        """Try up to this many emails; return how many there were, or ``None`` to stop for now."""
        now = timezone.now()
        pause = None if self.trial else delivery_pause()
        if pause is not None and not pause.is_over(now):
            self._hand_over_again(delivery, self.pks or (), pause.until)
            return None
        # After a pause, try one email at a time until one leaves.
        one_by_one = self.trial is not None or pause is not None
        mails = InvitationEmail.objects.lease_batch(
            1 if one_by_one else number, now, self.pks, least_tried=one_by_one
        )
        if len(mails) > 1:
            self.addresses = InvitationEmail.objects.addresses_of([mail.pk for mail in mails])
            _prepare(delivery, list(self.addresses.values()))
        left = list(mails)
        try:
            goes_on = self._work_off(delivery, left, alone=pause is not None)
        finally:
            # Also after an error, so that one email does not delay the others.
            with suppress(DatabaseError, InterfaceError):
                InvitationEmail.objects.release(left)
        return len(mails) or None if goes_on else None

    def _work_off(
        self, delivery: BaseDelivery, left: list[InvitationEmail], *, alone: bool
    ) -> bool:
        """Try these emails and remove each from the list; return whether to go on with others."""
        self.seen = False
        goes_on = True
        while left and goes_on:
            if self._is_over():
                goes_on = False
            elif InvitationEmail.objects.begin(held := left.pop(0), timezone.now()):
                goes_on = self.finish(delivery, held, alone=alone) is not _Outcome.CLOSED
                if not goes_on:
                    self._put_back()
                elif self.seen:
                    self._settle_followers(delivery)
        self._settle_followers(delivery)
        return goes_on

    def _is_over(self) -> bool:
        """Return whether to begin no other email.

        The limit is a third of the seconds, because one email may take most of the time.
        """
        spent = time.monotonic() - self.started
        return self.stopping() or (self.seconds is not None and spent > self.seconds / 3)

    # -- one email --

    def finish(
        self, delivery: BaseDelivery, held: InvitationEmail, *, alone: bool = False
    ) -> _Outcome:
        """Send an email whose attempt has begun, unless it is no longer wanted.

        ``alone`` says that no batch has checked for a pause. Within a batch, a run with a
        connection goes on, and a run without one notices the failure.
        """
        email = self.addresses.get(held.pk, "")
        mail, paused_until = InvitationEmail.objects.look(
            held, for_pause=alone, digests=digests_of(email) if email else ()
        )
        if mail is None:
            return _Outcome.SKIPPED
        if paused_until is not None and not self._may_try():
            InvitationEmail.objects.mark_untried(mail, "")
            self._hand_over_again(delivery, self.pks or [mail.pk], paused_until)
            return _Outcome.CLOSED
        wanting = email if not getattr(mail, "suppressed", True) else ""
        outcome = self._try(delivery, mail, wanting)
        if outcome is _Outcome.ANSWERED:
            self._reopen()
        return outcome

    def _try(self, delivery: BaseDelivery, mail: InvitationEmail, wanting: str) -> _Outcome:
        if self.seconds is not None:
            delivery.deadline = self.started + self.seconds
        begun = time.monotonic()
        objection = None
        mail.failure = ""
        try:
            objection = _objection(mail, wanting)
            if objection is not None:
                return self._drop(delivery, mail, objection)
            delivery.send(mail)
        except DeliveryUnavailable as error:
            self.unsent += 1
            self._close(delivery, mail, kept(str(error)))
            return _Outcome.CLOSED
        except DeliveryFailed as error:
            if objection is None and not error.of_recipient:
                self.seen, self.fate = True, error
                timing.remember(time.monotonic() - begun, left=False)
            logger.warning("Invitation mail %s was not sent: %s", mail.pk, kind_of(error))
            if error.unconfirmed and is_probably_sent(mail):
                self.sent += 1
                note_probably_sent(mail, error)
            else:
                self.unsent += 1
                note_failure(delivery, mail, error)
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001
            # A rule, a template or an email backend of the site may raise anything. One email must
            # not delay those behind it, nor be tried for ever. The traceback may contain the link.
            return self._note_broken(delivery, mail, error)
        else:
            self.sent += 1
            self.seen, self.fate = True, None
            timing.remember(time.monotonic() - begun)
            note_sent(mail)
        return _Outcome.ANSWERED

    def _drop(
        self, delivery: BaseDelivery, mail: InvitationEmail, objection: StopReason
    ) -> _Outcome:
        """Settle an email that is no longer wanted.

        A suppressed email gets the same result as others, in all that its inviter sees.
        """
        if objection.state != State.SUPPRESSED:
            self.unsent += 1
            settle(mail, objection.failure, objection.details, objection.state)
            return _Outcome.SKIPPED
        begun = time.monotonic()
        mail.failure = objection.failure
        answered = delivery.rehearse(mail)
        if self.many and self.trial is not None and answered:
            # Emails can leave. The result of this one is decided with the others.
            InvitationEmail.objects.mark_untried(mail)
            return _Outcome.ANSWERED
        fate = self.fate if self.seen else fate_of_others(mail)
        watched = delivery.immediate and self.seconds is not None
        timing.wait(time.monotonic() - begun, left=fate is None, watched=watched)
        self.followers.append((mail, objection))
        if not self.many:
            self.seen, self.fate = True, fate
            self._settle_followers(delivery)
        return _Outcome.ANSWERED if answered else _Outcome.SKIPPED

    def _settle_followers(self, delivery: BaseDelivery) -> None:
        """Give the suppressed emails the same result as the others."""
        followers, self.followers = self.followers, []
        for mail, objection in followers:
            error = self.fate if self.seen else fate_of_others(mail)
            self.unsent += 1
            if error is None:
                settle(mail, objection.failure, objection.details, objection.state)
            else:
                note_failure(delivery, mail, as_another(error))

    def _put_back(self) -> None:
        """Queue the suppressed emails again, as nothing can leave."""
        followers, self.followers = self.followers, []
        for mail, _why in followers:
            InvitationEmail.objects.mark_untried(mail)

    def _note_broken(
        self, delivery: BaseDelivery, mail: InvitationEmail, error: Exception
    ) -> _Outcome:
        self.unsent += 1
        report = keys.conceal(traceback.format_exc())
        logger.error("Invitation mail %s was not sent:\n%s", mail.pk, report)
        failed = DeliveryFailed(f"{type(error).__name__}: {error}")
        note_failure(delivery, mail, failed, Failure.BROKEN)
        return _Outcome.SKIPPED

    # -- pauses of the delivery --

    def _may_try(self) -> bool:
        """Return whether this run may try if emails can leave again."""
        now = timezone.now()
        pause = self.trial or delivery_pause()
        if pause is None or pause is self.trial:
            return True
        if not pause.is_over(now) or not DeliveryPause.objects.try_again(pause, now):
            return False
        self.trial = pause
        return True

    def _close(self, delivery: BaseDelivery, mail: InvitationEmail, reason: str) -> None:
        """Pause the delivery, and log and announce it once.

        Other emails then come before this one. If there was no pause before, this email may be the
        cause, so its attempt counts.
        """
        now = timezone.now()
        if self.trial is not None:
            until = DeliveryPause.objects.keep_closed(self.trial, reason, now)
            self.trial = None
            is_news = False
        else:
            until, is_news = DeliveryPause.objects.close(reason, now)
        if is_news:
            logger.error("No invitation mail can leave, the queue is paused: %s", reason)
            announce(signals.delivery_paused, reason=reason)
            not_before = note_closing(mail, reason, now)
            if not_before > until:
                self._hand_over_again(delivery, [mail.pk], not_before)
        else:
            InvitationEmail.objects.mark_untried(mail, reason, now)
        self._hand_over_again(delivery, self.pks or [mail.pk], until)

    def _reopen(self) -> None:
        """End the pause, if there was one, and log and announce it once."""
        pause, self.trial = self.trial, None
        if pause is not None and DeliveryPause.objects.reopen(pause, timezone.now()):
            logger.info("Invitation mails can leave again.")
            announce(signals.delivery_resumed, reason=pause.reason)

    def _hand_over_again(
        self, delivery: BaseDelivery, pks: Sequence[int], not_before: datetime
    ) -> None:
        """Hand these rows to the delivery again, for a later moment."""
        if pks and not delivery.immediate:
            # The moment may be too far ahead, if a clock was wrong.
            longest = timezone.now() + DeliveryPause.objects.LONGEST
            delivery.hand_over(pks, min(not_before, longest))


def _objection(mail: InvitationEmail, wanting: str) -> StopReason | None:
    if mail.attempts > MAIL_ATTEMPTS:
        # Each of its senders died before it could record the reason.
        return StopReason(Failure.GIVEN_UP, f"Given up after {MAIL_ATTEMPTS} attempts.")
    return stop_reason(mail, wanting)


def _prepare(delivery: BaseDelivery, emails: Sequence[str]) -> None:
    """Let the delivery look up what a batch needs.

    If that fails, the delivery looks it up for each email.
    """
    try:
        delivery.prepare(emails)
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001 (a delivery of the site may raise anything)
        logger.error("A batch of mails was not prepared: %s", type(error).__name__)  # noqa: TRY400
