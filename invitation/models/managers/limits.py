"""Exact counts of the emails of a day."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.db import connections, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, LessThan

from invitation.models.managers.batches import ROWS_AT_ONCE, insert_or_update, values_at_once
from invitation.models.managers.writer import WriterManager
from invitation.models.moments import latest

if TYPE_CHECKING:
    from invitation.models import MailCounter  # noqa: F401 (named in a text)

#: Buckets before the current one that count. Two moments at most 24 hours apart are never further
#: apart than this.
HOURS = 24
#: A counter written further ahead than this has no hour that counts.
AHEAD = timedelta(hours=2 * HOURS + 1)

#: Statement that counts emails in several scopes, by kind of database. It locks the counters in the
#: order of its rows, and returns what each has then. It does what ``hold`` and ``add`` do.
_COUNTING = {
    "postgresql": """
        INSERT INTO {table} (scope, hours, updated_at)
        SELECT v.scope, jsonb_build_object(%s::text, v.n), %s::timestamptz
        FROM unnest(%s::bytea[], %s::int[]) AS v(scope, n)
        ON CONFLICT (scope) DO UPDATE SET
            hours = (
                SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(
                    {table}.hours || jsonb_build_object(
                        %s::text,
                        COALESCE(({table}.hours->>%s)::int, 0) + (EXCLUDED.hours->>%s)::int
                    )
                ) AS e
                WHERE e.key::int BETWEEN %s AND %s
            ),
            updated_at = EXCLUDED.updated_at
        RETURNING
            scope, (SELECT SUM(e.value::int) FROM jsonb_each_text({table}.hours) AS e)::int""",
    "sqlite": """
        INSERT INTO {table} (scope, hours, updated_at)
        SELECT v.column1, json_object(%s, v.column2), %s FROM (VALUES {rows}) AS v WHERE true
        ON CONFLICT (scope) DO UPDATE SET
            hours = (
                SELECT json_group_object(e.key, e.value) FROM json_each(
                    json_set(
                        {table}.hours,
                        %s,
                        COALESCE(json_extract({table}.hours, %s), 0)
                            + json_extract(EXCLUDED.hours, %s)
                    )
                ) AS e
                WHERE CAST(e.key AS INTEGER) BETWEEN %s AND %s
            ),
            updated_at = EXCLUDED.updated_at
        RETURNING scope, (SELECT SUM(e.value) FROM json_each({table}.hours) AS e)""",
}
#: Name of an hour in these statements.
_NAMING = {"postgresql": "{}", "sqlite": '$."{}"'}
#: How these statements take the columns of their rows: row by row, or each column as one value.
_GIVING: dict[str, Callable[..., Iterable[Any]]] = {
    "postgresql": lambda *columns: columns,
    "sqlite": lambda *columns: chain.from_iterable(zip(*columns, strict=True)),
}


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

    def count_at_once(
        self, taken: Mapping[bytes, int], hour: int, now: datetime
    ) -> dict[bytes, int]:
        """Count so many emails in each of these scopes; return what each of them has then.

        The caller rolls the transaction back if that is too much. One statement counts thousands.
        MySQL and MariaDB have none that returns what it counts: they need ``hold`` and ``add``.
        """
        connection = connections[self.db]
        able = connection.features.can_return_columns_from_insert and connection.vendor in _COUNTING
        if not able:
            held = self.hold(taken, hour, now)
            self.add(held, taken, hour, now)
            return {scope: sum(held[scope].values()) + number for scope, number in taken.items()}
        names = ("scope", "updated_at")
        columns: list[Any] = [self.model._meta.get_field(name) for name in names]
        moment = columns[1].get_db_prep_save(now, connection)
        convert = columns[0].get_db_converters(connection)
        at, recent = _NAMING[connection.vendor].format(hour), (hour - HOURS, hour + HOURS)
        wanted, used = sorted(taken), dict[bytes, int]()
        for start in range(0, len(wanted), ROWS_AT_ONCE):
            some = wanted[start : start + ROWS_AT_ONCE]
            scopes = [columns[0].get_db_prep_save(scope, connection) for scope in some]
            numbers = [taken[scope] for scope in some]
            values = _GIVING[connection.vendor](scopes, numbers)
            sql = _COUNTING[connection.vendor].format(
                table=connection.ops.quote_name(self.model._meta.db_table),
                rows=", ".join(["(%s, %s)"] * len(some)),
            )
            given = [str(hour), moment, *values, at, at, at, *recent]
            with transaction.mark_for_rollback_on_error(self.db), connection.cursor() as cursor:
                cursor.execute(sql, given)
                used |= {
                    reduce(lambda value, step: step(value, None, connection), convert, scope): sum_
                    for scope, sum_ in cursor.fetchall()
                }
        return used

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
