"""Send what ``CeleryDelivery`` has handed over, in a worker of Celery."""

from __future__ import annotations

from collections.abc import Sequence

from celery import shared_task

from invitation import flows


# A message is done with when its mails are. One whose worker dies comes again; the mail that the
# worker was busy with is then left alone until its lease has run out, so nothing goes twice.
@shared_task(
    name="invitation.deliver", acks_late=True, reject_on_worker_lost=True, ignore_result=True
)
def deliver(pks: Sequence[int]) -> dict[str, int]:
    """Send those of these rows that are due and that nobody else has; tell how many went."""
    sent, unsent = flows.deliver_rows(pks)
    return {"sent": sent, "unsent": unsent}
