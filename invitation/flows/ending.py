"""End an open invitation, once."""

from __future__ import annotations

from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from invitation.exceptions import NotPending
from invitation.flows.announcing import announce
from invitation.models import InvitationKey


def end(invitation: InvitationKey, status: InvitationKey.Status, signal: Signal) -> None:
    """End an open invitation with this status. Raises ``NotPending`` if it has ended."""
    with transaction.atomic():
        if not InvitationKey.objects.end(invitation.pk, status, timezone.now()):
            raise NotPending()
        # Before the commit: the receivers are to see what it has become.
        invitation.refresh_from_db()
        announce(signal, invitation=invitation)
