"""The end of pending invitations. Each invitation ends once."""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal
from django.utils import timezone

from invitation import signals
from invitation.conf import conf
from invitation.exceptions import NotPending
from invitation.flows.announcing import announce
from invitation.flows.deadlocks import retrying, writing
from invitation.models import InvitationKey


def close_all_of(user: Any) -> None:
    """Revoke the pending invitations of a member whose account is about to be deleted.

    Does nothing where INVITATION_REQUIRE_ACTIVE_INVITER is off. There the invitations stay pending.
    """
    if not conf.INVITATION_REQUIRE_ACTIVE_INVITER:
        return
    with writing():
        for invitation in InvitationKey.objects.close_all_of(user, timezone.now()):
            # The account no longer exists when this signal is sent.
            invitation.from_user = None
            announce(signals.invitation_revoked, invitation=invitation)


@retrying
def end(invitation: InvitationKey, status: InvitationKey.Status, signal: Signal) -> None:
    """End a pending invitation with this status. Raise ``NotPending`` if it has ended."""
    with writing():
        if not InvitationKey.objects.end(invitation.pk, status, timezone.now()):
            raise NotPending()
        # Before the commit: the receivers must see the new state.
        invitation.refresh_from_db()
        announce(signal, invitation=invitation)
