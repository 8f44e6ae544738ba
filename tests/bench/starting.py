"""The start of a process and its check, with this app and with redux alone.

Each is a fresh Python process, in turns; what counts is its own processor time, the least of all
turns, because a busy machine only adds to it. The bytecode is compiled before the first.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench.measuring import quarters
from tests.bench.table import Result

ROUNDS = 7


def started(stage: object = None) -> Iterator[Result]:
    """Compare fresh processes."""
    ours: list[list[float]] = []
    redux: list[list[float]] = []
    _run("ours"), _run("redux")
    for _ in range(ROUNDS):
        ours.append(_run("ours"))
        redux.append(_run("redux"))
    for name, column in (("starting", 0), ("starting.check", 1)):
        with_it, alone = ([row[column] * 1000 for row in rows] for rows in (ours, redux))
        more = [a - b for a, b in zip(with_it, alone, strict=True)]
        note = f"{min(with_it):.0f} over {min(alone):.0f} ms"
        yield Result(name, min(with_it) - min(alone), *quarters(more), note)
    whole = [x[2] / y[2] for x, y in zip(ours, redux, strict=True)]
    yield Result("starting.whole", statistics.median(whole), *quarters(whole))


def _run(site: str) -> list[float]:
    settings = f"tests.bench.settings_{site}"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": settings, "INVITATION_TEST_DB": "sqlite"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a site has its bytecode
    command = [sys.executable, "-m", "tests.bench.starting"]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    values: list[float] = json.loads(out.stdout)
    return values


def main() -> None:
    """Start as ``manage.py check`` does; print the seconds of both parts, and of all."""
    begun = time.process_time()
    import django

    django.setup()
    from django.urls import get_resolver

    get_resolver().reverse_dict  # noqa: B018 (reads all URLconfs)
    ready = time.process_time()
    from django.core.management import call_command

    with open(os.devnull, "w", encoding="ascii") as nowhere:
        call_command("check", stdout=nowhere, stderr=nowhere)
    checked = time.process_time()
    print(json.dumps([ready - begun, checked - ready, checked]))  # noqa: T201


if __name__ == "__main__":
    main()
