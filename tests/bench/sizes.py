"""Bytes of an invitation, its email and its ledger entry, tables and indexes."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from invitation.models import InvitationEmail, InvitationKey, QuotaEntry
from tests.bench.floor.models import Invitation
from tests.bench.stage import Stage
from tests.bench.table import Result

_PARTS = {
    "postgresql": """
        SELECT c.relname, pg_table_size(c.oid) FROM pg_class c WHERE c.relname = %s
        UNION ALL
        SELECT i.relname, pg_relation_size(i.oid)
        FROM pg_index x
        JOIN pg_class c ON c.oid = x.indrelid
        JOIN pg_class i ON i.oid = x.indexrelid
        WHERE c.relname = %s""",
    "sqlite": """
        SELECT s.name, sum(d.pgsize) FROM sqlite_master s JOIN dbstat d ON d.name = s.name
        WHERE s.tbl_name = %s OR s.tbl_name || 'x' = %s || 'x' GROUP BY s.name""",
}


def parts_of(table: str) -> dict[str, int]:
    """Return the bytes of a table and of each of its indexes."""
    with connection.cursor() as cursor:
        cursor.execute(_PARTS[connection.vendor], [table, table])
        return {name: int(size) for name, size in cursor.fetchall()}


def measured(stage: Stage) -> Iterator[Result]:
    """Divide the sizes of tables and indexes by the number of invitations."""
    number = InvitationKey.objects.count()
    total, notes = 0.0, []
    for model in (InvitationKey, InvitationEmail, QuotaEntry):
        parts = parts_of(model._meta.db_table)
        total += sum(parts.values())
        notes += sorted(parts.items(), key=lambda part: -part[1])
    text = ", ".join(f"{name} {size / number:.0f}" for name, size in notes if size / number > 0.5)
    yield Result("sizes", total / number, note=text)
    floor = sum(parts_of(Invitation._meta.db_table).values())
    yield Result("sizes.floor", floor / Invitation.objects.count())
