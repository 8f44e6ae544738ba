"""Delivery that leaves emails in the outbox; ``manage.py sendinvitations`` sends them from cron."""

from __future__ import annotations

from invitation.delivery.email import EmailDelivery


class OutboxDelivery(EmailDelivery):
    """Delivery by email, but never in a request: no visitor waits for a mail server."""

    immediate = False
