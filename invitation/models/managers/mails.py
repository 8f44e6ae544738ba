"""Managers for the outbox: they move emails through their states."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.db import connections, models, router, transaction
from django.db.models import Q, Subquery
from django.db.models.functions import Coalesce

from invitation.models.managers.forgetting import MailForgettingMixin
from invitation.models.managers.outcomes import MailOutcomesMixin, note
from invitation.models.managers.retries import MailOperatingMixin, PauseOperatingMixin
from invitation.models.managers.writer import WriterManager
from invitation.models.moments import latest, passed
from invitation.models.querysets import holds

if TYPE_CHECKING:
    from invitation.models import (
        DeliveryPause,
        InvitationEmail,
        InvitationKey,
    )


class InvitationEmailManager(
    MailOutcomesMixin, MailOperatingMixin, MailForgettingMixin, WriterManager["InvitationEmail"]
):
    """Manager that moves an email through the states of the outbox.

    A sender holds a row by a lease. The lease is the state ``sending``, its end time and the number
    of attempts. A sender leases many rows at once. When the turn of one comes, it begins an
    attempt, which counts the attempt and renews the lease. Each change names the end time and the
    attempts. So a sender whose lease has ended cannot overwrite the work of the next one, not even
    after ``requeue``.
    """

    #: Time for one email before another sender may try it.
    LEASE = timedelta(minutes=5)
    #: Longest time until the next try of an email. Emails about expired invitations wait a day.
    WAIT = timedelta(days=1)
    #: Factor for databases that cannot lock the first free rows. A sender looks among this many
    #: times the rows that it wants, so that several senders find different rows.
    CROWD = 8

    def of_invitations(self) -> models.QuerySet[InvitationEmail]:
        """Return the invitation emails, without reminders and without emails to inviters."""
        return self.filter(kind=self.model.Kind.INVITATION)

    def to_invited(self) -> models.QuerySet[InvitationEmail]:
        """Return all emails to invited people, reminders included."""
        return self.filter(kind__in=(self.model.Kind.INVITATION, self.model.Kind.REMINDER))

    def addresses_of(self, pks: Collection[int]) -> dict[int, str]:
        """Return the address of each of these emails that goes to an invited person."""
        rows = self.to_invited().filter(pk__in=pks)
        return dict(rows.values_list("pk", "invitation__email"))

    def due(self, now: datetime) -> models.QuerySet[InvitationEmail]:
        """Return the emails that are due, and those that a sender left behind."""
        return self.filter(self.waits_no_longer(now) | self.is_left_behind(now))

    def waits_no_longer(self, now: datetime) -> Q:
        """Return the condition that a queued email may be tried now."""
        return Q(state=self.model.State.QUEUED) & passed("not_before", now, now, self.WAIT)

    def is_left_behind(self, now: datetime) -> Q:
        """Return the condition that the lease of an email has ended while it was being sent."""
        return Q(state=self.model.State.SENDING) & passed("lease_until", now, now, self.LEASE)

    def ahead(self, now: datetime) -> models.QuerySet[InvitationEmail]:
        """Return the unsent emails whose next try or lease is too far ahead to be true."""
        state = self.model.State
        queued = Q(state=state.QUEUED, not_before__gt=latest(now, self.WAIT))
        return self.filter(queued | Q(state=state.SENDING, lease_until__gt=latest(now, self.LEASE)))

    def waiting(self, now: datetime) -> tuple[int, datetime | None]:
        """Return how many emails still wait, and when the first of them may be tried."""
        state = self.model.State
        unsent = self.filter(state__in=(state.QUEUED, state.SENDING))
        first = models.Min(Coalesce("lease_until", "not_before"))
        found = unsent.aggregate(count=models.Count("pk"), first=first)
        first_try: datetime | None = found["first"]
        if first_try is not None and first_try > latest(now, self.WAIT):
            first_try = now
        return found["count"], first_try

    def lease_batch(
        self,
        number: int,
        now: datetime,
        pks: Sequence[int] | None = None,
        *,
        least_tried: bool = False,
    ) -> list[InvitationEmail]:
        """Lease up to ``number`` due rows, the oldest first, or those of ``pks``; count no attempt.

        The leased rows are sorted by attempts, the fewest first. With ``least_tried``, the rows
        with the fewest attempts are also picked first. The returned objects have only what
        ``begin`` needs.
        """
        until = now + self.LEASE
        using = router.db_for_write(self.model)
        lock = connections[using].features.has_select_for_update_skip_locked
        find = self._lock if lock else self._take
        taken: list[tuple[int, int]] = []
        due = [self.is_left_behind(now), self.waits_no_longer(now)]
        if least_tried:
            due = [due[0] | due[1]]
        order = ("attempts", "not_before", "pk") if least_tried else ("not_before", "pk")
        for condition in due:
            rows = self.filter(condition).order_by(*order)
            rows = rows if pks is None else rows.filter(pk__in=pks)
            if number > len(taken):
                taken += find(rows, number - len(taken), now, until)
        # An email may have stopped its sender, or the mail server may hang up on it. It comes last,
        # so that it never delays the others of its batch.
        taken.sort(key=itemgetter(1))
        state = self.model.State.SENDING
        return [
            self.model(pk=pk, state=state, attempts=attempts, lease_until=until)
            for pk, attempts in taken
        ]

    def _lock(
        self, rows: models.QuerySet[InvitationEmail], number: int, now: datetime, until: datetime
    ) -> list[tuple[int, int]]:
        """Lease the first rows that nobody has locked."""
        with transaction.atomic(using=router.db_for_write(self.model)):
            taken = list(self._locked(rows, number, now))
            if taken:
                changes = {"state": self.model.State.SENDING, "lease_until": until}
                self.filter(pk__in=[pk for pk, _ in taken]).update(**changes)
        return taken

    def _locked(
        self, rows: models.QuerySet[InvitationEmail], number: int, now: datetime
    ) -> list[tuple[int, int]]:
        """Lock up to ``number`` of these rows, and skip those that others have locked."""
        if not _locks_ranges(router.db_for_write(self.model)):
            free = rows.select_for_update(skip_locked=True).values_list("pk", "attempts")
            return list(free[:number])
        # MySQL and MariaDB lock ranges. A locked range blocks inserts into it, and two senders with
        # parts of one range would wait for each other. Rows found by primary key are locked alone.
        seen: list[int] = []
        found: dict[int, int] = {}
        for among in (number, number * self.CROWD):
            seen = list(rows.values_list("pk", flat=True)[:among])
            named = self.filter(self._due_by_key(now), pk__in=seen).order_by("pk")
            free = named.select_for_update(skip_locked=True).values_list("pk", "attempts")
            found = dict(free[:number])
            if found:
                break
        return [(pk, found[pk]) for pk in seen if pk in found]

    def _take(
        self, rows: models.QuerySet[InvitationEmail], number: int, now: datetime, until: datetime
    ) -> list[tuple[int, int]]:
        """Lease the first rows that nobody else takes at this moment."""
        seen = list(rows.values_list("pk", "attempts")[: number * self.CROWD])
        changes = {"state": self.model.State.SENDING, "lease_until": until}
        using = router.db_for_write(self.model)
        first = seen[:number]
        # Both transactions begin with a write: SQLite may refuse a write after a read.
        with transaction.atomic(using=using):
            free = self.filter(self._due_by_key(now), pk__in=[pk for pk, _ in first])
            if not first or free.update(**changes) == len(first):
                return first
            transaction.set_rollback(True, using=using)
        taken: list[tuple[int, int]] = []
        with transaction.atomic(using=using):
            for pk, attempts in seen:
                free = self.filter(self._due_by_key(now), pk=pk, attempts=attempts)
                if free.update(**changes):
                    taken.append((pk, attempts))
                if len(taken) == number:
                    break
        return taken

    def _due_by_key(self, now: datetime) -> Q:
        """Return the condition to be due, for rows found by primary key."""
        state = self.model.State
        waiting = Q(holds("state", state.QUEUED)) & passed("not_before", now, now, self.WAIT)
        left_behind = passed("lease_until", now, now, self.LEASE)
        return waiting | Q(holds("state", state.SENDING)) & left_behind

    def begin(self, mail: InvitationEmail, now: datetime) -> bool:
        """Count an attempt and renew the lease; return whether the row is still ours."""
        until, attempts = now + self.LEASE, mail.attempts + 1
        if not self._held(mail).update(lease_until=until, attempts=attempts, tried_at=now):
            return False
        mail.lease_until, mail.attempts = until, attempts
        return True

    def look(
        self, held: InvitationEmail, *, for_pause: bool = False, digests: Collection[str] = ()
    ) -> tuple[InvitationEmail | None, datetime | None]:
        """Return the present row of an email that we hold, and the end of the pause.

        The row comes with its invitation and inviter. It is ``None`` if we no longer hold it, or if
        cleanup has deleted it. With ``for_pause``, the second value is the end of the present
        pause, even if that moment has passed. With ``digests``, the row's ``suppressed`` tells
        whether one of them is suppressed.
        """
        rows: Any = self.select_related("invitation__from_user").filter(pk=held.pk).order_by()
        if for_pause:
            pauses: Any = self.model._meta.apps.get_model("invitation", "DeliveryPause")
            rows = rows.annotate(paused_until=Subquery(pauses.objects.closed().values("until")))
        if digests:
            suppressed: Any = self.model._meta.apps.get_model("invitation", "SuppressedAddress")
            rows = rows.annotate(suppressed=suppressed.objects.is_known(digests))
        for mail in rows:
            ours = (mail.attempts, mail.lease_until) == (held.attempts, held.lease_until)
            if ours and mail.state == self.model.State.SENDING:
                return mail, getattr(mail, "paused_until", None)
        return None, None

    def lease(self, pk: int, now: datetime) -> InvitationEmail | None:
        """Lease one due row, begin an attempt and return the row.

        Returns ``None`` if the row is not due or another sender has it.
        """
        for held in self.lease_batch(1, now, [pk]):
            if self.begin(held, now):
                return self.look(held)[0]
        return None

    def release(self, mails: Iterable[InvitationEmail]) -> None:
        """Release leased rows whose attempt has not begun."""
        for until, group in _by_lease(mails).items():
            held = self.filter(pk__in=group, lease_until=until)
            held.update(state=self.model.State.QUEUED, lease_until=None)

    def requeue(self, invitation: InvitationKey, now: datetime, *, failed: bool = True) -> bool:
        """Queue the unsent email of an invitation again, at once; return whether there was one.

        Only the email to the invited person is queued, not one to the inviter. ``failed`` includes
        an email that has failed, for example because a server refused it.
        """
        state = self.model.State
        waiting = Q(holds("state", state.QUEUED))
        if failed:
            # Not an email that was sent and bounced: a new one counts for the limits.
            waiting |= Q(holds("state", state.FAILED), sent_at=None)
        left_behind = passed("lease_until", now, now, self.LEASE)
        left_behind &= Q(holds("state", state.SENDING))
        unsent = self.of_invitations().filter(waiting | left_behind, invitation=invitation)
        changes = {"state": state.QUEUED, "lease_until": None, "not_before": now, "attempts": 0}
        return bool(unsent.update(**changes, failure=""))

    def mark_sent(
        self, mail: InvitationEmail, now: datetime, failure: str = "", details: str = ""
    ) -> bool:
        """Record that the mail server has taken the email, or why that is only probable."""
        state = self.model.State.SENT
        return self._finish(mail, state=state, sent_at=now, last_error=details, failure=failure)

    def mark_queued(
        self,
        mail: InvitationEmail,
        reason: str,
        not_before: datetime,
        *,
        unconfirmed: bool = False,
        of_recipient: bool = False,
    ) -> bool:
        """Record why the attempt failed and when to try again.

        ``unconfirmed`` counts an attempt without a known result. ``of_recipient`` records that the
        failure shows nothing about other emails.
        """
        state, known = self.model.State.QUEUED, mail.unconfirmed
        return self._finish(
            mail,
            state=state,
            last_error=reason,
            not_before=not_before,
            failure=mail.failure,
            unconfirmed=known + 1 if unconfirmed else known,
            of_recipient=of_recipient,
        )

    def mark_untried(
        self, mail: InvitationEmail, reason: str = "", not_before: datetime | None = None
    ) -> bool:
        """Release a row whose attempt does not count, because the email did not cause the failure.

        With ``not_before``, emails that are due before that moment come first.
        """
        state = self.model.State.QUEUED
        kept: dict[str, Any] = {"last_error": reason} if reason else {}
        kept |= {"not_before": not_before} if not_before else {}
        return self._finish(mail, state=state, attempts=mail.attempts - 1, **kept)

    def mark_ended(
        self,
        mail: InvitationEmail,
        state: str,
        failure: str,
        details: str,
        *,
        of_recipient: bool = False,
    ) -> bool:
        """Record that the email will not be tried again; return whether it was still held."""
        changes = {"state": state, "failure": failure, "of_recipient": of_recipient}
        return self._finish(mail, last_error=details, **changes)

    def _held(self, mail: InvitationEmail) -> models.QuerySet[InvitationEmail]:
        """Return the row if it is still ours; only a held row has a ``lease_until``."""
        return self.filter(pk=mail.pk, attempts=mail.attempts, lease_until=mail.lease_until)

    def _finish(self, mail: InvitationEmail, **changes: Any) -> bool:
        """Change and release a row and update ``mail``; return whether the row was still ours."""
        changes["lease_until"] = None
        if not self._held(mail).update(**changes):
            return False
        note(mail, changes)
        return True


def _locks_ranges(using: str) -> bool:
    """Return whether the database also locks the gaps between the rows that it finds."""
    return connections[using].vendor == "mysql"


def _by_lease(mails: Iterable[InvitationEmail]) -> dict[datetime | None, list[int]]:
    groups: dict[datetime | None, list[int]] = {}
    for mail in mails:
        groups.setdefault(mail.lease_until, []).append(mail.pk)
    return groups


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
