"""Inserts of thousands of rows with few statements, on every database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connections, models, router
from django.db.models.constants import OnConflict
from django.db.models.expressions import DatabaseDefault
from django.db.models.sql import InsertQuery

#: Most values in one statement. SQLite allows 32,766 (since 3.32). PostgreSQL allows 65,535 if the
#: server fills them in. MariaDB allows 16 MB.
VALUES_AT_ONCE = 32_000
#: Most rows in one statement. What the driver makes of them is in memory at once.
ROWS_AT_ONCE = 2_500
_SQLITE_SINCE = (3, 32)


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model; the objects do not get their primary keys.

    MySQL does not return the keys. Django's ``bulk_create`` passes SQLite only 999 values at a
    time, which is 40 invitations. Call this function in a transaction, since it may take several
    statements. Columns that the database would fill in with the same value are left out.
    """
    if rows:
        fields = _without_key(type(rows[0]))
        _insert(rows, [field for field in fields if not _is_filled_in(field, rows)])


def insert_or_update(rows: Sequence[models.Model], unique: str, update: Sequence[str]) -> None:
    """Insert rows, or update some columns of existing ones, and lock them in their order.

    If ``unique`` is the primary key, the rows must have theirs.
    """
    if rows:
        opts = type(rows[0])._meta
        features = connections[router.db_for_write(type(rows[0]))].features
        target = [opts.get_field(unique)] if features.supports_update_conflicts_with_target else []
        _insert(
            rows,
            opts.concrete_fields if opts.pk.name == unique else _without_key(type(rows[0])),
            on_conflict=OnConflict.UPDATE,
            update_fields=[opts.get_field(name) for name in update],
            unique_fields=target,
        )


def _without_key(model: type[models.Model]) -> list[Any]:
    """Return the columns of a model without a primary key that the database fills in."""
    fields = model._meta.concrete_fields
    return [field for field in fields if not isinstance(field, models.AutoField)]


def _is_filled_in(field: Any, rows: Sequence[models.Model]) -> bool:
    """Return whether the database fills in what each of these rows has in this column."""
    if field.db_default is not models.NOT_PROVIDED:
        known = field.db_default
    elif field.null:
        known = None
    else:
        return False
    values = (getattr(row, field.attname) for row in rows)
    return all(isinstance(value, DatabaseDefault) or value == known for value in values)


def insert_like(like: models.Model, columns: Mapping[str, Sequence[Any]]) -> None:
    """Insert rows that equal ``like``, except for these columns: one row for each of their values.

    It keeps no object for each row. Otherwise it is as ``insert``.
    """
    model, number = type(like), min(map(len, columns.values()))
    fields = {field.attname: field for field in _without_key(model)}
    if not _takes_columns(model):
        kept = {name: _value(field, like) for name, field in fields.items()}
        for start in range(0, number, ROWS_AT_ONCE):
            pieces = (values[start : start + ROWS_AT_ONCE] for values in columns.values())
            each = (dict(zip(columns, own, strict=True)) for own in zip(*pieces, strict=True))
            insert([model(**kept | own) for own in each])
        return
    names = [name for name, field in fields.items() if not _is_filled_in(field, [like])]
    own = {fields[name]: _Same(_value(fields[name], like)) for name in names if name not in columns}
    if number:
        given = {fields[name]: _column(values) for name, values in columns.items()}
        _insert_columns(model, number, own | given)


class _Same(tuple[Any]):
    """Value that a column has in all rows."""

    __slots__ = ()

    def __new__(cls, value: Any) -> _Same:
        """Return the value in a wrapper that is no list of values."""
        return super().__new__(cls, (value,))


def _column(values: Sequence[Any]) -> Sequence[Any]:
    """Return the values of a column, or the one value that all rows have."""
    same = all(value is values[0] or value == values[0] for value in values)
    return _Same(values[0]) if same else values


def _insert(rows: Sequence[models.Model], fields: Sequence[Any], **on_conflict: Any) -> None:
    model, values = type(rows[0]), {}
    if not _takes_columns(model):
        _insert_rows(rows, fields, **on_conflict)
        return
    for field in fields:
        values[field] = _column([_value(field, row) for row in rows])
    _insert_columns(model, len(rows), values, **on_conflict)


def _value(field: Any, row: models.Model) -> Any:
    """Return what a row has in a column, also if the database would fill it in."""
    value = getattr(row, field.attname)
    return field.db_default if isinstance(value, DatabaseDefault) else value


def _takes_columns(model: Any) -> bool:
    """Return whether the database takes rows by columns; not all versions of MySQL do."""
    return connections[router.db_for_write(model)].vendor in _SOURCES


def _insert_columns(
    model: Any, number: int, columns: Mapping[Any, Sequence[Any]], **on_conflict: Any
) -> None:
    """Insert rows by columns. A value that all rows have is sent once."""
    using = router.db_for_write(model)
    connection = connections[using]
    same = {field: values[0] for field, values in columns.items() if isinstance(values, _Same)}
    differing = [field for field in columns if field not in same]
    if not differing:
        differing = [next(iter(same))]
        columns = {**columns, differing[0]: [same.pop(differing[0])] * number}
    source = _SOURCES[connection.vendor]
    size = min((values_at_once(using) - len(same)) // len(differing), ROWS_AT_ONCE)
    known = {field: field.get_db_prep_save(value, connection) for field, value in same.items()}
    for start in range(0, number, size):
        pieces = [
            [
                field.get_db_prep_save(value, connection)
                for value in columns[field][start : start + size]
            ]
            for field in differing
        ]
        sql, params = source(connection, list(known), differing, pieces)
        order = [*known, *differing]
        names = ", ".join(connection.ops.quote_name(field.column) for field in order)
        end = ""
        if on_conflict:
            end = connection.ops.on_conflict_suffix_sql(
                order,
                on_conflict["on_conflict"],
                [field.column for field in on_conflict["update_fields"]],
                [field.column for field in on_conflict["unique_fields"]],
            )
        table = connection.ops.quote_name(model._meta.db_table)
        with connection.cursor() as cursor:
            statement = f"INSERT INTO {table} ({names}) {sql} {end}"
            cursor.execute(statement, [*known.values(), *params])


def _from_arrays(
    connection: Any, same: list[Any], differing: list[Any], pieces: list[list[Any]]
) -> tuple[str, list[Any]]:
    """Return the rows for PostgreSQL, which takes a column as one value."""
    cells = [f"%s::{_plain_type(field, connection)}" for field in same]
    arrays = [f"%s::{_plain_type(field, connection)}[]" for field in differing]
    chosen, given = ", ".join([*cells, "v.*"]), ", ".join(arrays)
    # Only placeholders and types of columns are put into the text.
    return f"SELECT {chosen} FROM unnest({given}) AS v", [*pieces]  # noqa: S608


def _plain_type(field: Any, connection: Any) -> str:
    """Return the type of a column without its length: a cast would cut a longer text."""
    return re.sub(r"\(.*?\)", "", field.db_type(connection))


def _from_values(
    connection: Any, same: list[Any], differing: list[Any], pieces: list[list[Any]]
) -> tuple[str, list[Any]]:
    """Return the rows for SQLite. Its condition keeps ``ON CONFLICT`` from being read as a join."""
    row = f"({', '.join(['%s'] * len(differing))})"
    cells = [*["%s"] * len(same), "v.*"]
    rows = ", ".join([row] * len(pieces[0]))
    values = [value for row in zip(*pieces, strict=True) for value in row]
    chosen = ", ".join(cells)
    # Only placeholders are put into the text.
    return f"SELECT {chosen} FROM (VALUES {rows}) AS v WHERE true", values  # noqa: S608


_SOURCES = {"postgresql": _from_arrays, "sqlite": _from_values}


def _insert_rows(rows: Sequence[models.Model], fields: Sequence[Any], **on_conflict: Any) -> None:
    using = router.db_for_write(type(rows[0]))
    size = min(values_at_once(using) // len(fields), ROWS_AT_ONCE)
    for start in range(0, len(rows), size):
        query: Any = InsertQuery(type(rows[0]), **on_conflict)
        query.insert_values(fields, rows[start : start + size])
        query.get_compiler(using=using).execute_sql()


def values_at_once(using: str) -> int:
    """Return how many values one statement may have on this database."""
    connection = connections[using]
    known = connection.features.max_query_params
    if connection.vendor == "sqlite" and sqlite3.sqlite_version_info >= _SQLITE_SINCE:
        known = None  # Django before 6.1 always says 999.
    return VALUES_AT_ONCE if known is None else min(known, VALUES_AT_ONCE)
