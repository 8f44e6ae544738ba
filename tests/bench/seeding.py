"""Rows by the hundred thousand: copies of rows that the real verbs wrote.

A column that is not named here has the value that it has in the row of the real verb. A name that
the model does not have is left out. So a change of the schema changes nothing here.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any

from django.core.management.color import no_style
from django.db import connection, models, transaction

#: Values of some columns for the row of this number.
Varying = Callable[[int], Mapping[str, Any]]

ROWS_AT_ONCE = 5_000

#: Random text like that of ``secrets.token_urlsafe``, made by PostgreSQL from so many UUIDs of 16
#: bytes each.
_TOKEN = "rtrim(translate(encode({bytes}, 'base64'), '+/', '-_'), '=')"
RANDOM_16 = "uuid_send(gen_random_uuid())"
TOKEN_16 = _TOKEN.format(bytes=RANDOM_16)
TOKEN_32 = _TOKEN.format(bytes=f"{RANDOM_16} || {RANDOM_16}")


def write(template: models.Model, numbers: Iterable[int], varying: Varying) -> None:
    """Write a copy of this row for each number, with what varies."""
    if connection.vendor == "postgresql":
        _copy(template, numbers, varying)
    else:
        _insert(template, numbers, varying)


def can_repeat() -> bool:
    """Return whether the server can make rows from others by itself: see ``repeat``."""
    return connection.vendor == "postgresql"


def repeat(
    model: type[models.Model], source: range, number: int, changes: Mapping[str, str]
) -> None:
    """Write ``number`` copies of the first of these rows. ``source`` is their primary keys.

    ``changes`` has SQL for the columns that differ from those of the copied row.
    """
    quote = connection.ops.quote_name
    columns = [field.column for field in model._meta.concrete_fields]
    values = ", ".join(changes.get(column, quote(column)) for column in columns)
    names, table = ", ".join(map(quote, columns)), quote(model._meta.db_table)
    sql = f"INSERT INTO {table} ({names}) SELECT {values} FROM {table}"  # noqa: S608
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        last = source.start + number
        cursor.execute(f"{sql} WHERE id >= {source.start} AND id < {last} ORDER BY id")


@contextmanager
def without_constraints(model: type[models.Model]) -> Iterator[None]:
    """Make a table's unique indexes anew after many rows are written, which is faster.

    It is for the floor: indexes that grew row by row, as on a site, are larger.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND contype = 'u'",
            [table],
        )
        found = [(connection.ops.quote_name(name), words) for name, words in cursor.fetchall()]
        for name, _words in found:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield
    with connection.cursor() as cursor:
        for name, words in found:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {words}")


def begin_at(number: int, rows: Iterable[models.Model]) -> None:
    """Let the next rows of these models have primary keys above this number."""
    for row in rows:
        model: Any = type(row)
        name = model._meta.pk.name
        with transaction.atomic(), connection.cursor() as cursor:
            model._base_manager.filter(pk=row.pk).update(**{name: number})
            for sql in connection.ops.sequence_reset_sql(no_style(), [model]):
                cursor.execute(sql)
            if connection.vendor == "sqlite":  # which looks only at what is inserted
                sql = "UPDATE sqlite_sequence SET seq = %s WHERE name = %s"
                cursor.execute(sql, [number, model._meta.db_table])
            model._base_manager.filter(pk=number).update(**{name: row.pk})


def settle() -> None:
    """Make the statistics, as autovacuum does on a site, and write what waits to be written."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")  # else it would go on beside what is measured
        else:
            cursor.execute("ANALYZE")


#: How COPY reads a value that varies, by its type; texts that vary need no escapes.
_PLAIN: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: r"\N",
    bytes: lambda value: r"\\x" + value.hex(),
    datetime: datetime.isoformat,
    int: str,
    str: str,
}


def _text(value: Any) -> str:
    """Return any value in the text format of COPY."""
    if type(value) in (type(None), bytes, datetime, int):
        return _PLAIN[type(value)](value)
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    return str(value).replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n")


def _copy(template: models.Model, numbers: Iterable[int], varying: Varying) -> None:
    fields = list(template._meta.concrete_fields)
    names = [field.attname for field in fields if field.attname in varying(0)]
    line = "\t".join(
        "%s"
        if field.attname in names
        else _text(getattr(template, field.attname)).replace("%", "%%")
        for field in fields
    )
    line += "\n"
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    sql = f"COPY {quote(template._meta.db_table)} ({columns}) FROM STDIN"

    def lines() -> Iterator[str]:
        for number in numbers:
            values = varying(number)
            yield line % tuple(_PLAIN[type(v := values[name])](v) for name in names)

    with transaction.atomic(), connection.cursor() as cursor:
        # Foreign keys are right, and looking at each is most of the work.
        cursor.execute("SET LOCAL session_replication_role = replica")
        rows = lines()
        with cursor.copy(sql) as out:
            while part := "".join(islice(rows, ROWS_AT_ONCE)):
                out.write(part)


def _insert(template: models.Model, numbers: Iterable[int], varying: Varying) -> None:
    numbers = iter(numbers)
    row = copy.copy(template)
    fields = list(template._meta.concrete_fields)
    places = ", ".join(["%s"] * len(fields))
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    sql = f"INSERT INTO {quote(template._meta.db_table)} ({columns}) VALUES ({places})"  # noqa: S608
    fixed = {f.attname: f.get_db_prep_save(getattr(row, f.attname), connection) for f in fields}

    def values_of(number: int) -> tuple[Any, ...]:
        values = varying(number)
        return tuple(
            field.get_db_prep_save(values[field.attname], connection)
            if field.attname in values
            else fixed[field.attname]
            for field in fields
        )

    with transaction.atomic(), connection.cursor() as cursor:
        while part := [values_of(number) for number in islice(numbers, ROWS_AT_ONCE)]:
            cursor.executemany(sql, part)
