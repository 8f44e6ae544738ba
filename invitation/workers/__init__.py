"""Do in a worker what a delivery has handed over: one module for each kind of worker.

Each imports the package that runs its task, which the site need not have; so nothing imports these
modules but by their name, once it is known that the site wants them.
"""

from __future__ import annotations

from invitation.delivery.base import get_delivery
from invitation.delivery.celery import CeleryDelivery


def register() -> None:
    """Make the task known to Celery in this process, if the site has chosen to use it.

    A worker refuses a message whose task it has not heard of. Django's tasks are found by their
    name. What is wrong with the chosen delivery is for the system checks to say.
    """
    try:
        delivery = get_delivery()
        if isinstance(delivery, CeleryDelivery):
            delivery.get_task()
    except Exception:  # noqa: BLE001 (a module of the site may raise anything)
        return
