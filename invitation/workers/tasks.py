"""Send what ``TaskDelivery`` has handed over, in a worker of Django's tasks framework."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import django

from invitation import flows
from invitation.delivery.tasks import chosen_options

#: Django's own, or the package that brings it to older ones.
framework = import_module("django.tasks" if django.VERSION >= (6, 0) else "django_tasks")


# A task has to name a queue that there is, or it cannot even be defined. So the site's choice is
# asked for here; this module is imported only where it has chosen tasks.
@framework.task(**chosen_options())
def deliver(pks: Sequence[int]) -> dict[str, int]:
    """Send those of these rows that are due and that nobody else has; tell how many went."""
    sent, unsent = flows.deliver_rows(pks)
    return {"sent": sent, "unsent": unsent}
