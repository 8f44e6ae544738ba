"""Pauses of all email delivery: who begins one, who may try, and who ends it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from invitation import signals
from invitation.delivery.base import BaseDelivery
from invitation.flows.after_commit import announce, retrying
from invitation.flows.mail.outcomes import note_closing
from invitation.models import DeliveryPause, InvitationEmail

#: The log of all sending, as ``docs/reference/emails.rst`` names it.
logger = logging.getLogger("invitation.flows.mail.sending")


def delivery_pause() -> DeliveryPause | None:
    """Return the present pause of delivery, or ``None`` if emails can leave.

    The pause has its start, its end and its reason.
    """
    return DeliveryPause.objects.closed().first()


class Way:
    """Way out for the emails of one run: open, paused, or on trial by this run."""

    def __init__(self, pks: Sequence[int] | None = None) -> None:
        #: Rows that the run was told of; another process sends all others.
        self.pks = pks
        #: Pause during which this run tries whether emails can leave again.
        self.trial: DeliveryPause | None = None

    def may_try(self) -> bool:
        """Return whether this run may send: nothing is paused, or it is this run's turn to try."""
        now = timezone.now()
        pause = self.trial or delivery_pause()
        if pause is None or pause is self.trial:
            return True
        if not pause.is_over(now) or not retrying(DeliveryPause.objects.try_again)(pause, now):
            return False
        self.trial = pause
        return True

    def close(self, delivery: BaseDelivery, mail: InvitationEmail, reason: str) -> None:
        """Pause the delivery, and log and announce it once.

        Other emails then come before this one. If there was no pause before, this email may be the
        cause, so its attempt counts.
        """
        now = timezone.now()
        if self.trial is not None:
            until = retrying(DeliveryPause.objects.keep_closed)(self.trial, reason, now)
            self.trial = None
            is_news = False
        else:
            until, is_news = retrying(DeliveryPause.objects.close)(reason, now)
        if is_news:
            logger.error("No invitation email can leave. The queue is paused: %s", reason)
            announce(signals.delivery_paused, reason=reason)
            not_before = note_closing(mail, reason, now)
            if not_before > until:
                self.hand_over(delivery, [mail.pk], not_before)
        else:
            retrying(InvitationEmail.objects.mark_untried)(mail, reason, now)
        self.hand_over(delivery, self.pks or [mail.pk], until)

    def reopen(self) -> None:
        """End the pause, if there was one, and log and announce it once."""
        pause, self.trial = self.trial, None
        if pause is not None and retrying(DeliveryPause.objects.reopen)(pause, timezone.now()):
            logger.info("Invitation emails can leave again.")
            announce(signals.delivery_resumed, reason=pause.reason)

    def leave(self) -> None:
        """Let another sender make the trial that this run took over but did not make."""
        if self.trial is not None:
            # The email of the trial could not be written, or was no longer wanted.
            retrying(DeliveryPause.objects.leave_to_others)(self.trial, timezone.now())

    def hand_over(self, delivery: BaseDelivery, pks: Sequence[int], not_before: datetime) -> None:
        """Hand these rows to the delivery again, for a later moment."""
        if pks and not delivery.immediate:
            # The moment may be too far ahead, if a clock was wrong.
            longest = timezone.now() + DeliveryPause.objects.LONGEST
            delivery.hand_over(pks, min(not_before, longest))
