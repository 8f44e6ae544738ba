"""Empty the database after a test with real commits, in a fraction of the time that Django takes.

Django deletes every row, and then makes content types, permissions and the site again. Here these
stay, unless a test has changed them. On PostgreSQL rows are deleted: to truncate a table, it makes
new files.
"""

from __future__ import annotations

from typing import Any

from django.core.management.color import no_style
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

#: What Django fills after its migrations.
FILLED = ("auth_permission", "django_content_type", "django_site")

empty_fully = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
tables: dict[str, list[str]] = {}
filled: dict[str, list[Any]] = {}


def rows_of_filled(connection: BaseDatabaseWrapper) -> list[Any]:
    """Return the rows of the tables that Django fills."""
    rows = []
    with connection.cursor() as cursor:
        for table in FILLED:
            if table in tables[connection.alias]:
                cursor.execute(f"SELECT * FROM {table} ORDER BY id")  # noqa: S608
                rows.append(cursor.fetchall())
    return rows


def empty(connection: BaseDatabaseWrapper) -> None:
    """Delete the rows of all other tables."""
    others = [table for table in tables[connection.alias] if table not in FILLED]
    if connection.vendor == "postgresql":
        # Its foreign keys are looked at when all are deleted.
        quoted = map(connection.ops.quote_name, others)
        statements = [f"DELETE FROM {table}" for table in quoted]  # noqa: S608
    else:
        statements = connection.ops.sql_flush(no_style(), others)
    connection.ops.execute_sql_flush(statements)


def empty_database(case: Any) -> None:
    """Take the place of ``TransactionTestCase._fixture_teardown``."""
    special = case.reset_sequences or case.serialized_rollback or case.available_apps is not None
    names = [] if special else case._databases_names(include_mirrors=False)
    if names and all(
        name in filled and rows_of_filled(connections[name]) == filled[name] for name in names
    ):
        for name in names:
            empty(connections[name])
        return
    empty_fully(case)
    for name in names:
        found = connections[name].introspection.django_table_names(
            only_existing=True, include_views=False
        )
        tables[name] = sorted(found)
        filled[name] = rows_of_filled(connections[name])


def install() -> None:
    """Let all tests with real commits be followed by this."""
    TransactionTestCase._fixture_teardown = empty_database  # type: ignore[attr-defined]
