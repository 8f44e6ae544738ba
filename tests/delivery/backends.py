"""Task backends of the tests' own; settings name them, and nothing imports them but by that."""

from __future__ import annotations

from typing import Any

import django

if django.VERSION >= (6, 0):
    from django.tasks.backends.dummy import DummyBackend
else:
    from django_tasks.backends.dummy import DummyBackend


class Keeping(DummyBackend):
    """Keep the tasks, as a queue does between two looks of its worker."""


class Forgetful(Keeping):
    """Know no tasks for later."""

    supports_defer = False


class Broken(Keeping):
    """Take no task."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        raise ConnectionError(f"no broker for {args}, who is bob@example.org")
