"""Tasks that send emails in a worker, one module for each kind of worker.

Each module imports the package that runs its task. The site need not have this package. So other
code imports these modules only by name, and only if the site uses them.
"""

from __future__ import annotations

from invitation.delivery.base import get_delivery
from invitation.delivery.celery import CeleryDelivery


def register() -> None:
    """Register the task with Celery in this process, if the site uses Celery.

    A worker refuses a message whose task it does not know. Django's tasks are found by their name.
    Errors in the chosen delivery are ignored here, because the system checks report them.
    """
    try:
        delivery = get_delivery()
        if isinstance(delivery, CeleryDelivery):
            delivery.get_task()
    except Exception:  # noqa: BLE001 (a module of the site may raise anything)
        return
