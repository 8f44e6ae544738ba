"""Managers that count what members spend, and write the ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet
from django.db import connections, models, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.constants import OnConflict
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, LessThanOrEqual
from django.utils import timezone

from invitation.models.managers.refunds import REWARD, RefundingMixin
from invitation.models.managers.spends import SPENDING
from invitation.models.managers.writer import WriterManager
from invitation.models.moments import latest, passed, since
from invitation.models.querysets import lock_in_order

if TYPE_CHECKING:
    from invitation.models import (  # noqa: F401 (some are named in a text)
        InvitationKey,
        InvitationQuota,
        QuotaEntry,
        ThrottleCounter,
    )


def _insert(
    manager: models.Manager[Any],
    column: str,
    source: models.QuerySet[Any],
    source_column: str,
    values: dict[str, Any],
    *,
    unless_there: bool = False,
) -> None:
    """Insert a row for each row of another queryset, in one query.

    ``values`` has an expression of the source's row for each of the other columns. With
    ``unless_there``, rows that exist already are left as they are.
    """
    wrapper = connections[manager.db]
    ops, opts = wrapper.ops, manager.model._meta
    columns = [opts.get_field(name).column for name in (column, *values)]
    rows = source.values_list(source_column, *values.values())
    try:
        select, params = rows.query.get_compiler(connection=wrapper).as_sql()
    except EmptyResultSet:
        return
    names = ", ".join(ops.quote_name(name) for name in columns)
    table = ops.quote_name(opts.db_table)
    insert, suffix = ops.insert_statement(), ""
    if unless_there:
        insert = ops.insert_statement(on_conflict=OnConflict.IGNORE)
        suffix = ops.on_conflict_suffix_sql([], OnConflict.IGNORE, [], [])
    with wrapper.cursor() as cursor:
        cursor.execute(f"{insert} {table} ({names}) {select} {suffix}", params)


class InvitationQuotaManager(RefundingMixin, WriterManager["InvitationQuota"]):
    """Manager that counts what members spend, exactly under concurrent changes."""

    def hold(self, user: Any) -> None:
        """Make sure that a member has a row, and lock it until the end of the transaction.

        The row is always written, for the lock. If it were only found, MariaDB would give each
        transaction a shared lock. Then none of them could get the exclusive lock that it needs
        next.
        """
        self._insert_or_lock([self.model(inviter=user)])

    def _insert_or_lock(self, rows: list[InvitationQuota]) -> None:
        features = connections[self.db].features
        self.bulk_create(
            rows,
            update_conflicts=True,
            update_fields=["inviter"],
            unique_fields=["inviter"] if features.supports_update_conflicts_with_target else None,
        )

    def has_row(self, user: Any) -> bool:
        """Return whether a member has a row, and lock it if there is one."""
        # Use a write: SQLite may refuse a write after a read in the same transaction.
        return bool(self.filter(inviter=user).update(spent=F("spent")))

    def spend(
        self,
        user: Any,
        limit: int | None,
        amount: int = 1,
        *,
        current: tuple[timedelta, datetime] | None = None,
        slot: Any = None,
        declined: tuple[str, int] | None = None,
    ) -> bool:
        """Spend from a member's quota if enough is left; return whether it was.

        The result is false if the member has no row. ``limit`` is the site's limit for the member,
        ``None`` for no limit. Grants come on top. The method never decides by counting rows.

        With ``current``, a period and the present time, it spends only if that period is not over.
        With ``slot``, it spends nothing if the member has a pending invitation at this slot. With
        ``declined`` as well, an address and a site, it spends nothing if this address has declined
        an invitation from the member. To see what other transactions are about to commit, call
        ``hold`` before.
        """
        period, now = current or (timedelta(), timezone.now())
        email_key, site_id = declined or ("", 0)
        spent = SPENDING.run(
            self,
            *(limit is not None, current is not None, slot is not None, declined is not None),
            inviter=user.pk,
            amount=amount,
            limit=max(limit or 0, 0),
            begin=now - period,
            latest=latest(now),
            slot=slot,
            email_key=email_key,
            site_id=site_id,
        )
        return spent == 1

    def refill(
        self,
        user: Any,
        limit: int | None,
        period: timedelta,
        now: datetime,
        *,
        begin: bool = True,
    ) -> int:
        """Begin a new period if the last one is over; return how many invitations come back.

        What was spent beyond the site's limit was taken from the grants. Grants do not come back.
        Call ``hold`` before. With ``begin=False`` the old period ends, and no new one begins.
        """
        row = self.select_for_update().get(inviter=user)
        if not row.is_over(period, now):
            return 0
        regained = row.refillable(limit)
        granted = row.granted - (row.spent - regained)
        start = now if begin else None
        self.filter(pk=row.pk).update(granted=granted, spent=0, period_start=start)
        return regained

    def of(self, user: Any) -> InvitationQuota:
        """Return a member's quota; a member without a row gets an unsaved one."""
        return self.filter(inviter=user).first() or self.model(inviter=user)

    # -- many members; call these inside a transaction ---------------------------------------

    def hold_all(
        self, users: models.QuerySet[Any], *, create: bool = True
    ) -> models.QuerySet[InvitationQuota]:
        """Make sure that these members have rows, lock and return them; two or three queries.

        With ``create=False``, missing rows are not created.
        """
        rows = self.filter(inviter__in=users)
        wrapper = connections[self.db]
        new = users.order_by("pk").filter(~Exists(self.filter(inviter=OuterRef("pk"))))
        if wrapper.vendor != "mysql":
            if create:
                values = {"granted": Value(0), "spent": Value(0), "unlimited": Value(False)}
                _insert(self, "inviter", new, "pk", values, unless_there=True)
            lock_in_order(rows, "spent")
            return rows
        # On MySQL and MariaDB, an insert of selected rows locks the table's next key while it waits
        # for a row. The transaction that has that row may want the next key. That deadlock ends
        # only by a timeout.
        if create:
            missing = [self.model(inviter_id=pk) for pk in new.values_list("pk", flat=True)]
            self._insert_or_lock(missing)
        # From here on by primary key: see ``querysets.holds``.
        pks = rows.order_by("pk").select_for_update().values_list("pk", flat=True)
        return self.filter(pk__in=list(pks))

    def over(
        self, rows: models.QuerySet[InvitationQuota], limit: Any, period: timedelta, now: datetime
    ) -> models.QuerySet[InvitationQuota]:
        """Return the quotas whose period is over, with ``used`` and ``regained``.

        This is ``refillable`` in SQL. No difference is below zero: see ``spend``.
        """
        ended = passed("period_start", now - period, now) | Q(period_start=None, spent__gt=0)
        used = Case(
            When(Q(site_limit=None) | Q(unlimited=True), then=Value(0)),
            When(spent__lte=F("site_limit"), then=Value(0)),
            When(spent__gte=F("site_limit") + F("granted"), then=F("granted")),
            default=F("spent") - F("site_limit"),
            output_field=models.IntegerField(),
        )
        rows = rows.annotate(site_limit=limit).filter(ended).annotate(used=used)
        return rows.annotate(regained=F("spent") - F("used"))

    def settle(self, rows: models.QuerySet[InvitationQuota]) -> None:
        """End the period of the quotas that ``over`` returned."""
        # MySQL evaluates assignments from left to right and with the new values.
        rows.update(granted=F("granted") - F("used"), spent=0, period_start=None)

    def short_of(
        self, rows: models.QuerySet[InvitationQuota], limit: Any, amount: int
    ) -> models.QuerySet[InvitationQuota]:
        """Return the quotas that have less than this left, with the difference as ``missing``."""
        rows = rows.filter(unlimited=False).annotate(
            wanted=F("spent") + Value(amount), site_limit=limit
        )
        rows = rows.filter(wanted__gt=F("site_limit") + F("granted"))
        return rows.annotate(missing=F("wanted") - (F("site_limit") + F("granted")))

    def add(
        self, rows: models.QuerySet[InvitationQuota], entries: models.QuerySet[QuotaEntry]
    ) -> int:
        """Grant the amounts of these entries; return how many quotas changed.

        There may be at most one entry for each quota.
        """
        own = entries.filter(inviter=OuterRef("inviter"))
        changes = {"granted": F("granted") + Subquery(own.values("change"))}
        return rows.filter(Exists(own)).update(**changes)

    def differing(self) -> models.QuerySet[InvitationQuota]:
        """Return the quotas that differ from the sum of their entries, the ``total``."""
        entries: Any = self.model._meta.apps.get_model("invitation", "QuotaEntry").objects
        sums = entries.filter(inviter=OuterRef("inviter")).order_by().values("inviter")
        total = Coalesce(Subquery(sums.annotate(sum=models.Sum("change")).values("sum")), 0)
        rows = self.annotate(total=total)
        return rows.exclude(granted=F("total") + F("spent"))


class QuotaEntryManager(WriterManager["QuotaEntry"]):
    """Manager that writes the ledger."""

    def latest_pk(self) -> int:
        """Return the primary key of the newest entry, or 0."""
        newest: int | None = self.aggregate(newest=models.Max("pk"))["newest"]
        return newest or 0

    def write_all(
        self, rows: models.QuerySet[InvitationQuota], change: Any, reason: str, now: datetime
    ) -> None:
        """Write an entry for each of these quotas; ``change`` is an expression of its row."""
        moment = Value(now, models.DateTimeField())
        values = {"change": change, "reason": Value(str(reason)), "created_at": moment}
        _insert(self, "inviter", rows.order_by(), "inviter_id", values)

    def without_quota(self) -> models.QuerySet[Any, Any]:
        """Return the sums of members who have entries but no quota; there should be none."""
        quotas: Any = self.model._meta.apps.get_model("invitation", "InvitationQuota").objects
        rows = self.filter(~Exists(quotas.filter(inviter=OuterRef("inviter"))))
        sums = rows.order_by("inviter").values("inviter").annotate(total=models.Sum("change"))
        return sums.exclude(total=0)

    def balance_of(self, invitation: InvitationKey) -> int | None:
        """Return the sum of an invitation's entries, or ``None`` if it has none; ignore rewards."""
        # The inviter's entries have an index.
        paid = self.filter(inviter=invitation.from_user_id, invitation=invitation)
        paid = paid.exclude(reason=REWARD)
        sums = paid.aggregate(sum=models.Sum("change"))
        balance: int | None = sums["sum"]
        return balance


class ThrottleCounterManager(WriterManager["ThrottleCounter"]):
    """Manager that counts limited attempts, exactly under concurrent changes.

    Each statement finds its row by the scope, so that all of them lock in one order.
    """

    def hit(self, scope: bytes, limit: int, window: timedelta, now: datetime) -> bool:
        """Count an attempt unless the window is full; return whether it was counted."""
        # One transaction: the row must stay until the attempt is counted.
        with transaction.atomic(using=self.db):
            self.hold(scope, now)
            return self.hit_held(scope, limit, window, now)

    def hit_held(self, scope: bytes, limit: int, window: timedelta, now: datetime) -> bool:
        """Count an attempt as ``hit`` does; call ``hold`` before, in the same transaction."""
        over = _begun_by(now - window) | _begun_ahead(now)
        rows = self.filter(scope=scope)
        free = rows.filter(over | Q(count__lt=limit)) if limit > 0 else self.none()
        changed = free.update(
            # MySQL assigns from left to right, so what reads the window comes before it.
            count=Case(When(over, then=Value(1)), default=F("count") + 1),
            window_start=Case(When(over, then=Value(now)), default=F("window_start")),
        )
        return changed == 1

    def hold_with_room(self, scope: bytes, limit: int, window: timedelta, now: datetime) -> bool:
        """Lock a counter as ``hold`` does; return whether an attempt more fits into its window."""
        self.hold(scope, now)
        return limit > 0 and not self.is_full(scope, limit, window, now)

    def hold(self, scope: bytes, now: datetime, field: str = "scope") -> None:
        """Lock a counter until the end of the transaction; create it if it is missing."""
        features = connections[self.db].features
        target = ["scope"] if features.supports_update_conflicts_with_target else None
        self.bulk_create(
            [self.model(scope=scope, window_start=now)],
            update_conflicts=True,
            update_fields=[field],
            unique_fields=target,
        )

    def take_turn(self, scope: bytes, now: datetime) -> None:
        """Let one transaction at a time go on, until its end, also on several nodes of a cluster.

        The row gets a new value. A lock alone does not reach another node, and a stricter isolation
        level lets the one that waited go on with what it read before.
        """
        self.hold(scope, now, "window_start")

    def is_full(self, scope: bytes, limit: int, window: timedelta, now: datetime) -> bool:
        """Return whether the window has reached the limit."""
        begun = since("window_start", now - window, now)
        return self.filter(begun, scope=scope, count__gte=limit).exists()

    def take_back(self, scope: bytes) -> None:
        """Subtract an attempt that should not have counted."""
        self.filter(scope=scope, count__gt=0).update(count=F("count") - 1)

    def forget(self, before: datetime, limit: int, now: datetime) -> int:
        """Delete up to ``limit`` counters whose window began before a time; return how many.

        Counters whose window begins too far ahead to be true are deleted as well: they limit
        nothing.
        """
        useless = passed("window_start", before, now)
        old = list(self.filter(useless).values_list("scope", flat=True)[:limit])
        # Delete one at a time and by the scope: see the class.
        useless = _begun_by(before) | _begun_ahead(now)
        return sum(self.filter(useless, scope=x).delete()[0] for x in old)


def _begun_by(moment: datetime) -> Q:
    """Return the condition that a window began by then; no index serves it (see ``holds``)."""
    return Q(LessThanOrEqual(Coalesce(F("window_start"), Value(moment)), Value(moment)))


def _begun_ahead(now: datetime) -> Q:
    """Return the condition that a window begins too far ahead to be true.

    No index serves it (see ``holds``).
    """
    moment = latest(now)
    return Q(GreaterThan(Coalesce(F("window_start"), Value(moment)), Value(moment)))
