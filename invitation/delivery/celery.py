"""Let the workers of Celery send."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from invitation.delivery.background import BackgroundDelivery


class CeleryDelivery(BackgroundDelivery):
    """Send by e-mail, from a worker of the site's Celery app.

    The task is called ``invitation.deliver``. The broker is reached over a connection of our own,
    with a timeout of our own: Celery by itself tries for seconds or for ever, while the visitor
    waits, and what is written to a connection that has died in its pool is lost unseen.
    """

    task = "invitation.workers.celery.deliver"
    package = "the package celery"

    #: The queue, or ``None`` for where the site's ``task_routes`` send it.
    queue: str | None = None
    #: The message's priority, or ``None`` for the site's default.
    priority: int | None = None
    #: Seconds that the broker may take to let us in, and for each answer.
    broker_timeout: float = 2
    #: What is to be sent later than that is left to ``sendinvitations``: a worker holds a message
    #: that has to wait, and RabbitMQ closes the channel of who holds one for half an hour.
    longest_wait: timedelta = timedelta(minutes=15)

    def get_options(self) -> dict[str, Any]:
        """Return the options of ``apply_async()`` that say where the task goes."""
        options = {"queue": self.queue, "priority": self.priority}
        return {name: value for name, value in options.items() if value is not None}

    def enqueue(self, batches: Sequence[list[int]], not_before: datetime | None) -> None:
        """Send a message for each batch, all over one connection."""
        task, options = self.get_task(), self.get_options()
        eager = task.app.conf.task_always_eager
        if not_before is not None:
            wait = not_before - timezone.now()
            # What runs tasks at once cannot wait: a retry would follow the failure at once, too.
            if eager or wait > self.longest_wait:
                return
            options["countdown"] = max(wait.total_seconds(), 0)
        with self.get_connection_to_broker(task.app) as connection:
            if not eager:
                # Twice, as there may be a second broker to try.
                connection.ensure_connection(
                    max_retries=1, interval_start=0, interval_step=0, timeout=self.broker_timeout
                )
            for batch in batches:
                task.apply_async([batch], connection=connection, retry=False, **options)

    def get_connection_to_broker(self, app: Any) -> Any:
        """Return a connection that is not open yet, and that waits for nothing for long."""
        seconds = self.broker_timeout
        # AMQP has the first two, Redis the others; what a transport does not know, it ignores.
        names = ("read_timeout", "write_timeout", "socket_timeout", "socket_connect_timeout")
        return app.connection_for_write(
            connect_timeout=seconds, transport_options=dict.fromkeys(names, seconds)
        )

    def find_fault(self, task: Any) -> str:
        """Return that this process has no Celery app, and would try the broker of nobody."""
        if task.app.main == "default" and not task.app.set_as_current:
            return (
                "the site's Celery app is not imported in this process. Import it in the project's "
                "__init__.py, as Celery's documentation says."
            )
        return ""

    def find_shortcut(self, task: Any) -> str:
        """Return what the setting for tests and development does."""
        if task.app.conf.task_always_eager:
            return "task_always_eager runs tasks at once, while the visitor waits."
        return ""
