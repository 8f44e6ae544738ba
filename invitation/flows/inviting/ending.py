"""The end of pending invitations. Each invitation ends once."""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal
from django.utils import timezone

from invitation import signals
from invitation.conf import conf
from invitation.exceptions import NotPending
from invitation.flows import quota
from invitation.flows.after_commit import announce, retrying, writing
from invitation.models import InvitationKey


@retrying
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


@retrying
def end_shared(invitation: InvitationKey) -> None:
    """Revoke a shared link, and give back the uses that are left.

    Raises ``NotPending`` if it has ended.
    """
    with writing():
        row = locked_link(invitation)
        end(invitation, InvitationKey.Status.REVOKED, signals.invitation_revoked)
        if row is not None and row.from_user_id is not None:
            held = row.given_back()
            left = invitation.quota_held = row.quota_held - held.amount
            InvitationKey.objects.filter(pk=row.pk).update(quota_held=left)
            quota.give_back([held], quota.Reason.RETURNED)


def locked_link(invitation: InvitationKey) -> InvitationKey | None:
    """Lock a shared link and return its present row, or ``None`` if it is gone."""
    InvitationKey.objects.lock([invitation.pk])
    rows = InvitationKey.objects.shared_links().select_related("from_user")
    return rows.filter(pk=invitation.pk).first()
