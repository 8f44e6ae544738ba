"""Registrations through one shared link, eight at a time, with the hasher of a real site."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from django.db import connection
from django.test import Client, override_settings

from invitation.flows import sharing
from tests import scenes
from tests.bench import registering
from tests.bench.measuring import quarters
from tests.bench.stage import Stage
from tests.bench.table import Result

AT_A_TIME, EACH, ROUNDS = 8, 1, 3
HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]

_number = count()
_own = threading.local()


def _client() -> Client:
    """Return the browser of this thread, without cookies."""
    if not hasattr(_own, "client"):
        _own.client = Client()
    _own.client.cookies.clear()
    client: Client = _own.client
    return client


def _throughput(pool: ThreadPoolExecutor, register: Callable[[], None]) -> float:
    number = AT_A_TIME * EACH
    started = time.perf_counter()
    for future in [pool.submit(register) for _ in range(number)]:
        future.result()
    return number / (time.perf_counter() - started)


def registered(stage: Stage) -> Iterator[Result]:
    """Compare the throughput of a counted and of an unlimited link with that of plain redux."""
    links = {}
    for name, most in (("counted", 100_000), ("unlimited", None)):
        row = sharing.share(stage.boss, label=name, max_uses=most, expires_at=None, site_id=1)
        links[name] = str(row.key)

    def plain() -> None:
        email = f"shared{next(_number)}@example.org"
        registering.register(_client(), registering.PLAIN, email)

    def through(name: str) -> None:
        client = _client()
        client.cookies["invitation_key"] = links[name]
        email = f"shared{next(_number)}@example.org"
        registering.register(client, scenes.REGISTER, email)

    found: dict[str, list[float]] = {"plain": [], "counted": [], "unlimited": []}
    with (
        override_settings(PASSWORD_HASHERS=HASHERS),
        ThreadPoolExecutor(AT_A_TIME) as pool,
    ):
        for _ in range(ROUNDS):
            found["plain"].append(_throughput(pool, plain))
            for name in links:
                found[name].append(_throughput(pool, lambda name=name: through(name)))  # type: ignore[misc]
        barrier = threading.Barrier(AT_A_TIME)
        for future in [pool.submit(_leave, barrier) for _ in range(AT_A_TIME)]:
            future.result()
    base = statistics.median(found["plain"])
    for name in links:
        ratios = sorted(a / b for a, b in zip(found[name], found["plain"], strict=True))
        note = f"{statistics.median(found[name]):.2f} over {base:.2f} a second"
        ratio = statistics.median(found[name]) / base
        yield Result(f"shared.{name}", ratio, *quarters(ratios), note)


def _leave(barrier: threading.Barrier) -> None:
    """Close the connection of this thread; each thread has its turn."""
    barrier.wait()
    connection.close()
