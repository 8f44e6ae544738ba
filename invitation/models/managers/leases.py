"""Manager methods by which a sender takes emails for a time, so that nobody else sends them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connections, models, transaction
from django.db.models import Exists, Q, Subquery

from invitation.models.moments import passed
from invitation.models.querysets import holds
from invitation.models.statements import Select

if TYPE_CHECKING:
    from invitation.models import InvitationEmail

    Mails = models.Manager[InvitationEmail]
else:
    Mails = object


class MailLeasesMixin(Mails):
    """Methods that lease emails, read them again, and give them back.

    A sender holds a row by a lease: the state ``sending`` and an end time. It leases many rows at
    once. Each change names the end time. So a sender whose lease has ended cannot overwrite the
    work of the next one, not even after ``requeue``.

    An email that was never tried is tried under the lease itself, and its result counts the
    attempt. If the sender dies, nobody knows which email of the batch was the cause. So an email
    that a sender left behind, or that was tried before, is tried alone: ``begin`` counts the
    attempt before it.
    """

    #: Time for one email before another sender may try it.
    LEASE = timedelta(minutes=5)
    #: Longest time until the next try of an email. Emails about expired invitations wait a day.
    WAIT = timedelta(days=1)
    #: Factor for databases that cannot lock the first free rows. A sender looks among this many
    #: times the rows that it wants, so that several senders find different rows.
    CROWD = 8

    def due(self, now: datetime) -> models.QuerySet[InvitationEmail]:
        """Return the emails that are due, and those that a sender left behind."""
        return self.filter(self.waits_no_longer(now) | self.is_left_behind(now))

    def waits_no_longer(self, now: datetime) -> Q:
        """Return the condition that a queued email may be tried now."""
        return Q(state=self.model.State.QUEUED) & passed("not_before", now, now, self.WAIT)

    def is_left_behind(self, now: datetime) -> Q:
        """Return the condition that the lease of an email has ended while it was being sent."""
        return Q(state=self.model.State.SENDING) & passed("lease_until", now, now, self.LEASE)

    def lease_batch(
        self,
        number: int,
        now: datetime,
        pks: Sequence[int] | None = None,
        *,
        least_tried: bool = False,
    ) -> list[InvitationEmail]:
        """Lease up to ``number`` due rows, the oldest first, or those of ``pks``; count no attempt.

        Rows that a sender left behind are picked first. With ``least_tried``, the rows with the
        fewest attempts are picked first. The result is sorted by attempts, the fewest first, and
        rows left behind come after others. The objects have only what a lease needs, and
        ``is_suspect``.
        """
        until = now + self.LEASE
        lock = connections[self.db].features.has_select_for_update_skip_locked
        find = self._lock if lock else self._take
        order = ("attempts", "not_before", "pk") if least_tried else ("not_before", "pk")
        left_behind, waiting = self.is_left_behind(now), self.waits_no_longer(now)
        taken: list[InvitationEmail] = []
        for condition in [left_behind | waiting] if least_tried else [left_behind, waiting]:
            rows = self.filter(condition).order_by(*order)
            rows = rows if pks is None else rows.filter(pk__in=pks)
            left = number - len(taken)
            # Few rows are left behind. It takes one statement to see that there are none.
            if left and (condition is not left_behind or rows.exists()):
                for pk, attempts in find(rows, left, now, until):
                    held = self.model(pk=pk, attempts=attempts, lease_until=until)
                    held.state = self.model.State.SENDING
                    held.is_suspect = attempts > 0 or condition is left_behind
                    taken.append(held)
        # An email may have stopped its sender, or the mail server may hang up on it. It comes last,
        # so that it never delays the others of its batch.
        taken.sort(key=attrgetter("attempts", "is_suspect"))
        return taken

    def _lock(
        self, rows: models.QuerySet[InvitationEmail], number: int, now: datetime, until: datetime
    ) -> list[tuple[int, int]]:
        """Lease the first rows that nobody has locked."""
        with transaction.atomic(using=self.db):
            taken = list(self._locked(rows, number, now))
            if taken:
                changes = {"state": self.model.State.SENDING, "lease_until": until}
                self.filter(pk__in=[pk for pk, _ in taken]).update(**changes)
        return taken

    def _locked(
        self, rows: models.QuerySet[InvitationEmail], number: int, now: datetime
    ) -> list[tuple[int, int]]:
        """Lock up to ``number`` of these rows, and skip those that others have locked."""
        if not _locks_ranges(self.db):
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
        if not seen:
            return []
        changes = {"state": self.model.State.SENDING, "lease_until": until}
        first = seen[:number]
        # Both transactions begin with a write: SQLite may refuse a write after a read.
        with transaction.atomic(using=self.db):
            free = self.filter(self._due_by_key(now), pk__in=[pk for pk, _ in first])
            if free.update(**changes) == len(first):
                return first
            transaction.set_rollback(True, using=self.db)
        taken: list[tuple[int, int]] = []
        with transaction.atomic(using=self.db):
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

    def renew(self, mails: Sequence[InvitationEmail], now: datetime) -> None:
        """Renew one lease of several rows, for those of them that are still ours."""
        until = now + self.LEASE
        held = self.filter(pk__in=[mail.pk for mail in mails], lease_until=mails[0].lease_until)
        held.update(lease_until=until)
        for mail in mails:
            mail.lease_until = until

    def look(
        self, held: InvitationEmail, digests: Sequence[bytes] = ()
    ) -> tuple[InvitationEmail | None, datetime | None]:
        """Return the present row of an email that we hold, and the end of the pause; one query.

        The row comes with its invitation and inviter. It is ``None`` if we no longer hold it, or if
        cleanup has deleted it. The second value is the end of the present pause, even if that
        moment has passed. With ``digests``, the row's ``suppressed`` tells whether one of them is
        suppressed.
        """
        known = {f"digest{place}": digest for place, digest in enumerate(digests)}
        mail = looking(len(digests)).first(self, pk=held.pk, **known)
        if mail is None or not mail.is_held_as(held):
            return None, None
        return mail, mail.paused_until

    def look_at(self, held: Sequence[InvitationEmail]) -> dict[int, InvitationEmail]:
        """Return the present rows of emails that we still hold, by primary key; one query.

        They come with their invitations and inviters.
        """
        leased = {mail.pk: mail for mail in held}
        rows = self.select_related("invitation__from_user").filter(pk__in=leased).order_by()
        return {row.pk: row for row in rows if row.is_held_as(leased[row.pk])}

    def lease(self, pk: int, now: datetime) -> InvitationEmail | None:
        """Lease one due row, begin an attempt and return the row.

        Returns ``None`` if the row is not due or another sender has it.
        """
        for held in self.lease_batch(1, now, [pk]):
            if self.begin(held, now):
                return self.look_at([held]).get(pk)
        return None

    def release(self, mails: Iterable[InvitationEmail]) -> None:
        """Release leased rows whose attempt has not begun."""
        for until, group in by_lease(mails).items():
            held = self.filter(pk__in=[mail.pk for mail in group], lease_until=until)
            held.update(state=self.model.State.QUEUED, lease_until=None)

    def _held(self, mail: InvitationEmail) -> models.QuerySet[InvitationEmail]:
        """Return the row if it is still ours; only a held row has a ``lease_until``."""
        return self.filter(pk=mail.pk, lease_until=mail.lease_until)


@cache
def looking(number: int) -> Select:
    """Return the statement of ``look`` for so many digests, one for each signing key."""
    suppressed: Any = apps.get_model("invitation", "SuppressedAddress")
    pauses: Any = apps.get_model("invitation", "DeliveryPause").objects

    def build(rows: Any, pk: Any, **digests: Any) -> Any:
        paused = Subquery(pauses.closed().values("until"))
        rows = rows.select_related("invitation__from_user").annotate(paused_until=paused)
        if digests:
            known = suppressed.objects.known(list(digests.values()))
            rows = rows.annotate(suppressed=Exists(known))
        return rows.filter(pk=pk).order_by()

    field: Any = suppressed._meta.get_field("digest")
    fields = {f"digest{place}": field for place in range(number)}
    return Select(build, pk=models.BigIntegerField(), **fields)


def by_lease(mails: Iterable[InvitationEmail]) -> dict[datetime | None, list[InvitationEmail]]:
    """Return the emails of each lease, by its end."""
    groups: dict[datetime | None, list[InvitationEmail]] = {}
    for mail in mails:
        groups.setdefault(mail.lease_until, []).append(mail)
    return groups


def _locks_ranges(using: str) -> bool:
    """Return whether the database also locks the gaps between the rows that it finds."""
    return connections[using].vendor == "mysql"
