"""Taking turns, counting statements, and the memory that work needs."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection

CONTROL = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT")

Action = Callable[[], Any]

#: Seconds that a comparison takes, if nothing else is said.
SECONDS = float(os.environ.get("INVITATION_BENCH_SECONDS", "1.25"))


@dataclass(frozen=True)
class Ratio:
    """How much longer ours takes than the other: medians, and the spread of the turns."""

    value: float
    low: float
    high: float
    #: Medians in milliseconds.
    ours: float
    other: float


def moment() -> float:
    """Return the time in seconds, less what this process was ready to run and waited for a core.

    On a machine that does nothing else this is the time of the clock on the wall. What the database
    waits for a core is not known well enough, and counts.
    """
    now = time.perf_counter()
    try:
        words = Path("/proc/self/schedstat").read_text("ascii").split()
    except OSError:  # another system than Linux
        return now
    return now - int(words[1]) / 1e9


def seconds_of(action: Action, times: int = 1) -> float:
    """Return the seconds that one call takes, in a batch of so many, by ``moment``."""
    started = moment()
    for _ in range(times):
        action()
    return (moment() - started) / times


def compare(
    ours: Action,
    other: Action,
    *,
    seconds: float = SECONDS,
    warm: int = 3,
    rounds: tuple[int, int] = (5, 101),
    turn: float = SECONDS / 100,
) -> Ratio:
    """Compare two actions in turns, for about so many seconds.

    Short actions are repeated until a turn takes ``turn`` seconds. The one that begins changes
    with each round.
    """
    for _ in range(warm):
        ours(), other()
    mine, its = seconds_of(ours), seconds_of(other)
    times = (max(1, round(turn / mine)), max(1, round(turn / its)))
    ends = time.perf_counter() + seconds
    pairs: list[tuple[float, float]] = []
    while len(pairs) < rounds[0] or (len(pairs) < rounds[1] and time.perf_counter() < ends):
        if len(pairs) % 2:
            last = seconds_of(other, times[1])
            pairs.append((seconds_of(ours, times[0]), last))
        else:
            pairs.append((seconds_of(ours, times[0]), seconds_of(other, times[1])))
    return ratio_of(pairs)


def ratio_of(pairs: list[tuple[float, float]]) -> Ratio:
    """Return the ratio of the medians of such turns."""
    ours, other = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    each = sorted(a / b for a, b in pairs)
    low, high = quarters(each)
    return Ratio(ours / other, low, high, ours * 1000, other * 1000)


def quarters(values: list[float]) -> tuple[float, float]:
    """Return between which values the half in the middle lies."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


@contextmanager
def statements() -> Iterator[list[tuple[float, str]]]:
    """Collect the statements of this connection with their seconds, transaction control aside."""
    asked: list[tuple[float, str]] = []

    def note(execute: Any, sql: str, *args: Any) -> Any:
        started = moment()
        try:
            return execute(sql, *args)
        finally:
            if not sql.startswith(CONTROL):
                asked.append((moment() - started, sql))

    with connection.execute_wrapper(note):
        yield asked


def queries_of(action: Action) -> int:
    """Return how many statements an action runs."""
    with statements() as asked:
        action()
    return len(asked)


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise LookupError(name)


def megabytes_of(action: Action) -> float:
    """Return how much more memory than before an action needs at its highest; Linux only.

    Call it in a process that has done little else: memory that is free inside of the process is
    not counted.
    """
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # forgets the highest so far
    before = _memory("VmRSS")
    action()
    return (_memory("VmHWM") - before) / 1024
