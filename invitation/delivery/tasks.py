"""Delivery by the workers of django.tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from invitation.delivery.background import BackgroundDelivery
from invitation.delivery.base import get_delivery


class TaskDelivery(BackgroundDelivery):
    """Delivery by email, from a worker of Django's tasks framework.

    The framework is ``django.tasks`` from Django 6.0 on, and the package ``django-tasks`` before.
    To use another queue than the default one, subclass this class and set ``queue_name``.
    """

    task = "invitation.delivery.workers.tasks.deliver"
    package = "Django 6.0 or newer, or the package django-tasks"

    #: Alias in TASKS.
    backend: str = "default"
    #: One of the backend's QUEUES.
    queue_name: str = "default"
    #: Priority from -100 to 100, where the backend supports priorities.
    priority: int = 0

    def get_options(self) -> dict[str, Any]:
        """Return backend, queue and priority, as arguments of ``task()`` and ``Task.using()``."""
        return {
            "backend": self.backend,
            "queue_name": self.queue_name,
            "priority": self.priority,
        }

    def enqueue(self, batches: Sequence[list[int]], not_before: datetime | None) -> None:
        """Enqueue a task for each batch.

        It enqueues none for later if the backend does not support that.
        """
        task = self.get_task().using(**self.get_options())
        if not_before is not None:
            if not task.get_backend().supports_defer:
                return
            task = task.using(run_after=not_before)
        for batch in batches:
            task.enqueue(batch)

    def find_fault(self, task: Any) -> str:
        """Return why the task backend refuses the task: a wrong alias, queue or priority.

        It can also return a fault that the backend's own check reports. Before Django 6.0, nothing
        else runs this check, unless the app of django-tasks is installed.
        """
        try:
            found = task.using(**self.get_options()).get_backend().check()
            faults = [message for message in found if message.is_serious()]
            return str(faults[0].msg) if faults else ""
        except Exception as error:  # noqa: BLE001 (a task backend of the site may raise anything)
            return f"{type(error).__qualname__}: {error}"

    def find_shortcut(self, task: Any) -> str:
        """Return what Django's two backends for development and tests do with the task.

        The result is empty for any other backend.
        """
        backend = type(task.using(**self.get_options()).get_backend())
        kind = backend.__module__.rpartition(".")[2]
        words = {
            "immediate": "the task backend runs tasks at once, while the visitor waits.",
            "dummy": "the task backend keeps tasks and never runs them.",
        }
        return words.get(kind, "") if "tasks.backends" in backend.__module__ else ""


def chosen_options() -> dict[str, Any]:
    """Return the options of the site's delivery, or an empty dictionary if it uses no tasks."""
    delivery = get_delivery()
    return delivery.get_options() if isinstance(delivery, TaskDelivery) else {}
