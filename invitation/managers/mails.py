"""Lead mails through the outbox."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.db import connections, models, router, transaction
from django.db.models import Q, Subquery
from django.db.models.functions import Coalesce

from invitation.managers.forgetting import MailForgettingMixin
from invitation.managers.operating import MailOperatingMixin, PauseOperatingMixin
from invitation.managers.outcomes import MailOutcomesMixin, note
from invitation.moments import latest, passed
from invitation.querysets import holds

if TYPE_CHECKING:
    from invitation.models import (
        DeliveryPause,
        InvitationEmail,
        InvitationKey,
    )


class InvitationEmailManager(
    MailOutcomesMixin, MailOperatingMixin, MailForgettingMixin, models.Manager["InvitationEmail"]
):
    """Lead a mail through the states of the outbox.

    A sender holds a row by a lease: the state ``sending``, a time until which it holds, and the
    number of attempts. It leases many at once, and begins an attempt with each when its turn comes,
    which counts it and renews the lease. Who changes a row names both, so that a sender whose lease
    ran out cannot write over the one that came after it, not even after ``requeue``.
    """

    #: How long a sender may be busy with one mail before another one may try.
    LEASE = timedelta(minutes=5)
    #: How far ahead the next try of a mail lies at most: news of what has expired wait a day.
    WAIT = timedelta(days=1)
    #: Among how many times as many rows as it wants a sender looks where it cannot lock the first
    #: free ones: so many senders find different ones.
    CROWD = 8

    def of_invitations(self) -> models.QuerySet[InvitationEmail]:
        """Keep the mails to the invited, without those to their inviters."""
        return self.filter(kind=self.model.Kind.INVITATION)

    def to_invited(self) -> models.QuerySet[InvitationEmail]:
        """Keep all mails to the invited, reminders included."""
        return self.filter(kind__in=(self.model.Kind.INVITATION, self.model.Kind.REMINDER))

    def addresses_of(self, pks: Collection[int]) -> dict[int, str]:
        """Return to which address each of these goes that is for an invited person."""
        rows = self.to_invited().filter(pk__in=pks)
        return dict(rows.values_list("pk", "invitation__email"))

    def due(self, now: datetime) -> models.QuerySet[InvitationEmail]:
        """Keep what waits to be sent, and what a sender left behind."""
        return self.filter(self.waits_no_longer(now) | self.is_left_behind(now))

    def waits_no_longer(self, now: datetime) -> Q:
        """Return the condition that a queued mail may be tried now."""
        return Q(state=self.model.State.QUEUED) & passed("not_before", now, now, self.WAIT)

    def is_left_behind(self, now: datetime) -> Q:
        """Return the condition that nobody holds a mail any more that somebody began to send."""
        return Q(state=self.model.State.SENDING) & passed("lease_until", now, now, self.LEASE)

    def ahead(self, now: datetime) -> models.QuerySet[InvitationEmail]:
        """Keep the unsent ones whose next try, or whose lease, lies too far ahead to be true."""
        state = self.model.State
        queued = Q(state=state.QUEUED, not_before__gt=latest(now, self.WAIT))
        return self.filter(queued | Q(state=state.SENDING, lease_until__gt=latest(now, self.LEASE)))

    def waiting(self, now: datetime) -> tuple[int, datetime | None]:
        """Return how many mails have still to go, and when the first of them may be tried."""
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
        """Take so many due rows, the oldest first, or those of ``pks``; no attempt is counted.

        Of these, those with the fewest attempts come first; with ``least_tried``, of all that are
        due. What is returned has nothing but what ``begin`` needs.
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
        # One that has killed its sender, or that the mail server hangs up on, comes last: it must
        # not keep the others of its batch from leaving, however often it does that.
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
        """Lock so many of these rows, without waiting for those that others have locked."""
        if not _locks_ranges(router.db_for_write(self.model)):
            free = rows.select_for_update(skip_locked=True).values_list("pk", "attempts")
            return list(free[:number])
        # There, a locked range would keep others from writing into it, and two that hold parts of
        # one would wait for each other. Rows named by their keys are locked alone.
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
        """Lease the first rows that nobody else takes in this moment."""
        seen = list(rows.values_list("pk", "attempts")[: number * self.CROWD])
        changes = {"state": self.model.State.SENDING, "lease_until": until}
        using = router.db_for_write(self.model)
        first = seen[:number]
        # Both begin with writing: SQLite refuses who has read in a transaction and then writes.
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
        """Return the condition to be due, for rows that are named by their keys."""
        state = self.model.State
        waiting = Q(holds("state", state.QUEUED)) & passed("not_before", now, now, self.WAIT)
        left_behind = passed("lease_until", now, now, self.LEASE)
        return waiting | Q(holds("state", state.SENDING)) & left_behind

    def begin(self, mail: InvitationEmail, now: datetime) -> bool:
        """Count an attempt with a leased row, and hold it anew; tell whether it is still ours."""
        until, attempts = now + self.LEASE, mail.attempts + 1
        if not self._held(mail).update(lease_until=until, attempts=attempts, tried_at=now):
            return False
        mail.lease_until, mail.attempts = until, attempts
        return True

    def look(
        self, held: InvitationEmail, *, for_pause: bool = False, digests: Collection[str] = ()
    ) -> tuple[InvitationEmail | None, datetime | None]:
        """Return a row that we hold as it is now, with invitation and inviter, and the pause.

        No row if it is no longer ours, or cleanup has deleted it. The pause, if it is asked for, is
        until when the way out was found closed, whether or not that moment has come. With
        ``digests``, the row's ``suppressed`` tells whether one of them is suppressed.
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
        """Take one due row, begin an attempt, and return it; ``None`` if somebody else has it."""
        for held in self.lease_batch(1, now, [pk]):
            if self.begin(held, now):
                return self.look(held)[0]
        return None

    def release(self, mails: Iterable[InvitationEmail]) -> None:
        """Let go of leased rows with which no attempt was begun."""
        for until, group in _by_lease(mails).items():
            held = self.filter(pk__in=group, lease_until=until)
            held.update(state=self.model.State.QUEUED, lease_until=None)

    def requeue(self, invitation: InvitationKey, now: datetime, *, failed: bool = True) -> bool:
        """Queue the unsent mail of an invitation again, at once; tell whether there was one.

        That to the invited person: one to the inviter is another matter, and waits for its turn.
        ``failed`` says whether also one that was given up, as by a server that refused it.
        """
        state = self.model.State
        waiting = Q(holds("state", state.QUEUED))
        if failed:
            # Unless it had left and has come back: another one counts anew.
            waiting |= Q(holds("state", state.FAILED), sent_at=None)
        left_behind = passed("lease_until", now, now, self.LEASE)
        left_behind &= Q(holds("state", state.SENDING))
        unsent = self.of_invitations().filter(waiting | left_behind, invitation=invitation)
        changes = {"state": state.QUEUED, "lease_until": None, "not_before": now, "attempts": 0}
        return bool(unsent.update(**changes, failure=""))

    def mark_sent(
        self, mail: InvitationEmail, now: datetime, failure: str = "", details: str = ""
    ) -> bool:
        """Note that the mail server has taken the mail, or why that is only probable."""
        state = self.model.State.SENT
        return self._finish(mail, state=state, sent_at=now, last_error=details, failure=failure)

    def mark_queued(
        self, mail: InvitationEmail, reason: str, not_before: datetime, *, unconfirmed: bool = False
    ) -> bool:
        """Note why the attempt failed and when to try again.

        ``unconfirmed`` counts an attempt whose outcome nobody knows.
        """
        state, known = self.model.State.QUEUED, mail.unconfirmed
        return self._finish(
            mail,
            state=state,
            last_error=reason,
            not_before=not_before,
            failure=mail.failure,
            unconfirmed=known + 1 if unconfirmed else known,
        )

    def mark_untried(
        self, mail: InvitationEmail, reason: str = "", not_before: datetime | None = None
    ) -> bool:
        """Let go of a row whose attempt does not count, as it was no fault of the mail.

        With ``not_before``, those that are due before that moment come first.
        """
        state = self.model.State.QUEUED
        kept: dict[str, Any] = {"last_error": reason} if reason else {}
        kept |= {"not_before": not_before} if not_before else {}
        return self._finish(mail, state=state, attempts=mail.attempts - 1, **kept)

    def mark_ended(self, mail: InvitationEmail, state: str, failure: str, details: str) -> bool:
        """Note that the mail will not be tried again, and why; tell whether it was still held."""
        return self._finish(mail, state=state, failure=failure, last_error=details)

    def _held(self, mail: InvitationEmail) -> models.QuerySet[InvitationEmail]:
        """Keep the row if it is still ours: only one that is held has a time until when."""
        return self.filter(pk=mail.pk, attempts=mail.attempts, lease_until=mail.lease_until)

    def _finish(self, mail: InvitationEmail, **changes: Any) -> bool:
        """Change a row that is still ours, let go of it, and let ``mail`` say the same."""
        changes["lease_until"] = None
        if not self._held(mail).update(**changes):
            return False
        note(mail, changes)
        return True


def _locks_ranges(using: str) -> bool:
    """Tell whether the database locks what lies between the rows that it finds, too."""
    return connections[using].vendor == "mysql"


def _by_lease(mails: Iterable[InvitationEmail]) -> dict[datetime | None, list[int]]:
    groups: dict[datetime | None, list[int]] = {}
    for mail in mails:
        groups.setdefault(mail.lease_until, []).append(mail.pk)
    return groups


class DeliveryPauseManager(PauseOperatingMixin, models.Manager["DeliveryPause"]):
    """Close and open the way out of the house, exactly once each.

    A row with ``failures`` is a closed way. Nobody tries before ``until``; then exactly one does,
    since who wants to moves ``until`` on, and only one finds it where it was.
    """

    #: The first pause, doubled with each try that finds the way still closed, and the longest.
    FIRST = timedelta(minutes=1)
    LONGEST = timedelta(minutes=30)
    #: How long who tries may take. If it dies, another one tries after that.
    TRIAL = timedelta(minutes=2)
    QUEUE = "mail"

    def closed(self) -> models.QuerySet[DeliveryPause]:
        """Keep the row if the way was found closed, whether or not it may be tried again."""
        return self.filter(queue=self.QUEUE, failures__gt=0)

    def ahead(self, now: datetime) -> models.QuerySet[DeliveryPause]:
        """Keep the row if the way was found closed until a moment too far ahead to be true."""
        return self.closed().filter(until__gt=latest(now, self.LONGEST))

    def try_again(self, pause: DeliveryPause, now: datetime) -> bool:
        """Take it on oneself to find out whether the way is open; tell whether nobody else has."""
        until = now + self.TRIAL
        if not self._unchanged(pause).update(until=until):
            return False
        pause.until = until
        return True

    def leave_to_others(self, pause: DeliveryPause, now: datetime) -> None:
        """Let others try at once, where we could not find out."""
        self._unchanged(pause).update(until=now)

    def close(self, reason: str, now: datetime) -> tuple[datetime, bool]:
        """Note that the way is closed; return until when, and whether that is news."""
        self.get_or_create(queue=self.QUEUE, defaults={"until": now, "since": now})
        until = now + self.FIRST
        changes = {"failures": 1, "until": until, "since": now, "reason": reason}
        is_news = self.filter(queue=self.QUEUE, failures=0).update(**changes) == 1
        return until, is_news

    def keep_closed(self, pause: DeliveryPause, reason: str, now: datetime) -> datetime:
        """Note that the way was tried and is still closed; return until when it now is."""
        longer: timedelta = self.FIRST * 2 ** min(pause.failures, 20)
        until = now + min(self.LONGEST, longer)
        changes = {"failures": pause.failures + 1, "until": until, "reason": reason}
        self._unchanged(pause).update(**changes)
        return until

    def reopen(self, pause: DeliveryPause, now: datetime) -> bool:
        """Note that the way is open again; tell whether it was us who found it."""
        return self._unchanged(pause).update(failures=0, until=now) == 1

    def _unchanged(self, pause: DeliveryPause) -> models.QuerySet[DeliveryPause]:
        return self.filter(pk=pause.pk, failures=pause.failures, until=pause.until)
