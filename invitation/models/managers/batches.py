"""Inserts of thousands of rows with few statements, on every database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, models, router
from django.db.models.constants import OnConflict
from django.db.models.expressions import DatabaseDefault
from django.db.models.sql import InsertQuery

#: Most values in one statement. SQLite allows 32,766 (since 3.32). PostgreSQL allows 65,535 if the
#: server fills them in. MariaDB allows 16 MB.
VALUES_AT_ONCE = 32_000
_SQLITE_SINCE = (3, 32)


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model; the objects do not get their primary keys.

    MySQL does not return the keys. Django's ``bulk_create`` passes SQLite only 999 values at a
    time, which is 40 invitations. Call this function in a transaction, since it may take several
    statements. Columns that the database would fill in with the same value are left out.
    """
    if rows:
        fields = type(rows[0])._meta.concrete_fields
        _insert(rows, [field for field in fields if not _is_filled_in(field, rows)])


def insert_or_update(rows: Sequence[models.Model], unique: str, update: Sequence[str]) -> None:
    """Insert rows, or update some columns of existing ones, and lock them in their order."""
    if rows:
        opts = type(rows[0])._meta
        features = connections[router.db_for_write(type(rows[0]))].features
        target = [opts.get_field(unique)] if features.supports_update_conflicts_with_target else []
        _insert(
            rows,
            opts.concrete_fields,
            on_conflict=OnConflict.UPDATE,
            update_fields=[opts.get_field(name) for name in update],
            unique_fields=target,
        )


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


def _insert(rows: Sequence[models.Model], columns: Iterable[Any], **on_conflict: Any) -> None:
    model = type(rows[0])
    using = router.db_for_write(model)
    fields = [field for field in columns if not isinstance(field, models.AutoField)]
    size = values_at_once(using) // len(fields)
    for start in range(0, len(rows), size):
        query: Any = InsertQuery(model, **on_conflict)
        query.insert_values(fields, rows[start : start + size])
        query.get_compiler(using=using).execute_sql()


def values_at_once(using: str) -> int:
    """Return how many values one statement may have on this database."""
    connection = connections[using]
    known = connection.features.max_query_params
    if connection.vendor == "sqlite" and sqlite3.sqlite_version_info >= _SQLITE_SINCE:
        known = None  # Django before 6.1 always says 999.
    return VALUES_AT_ONCE if known is None else min(known, VALUES_AT_ONCE)
