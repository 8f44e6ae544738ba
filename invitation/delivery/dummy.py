"""Send nothing, and remember what would have been sent: for tests."""

from __future__ import annotations

from typing import ClassVar

from invitation.delivery.base import BaseDelivery
from invitation.models import InvitationEmail


class DummyDelivery(BaseDelivery):
    """Keep the mails in ``DummyDelivery.outbox``, a list that the test has to clear."""

    outbox: ClassVar[list[InvitationEmail]] = []

    def send(self, mail: InvitationEmail) -> None:
        """Remember this mail."""
        self.outbox.append(mail)
