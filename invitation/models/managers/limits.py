"""Exact counts of the emails of a day."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

from django.db import connections, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, LessThan

from invitation.models.managers.batches import insert_or_update, values_at_once
from invitation.models.managers.writer import WriterManager
from invitation.models.moments import latest

if TYPE_CHECKING:
    from invitation.models import MailCounter  # noqa: F401 (named in a text)

#: Buckets before the current one that count. Two moments at most 24 hours apart are never further
#: apart than this.
HOURS = 24
#: A counter written further ahead than this has no hour that counts.
AHEAD = timedelta(hours=2 * HOURS + 1)

#: Statement that counts an email in several scopes, by kind of database. It locks the counters in
#: the order of its rows. A full counter is not changed. It does what ``hold`` and ``add`` do. MySQL
#: and MariaDB have no condition for such an update.
_COUNTING = {
    "postgresql": """
        INSERT INTO {table} (scope, hours, updated_at) VALUES {rows}
        ON CONFLICT (scope) DO UPDATE SET
            hours = (
                SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(
                    {table}.hours
                    || jsonb_build_object(%s::text, COALESCE(({table}.hours->>%s)::int, 0) + 1)
                ) AS e
                WHERE e.key::int BETWEEN %s AND %s
            ),
            updated_at = EXCLUDED.updated_at
        WHERE COALESCE(
            (
                SELECT SUM(e.value::int) FROM jsonb_each_text({table}.hours) AS e
                WHERE e.key::int BETWEEN %s AND %s
            ), 0
        ) < CASE {table}.scope {limits} END
        RETURNING scope""",
    "sqlite": """
        INSERT INTO {table} (scope, hours, updated_at) VALUES {rows}
        ON CONFLICT (scope) DO UPDATE SET
            hours = (
                SELECT json_group_object(e.key, e.value) FROM json_each(
                    json_set(
                        {table}.hours, %s, COALESCE(json_extract({table}.hours, %s), 0) + 1
                    )
                ) AS e
                WHERE CAST(e.key AS INTEGER) BETWEEN %s AND %s
            ),
            updated_at = EXCLUDED.updated_at
        WHERE COALESCE(
            (
                SELECT SUM(e.value) FROM json_each({table}.hours) AS e
                WHERE CAST(e.key AS INTEGER) BETWEEN %s AND %s
            ), 0
        ) < CASE {table}.scope {limits} END
        RETURNING scope""",
}
#: Name of an hour in these statements.
_NAMING = {"postgresql": "{}", "sqlite": '$."{}"'}


class MailCounterManager(WriterManager["MailCounter"]):
    """Manager that counts emails in many scopes, exactly under concurrent changes.

    Each statement finds its rows by their scopes, and locks them in the order of the scopes. Lock
    these rows last. After that, a transaction must not lock any other row.
    """

    def used(self, scopes: Collection[bytes], hour: int) -> dict[bytes, int]:
        """Return each scope's number of emails in the last 24 hours, without a lock."""
        return {scope: sum(hours.values()) for scope, hours in self._recent(scopes, hour)}

    def hold(
        self, scopes: Collection[bytes], hour: int, now: datetime
    ) -> dict[bytes, dict[str, int]]:
        """Lock the counters until the end of the transaction; return the counts of their hours.

        Missing counters are created. Call it in a transaction.
        """
        # Write a value that differs from the old one. On MySQL and MariaDB the rows then belong to
        # this transaction. It reads their present values, even if it has read before.
        rows = [self.model(scope=scope, updated_at=now) for scope in sorted(scopes)]
        insert_or_update(rows, "scope", ["updated_at"])
        # Not a locking read: MariaDB reads all rows of a small table and would wait for each.
        return dict(self._recent(scopes, hour))

    def count_one(self, limits: Mapping[bytes, int], hour: int, now: datetime) -> set[bytes] | None:
        """Count an email in each of these scopes, with one statement; return the full ones.

        The others are counted, so a transaction with a full one must be rolled back. Return
        ``None`` if this database, or a limit of zero, needs ``hold`` and ``add``.
        """
        connection = connections[self.db]
        able = connection.features.can_return_columns_from_insert and connection.vendor in _COUNTING
        if not able or min(limits.values()) < 1:
            return None
        names = ("scope", "hours", "updated_at")
        columns: list[Any] = [self.model._meta.get_field(name) for name in names]
        scopes, rows, choices = sorted(limits), [], []
        for scope in scopes:
            row = zip(columns, (scope, {str(hour): 1}, now), strict=True)
            values = [column.get_db_prep_save(value, connection) for column, value in row]
            rows += values
            choices += [values[0], limits[scope]]
        at, recent = _NAMING[connection.vendor].format(hour), (hour - HOURS, hour + HOURS)
        sql = _COUNTING[connection.vendor].format(
            table=connection.ops.quote_name(self.model._meta.db_table),
            rows=", ".join(["(%s, %s, %s)"] * len(scopes)),
            limits=" ".join(["WHEN %s THEN %s"] * len(scopes)),
        )
        with transaction.mark_for_rollback_on_error(self.db), connection.cursor() as cursor:
            cursor.execute(sql, [*rows, at, at, *recent, *recent, *choices])
            counted = cursor.fetchall()
        if len(counted) == len(scopes):
            return set()
        convert = columns[0].get_db_converters(connection)
        return set(scopes) - {
            reduce(lambda value, step: step(value, None, connection), convert, scope)
            for (scope,) in counted
        }

    def add(
        self,
        held: Mapping[bytes, Mapping[str, int]],
        taken: Mapping[bytes, int],
        hour: int,
        now: datetime,
    ) -> None:
        """Add to the counts of this hour; call ``hold`` before."""
        rows = []
        for scope in sorted(taken):
            hours = dict(held[scope])
            hours[str(hour)] = hours.get(str(hour), 0) + taken[scope]
            rows.append(self.model(scope=scope, hours=hours, updated_at=now))
        insert_or_update(rows, "scope", ["hours", "updated_at"])

    def forget(self, before: datetime, limit: int, now: datetime) -> int:
        """Delete up to ``limit`` counters that were last written before a time; return how many.

        Counters whose time is too far ahead to be true are deleted as well: they limit nothing.
        """
        ahead = latest(now, AHEAD)
        condition = Q(updated_at__lt=before) | Q(updated_at__gt=ahead)
        old = list(self.filter(condition).values_list("scope", flat=True)[:limit])
        # Delete one at a time and by the scope: see the class. No index serves the condition: see
        # ``holds``. MariaDB compares the value as text. There a full second without its zeros is
        # less, never equal.
        written = Coalesce(F("updated_at"), Value(before))
        unwritten = Q(LessThan(written, Value(before))) | Q(GreaterThan(written, Value(ahead)))
        return sum(self.filter(unwritten, scope=scope).delete()[0] for scope in old)

    def _recent(
        self, scopes: Collection[bytes], hour: int
    ) -> Iterator[tuple[bytes, dict[str, int]]]:
        """Yield each counter that exists, without hours that are too old."""
        wanted = sorted(scopes)
        size = values_at_once(self.db)
        for start in range(0, len(wanted), size):
            rows: Any = self.filter(scope__in=wanted[start : start + size])
            for scope, hours in rows.values_list("scope", "hours"):
                # Also hours ahead of this machine's clock, but no more than a day.
                begin, end = hour - HOURS, hour + HOURS
                yield scope, {at: n for at, n in hours.items() if begin <= int(at) <= end}
