"""Delivery by the workers of Celery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from invitation.delivery.background import BackgroundDelivery


class CeleryDelivery(BackgroundDelivery):
    """Delivery by email, from a worker of the site's Celery app.

    The task is called ``invitation.deliver``. This class opens its own connection to the broker,
    with its own timeout. Celery itself tries for seconds or for ever, while the visitor waits. A
    message written to a dead connection of Celery's pool is lost without an error.
    """

    task = "invitation.delivery.workers.celery.deliver"
    package = "the package celery"

    #: Queue, or ``None`` for the one that the site's ``task_routes`` choose.
    queue: str | None = None
    #: Priority of the message, or ``None`` for the site's default.
    priority: int | None = None
    #: Seconds that the broker may take for the connection, and for each answer.
    broker_timeout: float = 2
    #: Longest wait of a message. ``sendinvitations`` sends what has to wait longer. A worker holds
    #: a waiting message. RabbitMQ closes the worker's channel after half an hour of that.
    longest_wait: timedelta = timedelta(minutes=15)

    def get_options(self) -> dict[str, Any]:
        """Return the options of ``apply_async()`` that choose queue and priority."""
        options = {"queue": self.queue, "priority": self.priority}
        return {name: value for name, value in options.items() if value is not None}

    def enqueue(self, batches: Sequence[list[int]], not_before: datetime | None) -> None:
        """Send a message for each batch, all over one connection.

        It sends none if the wait is longer than ``longest_wait``, or if an eager task would have to
        wait.
        """
        task, options = self.get_task(), self.get_options()
        eager = task.app.conf.task_always_eager
        if not_before is not None:
            wait = not_before - timezone.now()
            # Eager tasks cannot wait: a retry would follow at once after the failure.
            if eager or wait > self.longest_wait:
                return
            options["countdown"] = max(wait.total_seconds(), 0)
        with self.get_connection_to_broker(task.app) as connection:
            if not eager:
                # Two attempts: the site may have a second broker.
                connection.ensure_connection(
                    max_retries=1, interval_start=0, interval_step=0, timeout=self.broker_timeout
                )
            for batch in batches:
                task.apply_async([batch], connection=connection, retry=False, **options)

    def get_connection_to_broker(self, app: Any) -> Any:
        """Return a connection that is not open yet, with short timeouts."""
        seconds = self.broker_timeout
        # AMQP has the first two, Redis the others. A transport ignores names that it does not know.
        names = ("read_timeout", "write_timeout", "socket_timeout", "socket_connect_timeout")
        return app.connection_for_write(
            connect_timeout=seconds, transport_options=dict.fromkeys(names, seconds)
        )

    def find_fault(self, task: Any) -> str:
        """Return a fault if this process has no Celery app of the site, else an empty string.

        Without this app, Celery would use a default broker that is not the site's.
        """
        if task.app.main == "default" and not task.app.set_as_current:
            return (
                "the site's Celery app is not imported in this process. Import it in the project's "
                "__init__.py, as Celery's documentation says."
            )
        return ""

    def find_shortcut(self, task: Any) -> str:
        """Return what the setting ``task_always_eager`` does, or an empty string without it."""
        if task.app.conf.task_always_eager:
            return "task_always_eager runs tasks at once, while the visitor waits."
        return ""
