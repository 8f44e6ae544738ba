"""An arena, and connections that live as long as the threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from tests.races.arena import Arena


@pytest.fixture(autouse=True)
def kept_connections() -> Iterator[None]:
    options: dict[str, Any] = connections["default"].settings_dict
    options["CONN_MAX_AGE"] = None
    yield
    options["CONN_MAX_AGE"] = 0


@pytest.fixture
def arena() -> Arena:
    """Return an arena; `make stress` lets it run for a thousand rounds."""
    threads = int(os.environ.get("INVITATION_TEST_THREADS", 6))
    return Arena(threads=threads, rounds=int(os.environ.get("INVITATION_TEST_ROUNDS", 60)))
