"""Leave the mails in the outbox, for ``manage.py sendinvitations`` to send from cron."""

from __future__ import annotations

from invitation.delivery.email import EmailDelivery


class OutboxDelivery(EmailDelivery):
    """Send by e-mail, but never in a request: no visitor waits for a mail server."""

    immediate = False
