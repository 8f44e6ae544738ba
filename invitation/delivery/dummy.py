"""Send nothing, and remember what would have been sent: for tests."""

from __future__ import annotations

from typing import ClassVar

from invitation.delivery.base import BaseDelivery, MailPreview
from invitation.delivery.email import EmailDelivery
from invitation.models import InvitationEmail, InvitationKey


class DummyDelivery(BaseDelivery):
    """Keep the mails in ``DummyDelivery.outbox``, a list that the test has to clear."""

    outbox: ClassVar[list[InvitationEmail]] = []

    def send(self, mail: InvitationEmail) -> None:
        """Remember this mail."""
        self.outbox.append(mail)

    def preview(self, invitation: InvitationKey) -> MailPreview:
        """Return the mail that another delivery would send."""
        return EmailDelivery().preview(invitation)
