"""Cleaning up a tenth of the rows, over one raw DELETE of the same and what hangs on them.

What had ended before is deleted first. The raw DELETE is rolled back, after its foreign keys are
checked. So both delete the same rows, and each of them is an overdue one. The cleanup is the
command, in a process of its own. Registrations beside it are those of a further process; their
times are compared with those just before. That cleanup keeps what expired, as sites do by default:
it marks each row, in several indexes. The longest statement is that of both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction
from django.test import override_settings
from django.utils import timezone

from invitation.conf import conf
from invitation.flows import upkeep
from invitation.models import InvitationKey
from tests.bench import alone, seeding
from tests.bench.floor import work
from tests.bench.measuring import seconds_of
from tests.bench.stage import Stage
from tests.bench.table import Result

BATCH = 5_000
#: Seconds for which registrations are watched before the cleanup begins.
BEFORE = 3.0
#: Registrations that one process makes at most meanwhile.
KEYS = 2_000


def cleaned(stage: Stage) -> Iterator[Result]:
    """Compare the command with the raw DELETE, alone and beside registrations."""
    with override_settings(INVITATION_RETENTION_DAYS=0):
        upkeep.purge(BATCH)
    seeding.settle()
    raw = [seconds_of(lambda: _rolled_back(raw_delete)) for _ in range(2)]
    floor = seconds_of(lambda: _rolled_back(work.delete_expired))
    seeding.settle()
    ours = alone.said_by(alone.start("cleanup", str(BATCH), "0"))
    assert not InvitationKey.objects.overdue().exists()
    middle = statistics.median(raw)
    spread = sorted(ours["seconds"] / seconds for seconds in raw)
    note = f"{ours['seconds']:.1f} over {middle:.2f} s, and {ours['seconds'] / floor:.0f} x the "
    note += f"floor's table; {stage.size // 10:,} rows"
    yield Result("cleanup", ours["seconds"] / middle, spread[0], spread[-1], note)
    yield Result("cleanup.statements", ours["statements"])
    yield Result("cleanup.memory", ours["megabytes"])
    ratio, marking = _beside(stage)
    slower = max(ours, marking, key=lambda one: one["longest"])
    yield Result("cleanup.longest", slower["longest"], note=slower["slowest"][:60])
    yield Result("cleanup.transaction", max(ours["transaction"], marking["transaction"]))
    yield Result("cleanup.marking", marking["statements"], note=f"{marking['seconds']:.1f} s")
    yield ratio


def _beside(stage: Stage) -> tuple[Result, dict[str, Any]]:
    """Return how much longer registrations take beside a cleanup, and what it said."""
    keys = stage.spare(KEYS)
    stage.write_overdue(1, stage.size // 10)
    other = alone.start("register", keys=keys)
    time.sleep(2 + BEFORE)
    ours = alone.said_by(alone.start("cleanup", str(BATCH), str(conf.INVITATION_RETENTION_DAYS)))
    done = alone.said_by(other)
    with_it = [s for at, s in done if ours["begun"] < at < ours["ended"]]
    # The last second before it is left out: the other process was starting.
    before = [s for at, s in done if at < ours["begun"] - 1.5][10:]
    ratio = statistics.median(with_it) / statistics.median(before)
    longest = max(with_it) * 1000
    note = f"{len(with_it)} beside it, the longest {longest:.0f} ms; {len(before)} before"
    return Result("cleanup.beside", ratio, note=note), ours


def _rolled_back(work: Any) -> None:
    with transaction.atomic():
        work(timezone.now())
        if connection.vendor == "postgresql":
            connection.check_constraints()  # else they would be checked at the commit
        transaction.set_rollback(True)


def raw_delete(now: datetime) -> None:
    """Delete overdue invitations and what hangs on them, with one statement for each table."""
    rows = InvitationKey.objects.overdue(now).order_by()
    for relation in InvitationKey._meta.get_fields(include_hidden=True):
        if not relation.auto_created or relation.concrete or not relation.related_model:
            continue
        field: Any = relation.field  # type: ignore[union-attr]
        if not isinstance(field, models.ForeignKey):
            continue
        hanging = field.model._base_manager.filter(**{f"{field.name}__in": rows})
        if field.remote_field.on_delete is models.SET_NULL:
            hanging.update(**{field.name: None})
        else:
            hanging._raw_delete(hanging.db)
    rows._raw_delete(rows.db)
