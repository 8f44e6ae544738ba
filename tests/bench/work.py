"""The measuring in one process, on one database: started by ``__main__``, prints JSON lines."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator

import django
from django.core.management import call_command
from django.db import connection

from tests.bench import starting
from tests.bench.table import Result

#: Above this, SQLite is not measured: writing the rows alone takes minutes.
SQLITE_MOST = 100_000
Measure = Callable[..., Iterator[Result]]


def say(**line: object) -> None:
    """Print one line for the process that started this one."""
    print(json.dumps(line), flush=True)  # noqa: T201


def measures() -> dict[str, tuple[Measure, bool]]:
    """Return what is measured by name, and whether only at the largest size."""
    from tests.bench import (
        cleanup,
        inviting,
        lists,
        opening,
        pages,
        registering,
        sending,
        shared,
        sizes,
    )

    return {
        "sizes": (sizes.measured, True),
        "open": (opening.opened, False),
        "refuse": (opening.refused, False),
        "allowed": (opening.not_allowed, True),
        "invite": (inviting.invited, False),
        "register": (registering.registered, False),
        "member": (pages.own, False),
        "page300": (pages.late_page, True),
        "admin": (pages.admin, False),
        "list": (lists.listed, True),
        "emails": (sending.to_locmem, True),
        "smtp": (sending.through_smtp, True),
        "cleanup": (cleanup.cleaned, True),
        "shared": (shared.registered, True),
        "accounts": (inviting.invited_among_accounts, True),  # last: it leaves the accounts
    }


def run(database: str, sizes: list[int], only: list[str]) -> None:
    """Measure at each size, the smallest first."""
    from tests.bench.stage import Stage

    chosen = {name: row for name, row in measures().items() if not only or name in only}
    if database == "sqlite":
        chosen.pop("shared", None)  # lets one writer in at a time
        for name in ("emails", "smtp"):  # PostgreSQL shows it: little of it is the database's
            chosen.pop(name, None)
    stage = Stage()
    for size in sizes:
        if database == "sqlite" and size > SQLITE_MOST:
            say(note=f"skipped: {size:,} rows on SQLite, which takes minutes to write them")
            continue
        started = time.perf_counter()
        stage.grow(size)
        seconds = time.perf_counter() - started
        say(note=f"{size:,} rows on {database}, written in {seconds:.0f} s", head=True)
        last = size == max(s for s in sizes if database != "sqlite" or s <= SQLITE_MOST)
        for name, (measure, at_the_end) in chosen.items():
            if last or not at_the_end:
                _measure(name, measure, stage, database)


def _measure(name: str, measure: Measure, stage: object, database: str) -> None:
    started = time.perf_counter()
    try:
        for result in measure(stage):
            result.database, result.size = database, getattr(stage, "size", 0)
            say(result=result.judge().as_json())
    except Exception:  # noqa: BLE001 (the others are measured all the same)
        say(failed=name, note="".join(traceback.format_exc().splitlines(True)[-6:]))
    say(took=name, seconds=time.perf_counter() - started)


def main(database: str, sizes: str, only: str) -> None:
    """Make the tables and measure."""
    django.setup()
    logging.disable()
    if database == "none":
        _measure("starting", starting.started, None, "")
        return
    call_command("migrate", verbosity=0, run_syncdb=True)
    run(database, sorted(map(int, sizes.split(","))), [x for x in only.split(",") if x])
    connection.close()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.settings")
    main(*sys.argv[1:])
