"""Insert thousands of rows with few statements, on every database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from django.db import connections, models, router
from django.db.models.sql import InsertQuery

#: How many values one statement carries. SQLite takes 32,766 (since 3.32), PostgreSQL 65,535 where
#: the server fills them in, and MariaDB 16 MB.
VALUES_AT_ONCE = 30_000
_SQLITE_SINCE = (3, 32)


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model; they do not learn their primary keys, as MySQL tells none.

    Django's ``bulk_create`` gives SQLite 999 values at a time: those of 40 invitations. Call it in
    a transaction, since it may take several statements.
    """
    if not rows:
        return
    model = type(rows[0])
    using = router.db_for_write(model)
    fields: list[Any] = [
        field for field in model._meta.concrete_fields if not isinstance(field, models.AutoField)
    ]
    size = values_at_once(using) // len(fields)
    for start in range(0, len(rows), size):
        query: Any = InsertQuery(model)
        query.insert_values(fields, rows[start : start + size])
        query.get_compiler(using=using).execute_sql()


def values_at_once(using: str) -> int:
    """Return how many values one statement may carry on this database."""
    connection = connections[using]
    known = connection.features.max_query_params
    if connection.vendor == "sqlite" and sqlite3.sqlite_version_info >= _SQLITE_SINCE:
        known = None  # Before 6.1, Django says 999 in any case.
    return VALUES_AT_ONCE if known is None else min(known, VALUES_AT_ONCE)
