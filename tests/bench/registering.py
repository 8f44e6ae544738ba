"""Registering with a key, beside redux alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count

from django.test import Client

from tests import scenes
from tests.bench.measuring import compare, queries_of
from tests.bench.stage import Stage
from tests.bench.table import Result

PLAIN = "/plain/register/"
KEYS = 1500

_number = count()


def register(client: Client, address: str, email: str) -> None:
    """Post the registration form, and be registered."""
    answer = client.post(address, scenes.answers(email, f"n{os.getpid()}.{next(_number)}"))
    assert answer.status_code == 302, answer.content.decode()


def registered(stage: Stage) -> Iterator[Result]:
    """Compare the form's POST with that of redux's one-step workflow."""
    keys = iter(stage.spare(KEYS))
    client, plain = Client(), Client()

    def ours() -> None:
        key, email = next(keys)
        client.cookies.clear()
        client.cookies["invitation_key"] = key
        register(client, scenes.REGISTER, email)

    def theirs() -> None:
        plain.cookies.clear()
        register(plain, PLAIN, f"plain{next(_number)}@example.org")

    ratio = compare(ours, theirs, rounds=(5, 100))
    note = f"{ratio.ours:.2f} over {ratio.other:.2f} ms"
    yield Result("register", ratio.value, ratio.low, ratio.high, note)
    yield Result("register.queries", queries_of(ours) - queries_of(theirs))
