"""The task of Django's tasks framework that sends what ``TaskDelivery`` has handed over."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import django

from invitation.delivery.tasks import chosen_options
from invitation.flows import mail

#: Django's tasks framework, or the package that provides it for older versions of Django.
framework = import_module("django.tasks" if django.VERSION >= (6, 0) else "django_tasks")


# A task must name an existing queue, or it cannot be defined. So the site's choice is read here.
# This module is imported only if the site has chosen tasks.
@framework.task(**chosen_options())
def deliver(pks: Sequence[int]) -> dict[str, int]:
    """Send those of these rows that are due and not held by another sender.

    Returns how many were sent and how many were not.
    """
    sent, unsent = mail.deliver_rows(pks)
    return {"sent": sent, "unsent": unsent}
