"""Queues for the deliveries that leave the sending to workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.delivery import queues


@pytest.fixture
def task_queue(settings: Any) -> Iterator[queues.TaskQueue]:
    """Return the queue of a task backend that keeps what it gets, and choose it."""
    with queues.task_queue(settings) as queue:
        settings.INVITATION_DELIVERY = queue.path
        yield queue


@pytest.fixture
def celery_queue(settings: Any) -> Iterator[queues.CeleryQueue]:
    """Return the queue of a Celery app without a broker, and choose it."""
    with queues.celery_queue() as queue:
        settings.INVITATION_DELIVERY = queue.path
        yield queue


@pytest.fixture(params=["task_queue", "celery_queue"], ids=["tasks", "celery"])
def queue(request: pytest.FixtureRequest) -> queues.Queue:
    """Run the test with each."""
    found: queues.Queue = request.getfixturevalue(request.param)
    return found
