"""Work in a process of its own, for its memory and for what goes on beside it; prints JSON.

python -m tests.bench.alone cleanup BATCH DAYS
python -m tests.bench.alone list NUMBER
python -m tests.bench.alone register < keys
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import django
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from tests.bench.measuring import megabytes_of, moment, statements


def start(*words: str, keys: Any = None) -> subprocess.Popen[str]:
    """Start such a process on the database of this one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.alone", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    if keys is not None:
        process.stdin.write(json.dumps(keys) + "\n")
        process.stdin.flush()
    return process


def said_by(process: subprocess.Popen[str]) -> Any:
    """Wait for the end of such a process, and return what it said."""
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args} ended with {process.returncode}")
    return json.loads(out)


class Transactions:
    """The longest transaction of this connection, from its first statement to its commit."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.begun: float | None = None
        original = connection.set_autocommit

        def watched(autocommit: bool, *args: Any, **kwargs: Any) -> None:
            if not autocommit:
                self.begun = moment()
            original(autocommit, *args, **kwargs)
            if autocommit and self.begun is not None:
                self.longest = max(self.longest, moment() - self.begun)
                self.begun = None

        connection.set_autocommit = watched


def measured(action: Callable[[], Any]) -> dict[str, Any]:
    """Do the work, and return its time, statements and memory."""
    transactions = Transactions()
    with statements() as asked:
        begun, started = time.monotonic(), moment()
        megabytes = megabytes_of(action)
        ended, seconds = time.monotonic(), moment() - started
    slowest = max(asked, default=(0.0, ""))
    return {
        "begun": begun,
        "ended": ended,
        "seconds": seconds,
        "statements": len(asked),
        "longest": slowest[0],
        "slowest": slowest[1][:100],
        "transaction": transactions.longest,
        "megabytes": megabytes,
    }


def cleanup(batch: str, days: str) -> dict[str, Any]:
    """Clean up as cron does, where expired invitations are kept for so many days."""
    connection.ensure_connection()
    words = {"batch_size": int(batch), "verbosity": 0}
    with override_settings(INVITATION_RETENTION_DAYS=int(days)):
        return measured(lambda: call_command("cleanupinvitation", **words))


def invite_list(number: str) -> dict[str, Any]:
    """Invite a list of so many people, without sending."""
    from tests.bench import lists

    lists.invite(10)
    recipients = lists.recipients(int(number))
    return measured(lambda: lists.invite_these(recipients))


def register() -> list[tuple[float, float]]:
    """Register with one key after the other until told to stop; return when and how long."""
    from django.test import Client

    from tests import scenes
    from tests.bench import registering

    pairs = json.loads(sys.stdin.readline())
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), stopped.set()), daemon=True).start()
    client, done = Client(), []
    for key, email in pairs:
        if stopped.is_set():
            break
        client.cookies.clear()
        client.cookies["invitation_key"] = key
        begun = time.monotonic()
        registering.register(client, scenes.REGISTER, email)
        done.append((begun, time.monotonic() - begun))
    return done


def main(what: str, *words: str) -> None:
    """Do it, and print the outcome."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.settings")
    django.setup()
    logging.disable()
    works: dict[str, Callable[..., Any]] = {
        "cleanup": cleanup,
        "list": invite_list,
        "register": register,
    }
    print(json.dumps(works[what](*words)))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
