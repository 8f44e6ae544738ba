"""Tell the rest of the site what happened, after the commit."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import Signal

from invitation.models import InvitationKey


def announce(signal: Signal, **arguments: Any) -> None:
    """Send a signal once the transaction is committed; a raising receiver is logged."""
    transaction.on_commit(
        lambda: signal.send_robust(sender=InvitationKey, **arguments), robust=True
    )
