"""Set up the arena: how many threads and rounds, and a database that threads can share."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.db import connections

from invitation.delivery.dummy import DummyDelivery
from tests import scenes
from tests.races.arena import Arena
from tests.races.nodes import NODES, WAIT, catch_up, choose_node
from tests.races.wire import Site

SQLITE = os.environ.get("INVITATION_TEST_DB", "sqlite") == "sqlite"


@pytest.fixture(autouse=True)
def nothing_is_retained(settings: Any) -> None:
    """Let a cleanup delete at once what has ended."""
    settings.INVITATION_RETENTION_DAYS = 0


@pytest.fixture(scope="package", autouse=True)
def shared_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Let threads keep their connections, and put SQLite's database from memory into a file.

    In memory, SQLite answers a second writer with an error at once instead of letting it wait.
    """
    wrapper = connections["default"]
    before = dict(wrapper.settings_dict)
    with django_db_blocker.unblock():
        if not SQLITE:
            wrapper.settings_dict["CONN_MAX_AGE"] = None
            if NODES:  # This thread looks at what the others have done.
                options = {**before["OPTIONS"], "init_command": WAIT}
                wrapper.settings_dict["OPTIONS"] = options
                wrapper.close()
            yield
        else:
            wrapper.ensure_connection()
            memory, wrapper.connection = wrapper.connection, None
            # In memory all the same, where the system has such files: no commit waits for a disk.
            memory_files = Path("/dev/shm")  # noqa: S108
            folder = memory_files if os.access(memory_files, os.W_OK) else None
            stack = ExitStack()
            place = stack.enter_context(TemporaryDirectory(prefix="races", dir=folder))
            wrapper.settings_dict |= {"NAME": f"{place}/database", "CONN_MAX_AGE": None}
            wrapper.settings_dict["OPTIONS"] = {**before["OPTIONS"], "timeout": 60}
            with closing(sqlite3.connect(f"{place}/database")) as copy:
                memory.backup(copy)
            yield
            wrapper.close()
            wrapper.connection = memory
            stack.close()
        wrapper.settings_dict.update(before)


@pytest.fixture
def arena() -> Arena:
    """Return the arena: full size, but small on SQLite, which lets one writer in at a time."""
    threads, rounds = (4, 3) if SQLITE else (24, 12)
    return Arena(
        threads=int(os.environ.get("INVITATION_TEST_THREADS", threads)),
        rounds=int(os.environ.get("INVITATION_TEST_ROUNDS", rounds)),
        settle=choose_node,
        prepare=catch_up,
    )


@pytest.fixture
def short_arena(arena: Arena) -> Arena:
    """Return an arena for fewer rounds: for what shows sooner, or what a full one shows, too."""
    return replace(arena, rounds=max(arena.rounds // 5, 3))


@pytest.fixture(autouse=True)
def dummy_delivery(settings: Any) -> Iterator[list[Any]]:
    """Send no email, and return what would have been sent."""
    settings.INVITATION_DELIVERY = "invitation.delivery.dummy.DummyDelivery"
    DummyDelivery.outbox.clear()
    yield DummyDelivery.outbox
    DummyDelivery.outbox.clear()


@pytest.fixture(autouse=True)
def without_limits(settings: Any) -> None:
    """Let rounds email the same people again and again."""
    scenes.no_limits(settings)


@pytest.fixture(params=[False, True], ids=["autocommit", "atomic_requests"])
def atomic_requests(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Run twice, the second time with each request in one transaction."""
    if request.param and SQLITE:
        pytest.skip("SQLite refuses who has read in a transaction and then wants to write")
    options = connections["default"].settings_dict
    options["ATOMIC_REQUESTS"] = request.param
    yield request.param
    options["ATOMIC_REQUESTS"] = False


@pytest.fixture
def site() -> Iterator[Site]:
    """Return the running site."""
    running = Site()
    yield running
    running.close()
