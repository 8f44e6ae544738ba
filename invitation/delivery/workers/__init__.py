"""Tasks that send emails in a worker, one module for each kind of worker.

Each module imports the package that runs its task. The site need not have this package. So other
code imports these modules only by name, and only if the site uses them.
"""

from __future__ import annotations

from invitation.conf import DELIVERY, conf
from invitation.delivery.base import get_delivery


def register() -> None:
    """Register the task with Celery in this process, if the site uses Celery.

    A worker refuses a message whose task it does not know. Django's tasks are found by their name.
    The default delivery has no task, and is not imported before the first email. Errors in the
    chosen delivery are ignored here, because the system checks report them.
    """
    if conf.INVITATION_DELIVERY == DELIVERY:
        return
    try:
        from invitation.delivery.celery import CeleryDelivery  # most sites do not use it

        delivery = get_delivery()
        if isinstance(delivery, CeleryDelivery):
            delivery.get_task()
    except Exception:  # noqa: BLE001 (a module of the site may raise anything)
        return
