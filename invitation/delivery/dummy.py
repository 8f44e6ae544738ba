"""Delivery for tests: it sends nothing and stores the emails."""

from __future__ import annotations

from typing import ClassVar

from invitation.delivery.base import BaseDelivery, MailPreview
from invitation.delivery.email import EmailDelivery
from invitation.models import InvitationEmail, InvitationKey


class DummyDelivery(BaseDelivery):
    """Delivery that stores emails in ``DummyDelivery.outbox``; a test has to clear this list."""

    outbox: ClassVar[list[InvitationEmail]] = []

    def send(self, mail: InvitationEmail) -> None:
        """Store this email."""
        self.outbox.append(mail)

    def preview(self, invitation: InvitationKey) -> MailPreview:
        """Return the email that ``EmailDelivery`` would send."""
        return EmailDelivery().preview(invitation)
