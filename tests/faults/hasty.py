"""Send by email, and wait for nothing for long."""

from __future__ import annotations

from invitation.delivery.outbox import OutboxDelivery


class HastyDelivery(OutboxDelivery):
    """Be what a site has that has set no timeout, with less patience."""

    timeout = 1
    time_per_mail = 2
    time_to_close = 0.5


class ImmediateDelivery(HastyDelivery):
    """Be one that sends in the process that asked for the email."""

    immediate = True
