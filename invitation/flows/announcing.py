"""Signals to the rest of the site, sent after the commit."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import Signal

from invitation.models import InvitationKey


def announce(signal: Signal, **arguments: Any) -> None:
    """Send a signal once the transaction is committed. Log a receiver that raises."""
    transaction.on_commit(
        lambda: signal.send_robust(sender=InvitationKey, **arguments), robust=True
    )
