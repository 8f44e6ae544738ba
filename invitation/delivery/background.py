"""Let workers send: what the deliveries by django.tasks and by Celery have in common."""

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
    """Say that the package which runs the tasks is not installed."""


class BackgroundDelivery(EmailDelivery):
    """Tell a worker elsewhere which rows wait, and leave the sending to it.

    A task carries the primary keys of rows and nothing else. It is a hint and no promise: the row
    is the truth, and one whose task was lost or never made is found by ``sendinvitations``.
    """

    immediate = False
    #: The dotted path of the task. Its module alone imports the package that runs it.
    task: str
    #: What has to be installed for it, for people.
    package: str
    #: How many mails one task sends. Several workers share what is more.
    batch_size: int = 100
    #: Whether nobody could be told any more. A batch of mails asks once, and not for each that is
    #: to be tried again: a broker that hangs takes its time.
    in_vain: bool = False

    def get_task(self) -> Any:
        """Return the task, or raise ``PackageMissing``, a kind of ``ImproperlyConfigured``."""
        try:
            return import_string(self.task)
        except ImportError as error:
            message = f"{type(self).__qualname__} needs {self.package}: {error}"
            raise PackageMissing(message) from error

    def hand_over(self, pks: Sequence[int], not_before: datetime | None = None) -> None:
        """Make tasks for these rows, in bounded time, and never raise."""
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
            # Whatever the client of some broker raises: the rows are there, and the request, or
            # the worker that has more to send, goes on. Its words are the broker's, and not logged.
            kind = f"{type(error).__module__}.{type(error).__qualname__}"
            logger.error(  # noqa: TRY400
                "%s told no worker of %s invitation mails, which wait for sendinvitations: %s",
                type(self).__qualname__,
                len(pks),
                kind,
            )

    @abstractmethod
    def enqueue(self, batches: Sequence[list[int]], not_before: datetime | None) -> None:
        """Make a task for each batch, to run from ``not_before`` on; may raise anything."""

    def check(self) -> list[CheckMessage]:
        """Report a package or a set-up that is missing, and tasks that wait for no worker."""
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
        """Return why this task cannot be handed over at all, or nothing."""

    @abstractmethod
    def find_shortcut(self, task: Any) -> str:
        """Return what becomes of the task if no worker gets it, or nothing if one does."""
