"""End open invitations, each once."""

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
    """Revoke what a member has open whose account is about to be deleted.

    Nothing at all where INVITATION_REQUIRE_ACTIVE_INVITER is off: there his invitations go on.
    """
    if not conf.INVITATION_REQUIRE_ACTIVE_INVITER:
        return
    with writing():
        for invitation in InvitationKey.objects.close_all_of(user, timezone.now()):
            # As the row is when this is announced: the account is gone by then.
            invitation.from_user = None
            announce(signals.invitation_revoked, invitation=invitation)


@retrying
def end(invitation: InvitationKey, status: InvitationKey.Status, signal: Signal) -> None:
    """End an open invitation with this status. Raises ``NotPending`` if it has ended."""
    with writing():
        if not InvitationKey.objects.end(invitation.pk, status, timezone.now()):
            raise NotPending()
        # Before the commit: the receivers are to see what it has become.
        invitation.refresh_from_db()
        announce(signal, invitation=invitation)
