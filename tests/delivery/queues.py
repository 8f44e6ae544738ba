"""Queues that workers would empty, in this process: what a background delivery hands over to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import django
import pytest
from asgiref.local import Local

#: Where the tasks framework is: Django's own, or the package for Django 5.2.
ROOM = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"


@dataclass
class Message:
    """Hold what a worker would get: rows, from when on, and everything there is, as text."""

    pks: list[int]
    not_before: Any
    text: str
    options: dict[str, Any] = field(default_factory=dict)


class Queue(ABC):
    """Look into a queue, break it, and do what a worker does."""

    path: str

    @abstractmethod
    def messages(self) -> list[Message]:
        """Return what waits, and leave it there no more."""

    @abstractmethod
    def run(self, pks: list[int]) -> Any:
        """Run the task as a worker does, and return what it returns."""

    @abstractmethod
    def break_down(self) -> None:
        """Let every attempt to hand something over fail."""

    def pks(self) -> list[list[int]]:
        """Return the rows of each message that waits."""
        return [message.pks for message in self.messages()]


class TaskQueue(Queue):
    path = "invitation.delivery.tasks.TaskDelivery"

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @property
    def room(self) -> Any:
        return import_module(ROOM)

    def use(self, backend: str, **options: Any) -> None:
        """Let this be the only task backend, and forget what was set before."""
        self.settings.TASKS = {"default": {"BACKEND": backend, **options}}
        handler = self.room.task_backends
        handler._settings = None
        handler.__dict__.pop("settings", None)
        handler._connections = Local(handler.thread_critical)

    def messages(self) -> list[Message]:
        backend = self.room.task_backends["default"]
        found = [
            Message(
                pks=result.args[0],
                not_before=result.task.run_after,
                text=f"{result.args} {result.kwargs} {result.task}",
                options={"queue_name": result.task.queue_name, "priority": result.task.priority},
            )
            for result in backend.results
        ]
        backend.clear()
        return found

    def run(self, pks: list[int]) -> Any:
        return import_module("invitation.delivery.workers.tasks").deliver.call(pks)

    def break_down(self) -> None:
        self.use("tests.delivery.backends.Broken")


class CeleryQueue(Queue):
    path = "invitation.delivery.celery.CeleryDelivery"

    def __init__(self, app: Any) -> None:
        self.app = app

    def messages(self) -> list[Message]:
        found = []
        with self.app.connection_for_read() as connection:
            channel = connection.default_channel
            for name in list(channel.queues):
                while (message := channel.basic_get(name, no_ack=True)) is not None:
                    (pks,), _, _ = message.payload
                    text = f"{message.body!r} {message.headers} {message.properties}"
                    priority = message.properties["priority"]
                    options = {"queue": name, "priority": priority}
                    found.append(Message(pks, message.headers["eta"], text, options))
        return found

    def run(self, pks: list[int]) -> Any:
        return self.app.tasks["invitation.deliver"].apply([pks]).get()

    def break_down(self) -> None:
        self.app.conf.broker_url = "amqp://guest@127.0.0.1:1//"


@contextmanager
def task_queue(settings: Any) -> Iterator[TaskQueue]:
    """Let the tests' own backend keep the tasks."""
    pytest.importorskip(ROOM, reason=f"TaskDelivery needs {ROOM}")
    queue = TaskQueue(settings)
    queue.use("tests.delivery.backends.Keeping")
    yield queue
    queue.use(f"{ROOM}.backends.immediate.ImmediateBackend")


@contextmanager
def celery_queue() -> Iterator[CeleryQueue]:
    """Let a Celery app keep its messages in the memory of this process."""
    celery = pytest.importorskip("celery", reason="CeleryDelivery needs celery")
    from celery.contrib.testing.app import setup_default_app

    import_module(
        "invitation.delivery.workers.celery"
    )  # as apps.py does; before what is undone below
    app = celery.Celery("site", broker="memory://", set_as_current=False)
    with setup_default_app(app):
        app.set_default()
        app.set_current()
        app.set_as_current = True
        queue = CeleryQueue(app)
        queue.messages()
        yield queue
