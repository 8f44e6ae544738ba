"""Base class of the deliveries that send in workers, by django.tasks or by Celery."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from invitation.delivery.email import EmailDelivery

logger = logging.getLogger(__name__)


class PackageMissing(ImproperlyConfigured):
    """Error for a missing package: the one that runs the tasks."""


class BackgroundDelivery(EmailDelivery):
    """Delivery that tells a worker which rows wait; the worker sends them.

    A task contains the primary keys of rows and nothing else. The row decides, not the task. If a
    task is lost or was never created, ``sendinvitations`` finds its row.
    """

    immediate = False
    #: Dotted path of the task. Only its module imports the package that runs it.
    task: str
    #: Packages that the task needs, in words for people.
    package: str
    #: Number of emails in one task. With more emails, several workers can share the work.
    batch_size: int = 100
    #: Whether an attempt to create tasks has failed. Then the rest of the batch makes no further
    #: attempt: each one would wait for a broker that may not answer.
    in_vain: bool = False

    def get_task(self) -> Any:
        """Return the task.

        Raises ``PackageMissing``, a subclass of ``ImproperlyConfigured``.
        """
        try:
            return import_string(self.task)
        except ImportError as error:
            message = f"{type(self).__qualname__} needs {self.package}: {error}"
            raise PackageMissing(message) from error

    def hand_over(self, pks: Sequence[int], not_before: datetime | None = None) -> None:
        """Create tasks for these rows.

        It takes a limited time and never raises.
        """
        if self.in_vain:
            return
        batches = [
            list(pks[start : start + self.batch_size])
            for start in range(0, len(pks), self.batch_size)
        ]
        try:
            self.enqueue(batches, not_before)
        except Exception as error:  # noqa: BLE001
            self.in_vain = True
            # The client of a broker may raise anything. The rows are saved, so the request or the
            # worker goes on. The text of the error comes from the broker, and is not logged.
            kind = f"{type(error).__module__}.{type(error).__qualname__}"
            logger.error(  # noqa: TRY400
                "%s told no worker of %s emails. They wait for sendinvitations: %s",
                type(self).__qualname__,
                len(pks),
                kind,
            )

    @abstractmethod
    def enqueue(self, batches: Sequence[list[int]], not_before: datetime | None) -> None:
        """Create a task for each batch, to run from ``not_before`` on; may raise anything."""

    def check(self) -> list[CheckMessage]:
        """Return check messages about a missing package, a wrong set-up, or missing workers."""
        messages = super().check()
        shortcut = ""
        try:
            task = self.get_task()
            fault = self.find_fault(task)
            shortcut = "" if fault else self.find_shortcut(task)
        except PackageMissing as error:
            hint = f"Install {self.package}, or choose another INVITATION_DELIVERY."
            return [*messages, Error(str(error), hint=hint, id="invitation.E046")]
        except Exception as error:  # noqa: BLE001 (what runs the site's tasks may raise anything)
            fault = f"{type(error).__qualname__}: {error}"
        if fault:
            message = f"{type(self).__qualname__} can hand over no mail: {fault}"
            hint = "Until this is mended, only sendinvitations sends."
            messages.append(Error(message, hint=hint, id="invitation.E047"))
        elif shortcut and not settings.DEBUG:
            message = f"{type(self).__qualname__} has no worker to hand mails to: {shortcut}"
            hint = "Set up what runs tasks in workers, or choose another INVITATION_DELIVERY."
            messages.append(CheckWarning(message, hint=hint, id="invitation.W016"))
        return messages

    @abstractmethod
    def find_fault(self, task: Any) -> str:
        """Return why this task cannot be created at all, or an empty string."""

    @abstractmethod
    def find_shortcut(self, task: Any) -> str:
        """Return what happens to the task without a worker, or an empty string with one."""
