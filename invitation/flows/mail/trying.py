"""Tries of single emails, and what the result of one tells about the others."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Collection, Sequence
from enum import Enum
from math import inf

from django.db import DatabaseError

from invitation import keys
from invitation.delivery.base import BaseDelivery
from invitation.exceptions import DeliveryFailed, DeliveryUnavailable
from invitation.flows.after_commit import retrying
from invitation.flows.mail import timing
from invitation.flows.mail.outcomes import (
    MAIL_ATTEMPTS,
    is_probably_sent,
    kept,
    kind_of,
    note_failure,
    note_probably_sent,
    note_sent,
    settle,
)
from invitation.flows.mail.pausing import Way
from invitation.flows.mail.stop_reasons import StopReason, address_of, stop_reason
from invitation.flows.mail.unsubscribing import not_suppressed
from invitation.flows.mail.unwanted import as_another, fate_of_others
from invitation.models import InvitationEmail

#: The log of all sending, as ``docs/reference/emails.rst`` names it.
logger = logging.getLogger("invitation.flows.mail.sending")

State = InvitationEmail.State
Failure = InvitationEmail.Failure


class _Outcome(Enum):
    """Result of trying one email, and what it tells about the next."""

    #: It was sent, or the mail server refused it. In both cases the server can be reached.
    ANSWERED = "answered"
    #: It was not tried, or could not be written.
    SKIPPED = "skipped"
    #: No email can leave at the moment.
    CLOSED = "closed"


class Tries:
    """Tries of one run: their number, their results, and what follows from them."""

    def __init__(self, way: Way, *, watched: bool) -> None:
        self.way = way
        #: Whether a member waits for them.
        self.watched = watched
        #: Time by which each must end, by ``time.monotonic()``.
        self.deadline: float = inf
        #: Whether other emails may follow in this run.
        self.many = False
        self.sent = 0
        self.unsent = 0
        #: Addresses that were not suppressed when the present emails were read.
        self.wanting: Collection[str] = ()
        #: Error of the latest email of this batch that reached a server; ``None`` if it was sent.
        self.fate: DeliveryFailed | None = None
        #: Whether an email of this batch has reached a server.
        self.seen = False
        #: Suppressed emails that wait until the result of others is known.
        self.followers: list[tuple[InvitationEmail, StopReason]] = []
        #: Emails that were sent, and suppressed ones that end with them: not recorded yet.
        self.done: list[InvitationEmail] = []
        self.ended: list[tuple[InvitationEmail, StopReason]] = []

    def prepare(self, delivery: BaseDelivery, mails: Sequence[InvitationEmail]) -> None:
        """Find out which recipients are suppressed, and what the delivery needs; one query each.

        The delivery looks it up itself for a single email, and if it fails for several.
        """
        kinds = (InvitationEmail.Kind.INVITATION, InvitationEmail.Kind.REMINDER)
        self.wanting = not_suppressed([address_of(mail) for mail in mails])
        if len(mails) < 2:
            return
        try:
            delivery.prepare([mail.invitation.email for mail in mails if mail.kind in kinds])
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001 (a delivery of the site may raise anything)
            # Without the traceback: its lines may contain addresses.
            name = type(error).__name__
            logger.error("A batch of emails was not prepared: %s", name)  # noqa: TRY400

    def make(self, delivery: BaseDelivery, mail: InvitationEmail) -> bool:
        """Try this email unless it is no longer wanted; return whether others can leave."""
        outcome = self._try(delivery, mail)
        if outcome is _Outcome.CLOSED:
            self._put_back()
            return False
        if outcome is _Outcome.ANSWERED:
            self.way.reopen()
        if self.seen:
            self.settle_followers(delivery)
        return True

    def record(self) -> None:
        """Record the results that wait for it: the emails that were sent with one statement."""
        if self.done:
            note_sent(self.done)
            self.done = []
        while self.ended:
            mail, objection = self.ended[0]
            settle(mail, objection.failure, objection.details, objection.state)
            del self.ended[0]

    def _try(self, delivery: BaseDelivery, mail: InvitationEmail) -> _Outcome:
        delivery.deadline = self.deadline
        begun = time.monotonic()
        objection = None
        mail.failure = ""
        try:
            objection = self._objection(mail)
            if objection is not None:
                return self._drop(delivery, mail, objection)
            delivery.send(mail)
        except DeliveryUnavailable as error:
            self.unsent += 1
            self.record()
            self.way.close(delivery, mail, kept(str(error)))
            return _Outcome.CLOSED
        except DeliveryFailed as error:
            if objection is None and not error.of_recipient:
                self.seen, self.fate = True, error
                timing.remember(time.monotonic() - begun, left=False)
            logger.warning("Invitation email %s was not sent: %s", mail.pk, kind_of(error))
            self.record()
            if error.unconfirmed and is_probably_sent(mail):
                self.sent += 1
                note_probably_sent(mail, error)
            else:
                self.unsent += 1
                note_failure(delivery, mail, error)
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001 (see below)
            # A rule, a template or an email backend of the site may raise anything. One email must
            # not delay those behind it, nor be tried for ever. The traceback may contain the link.
            return self._note_broken(delivery, mail, error)
        else:
            self.sent += 1
            self.seen, self.fate = True, None
            timing.remember(time.monotonic() - begun)
            self.done.append(mail)
        return _Outcome.ANSWERED

    def _objection(self, mail: InvitationEmail) -> StopReason | None:
        if mail.attempts > MAIL_ATTEMPTS:
            # Each of its senders died before it could record the reason.
            return StopReason(Failure.GIVEN_UP, f"Given up after {MAIL_ATTEMPTS} attempts.")
        return stop_reason(mail, self.wanting)

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
        if self.many and self.way.trial is not None and answered:
            # Emails can leave. The result of this one is decided with the others.
            retrying(InvitationEmail.objects.mark_untried)(mail)
            return _Outcome.ANSWERED
        fate = self.fate if self.seen else fate_of_others(mail)
        watched = delivery.immediate and self.watched
        timing.wait(time.monotonic() - begun, left=fate is None, watched=watched)
        self.followers.append((mail, objection))
        if not self.many:
            self.seen, self.fate = True, fate
        return _Outcome.ANSWERED if answered else _Outcome.SKIPPED

    def settle_followers(self, delivery: BaseDelivery) -> None:
        """Give the suppressed emails the same result as the others, at the same time."""
        followers, self.followers = self.followers, []
        for mail, objection in followers:
            error = self.fate if self.seen else fate_of_others(mail)
            self.unsent += 1
            if error is None:
                self.ended.append((mail, objection))
            else:
                self.record()
                note_failure(delivery, mail, as_another(error))

    def _put_back(self) -> None:
        """Queue the suppressed emails again, as nothing can leave."""
        followers, self.followers = self.followers, []
        for mail, _why in followers:
            retrying(InvitationEmail.objects.mark_untried)(mail)

    def _note_broken(
        self, delivery: BaseDelivery, mail: InvitationEmail, error: Exception
    ) -> _Outcome:
        self.unsent += 1
        report = keys.conceal(traceback.format_exc())
        logger.error("Invitation email %s was not sent:\n%s", mail.pk, report)
        failed = DeliveryFailed(f"{type(error).__name__}: {error}")
        self.record()
        note_failure(delivery, mail, failed, Failure.BROKEN)
        return _Outcome.SKIPPED
