"""The Celery task that sends what ``CeleryDelivery`` has handed over."""

from __future__ import annotations

from collections.abc import Sequence

from celery import shared_task

from invitation.flows import mail


# A message is acknowledged only after its emails are done. If its worker dies, the message comes
# again. The email in progress is left alone until its lease ends, so no email is sent twice.
@shared_task(
    name="invitation.deliver", acks_late=True, reject_on_worker_lost=True, ignore_result=True
)
def deliver(pks: Sequence[int]) -> dict[str, int]:
    """Send those of these rows that are due and not held by another sender.

    Returns how many were sent and how many were not.
    """
    sent, unsent = mail.deliver_rows(pks)
    return {"sent": sent, "unsent": unsent}
