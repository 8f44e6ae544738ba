"""Reward an inviter for each account that came with his invitation."""

from __future__ import annotations

from functools import partial
from typing import Any

from invitation import signals
from invitation.conf import conf
from invitation.flows import quotas
from invitation.flows.deadlocks import in_transaction
from invitation.models import Acceptance, InvitationKey


def connect() -> None:
    """Connect the receiver; ``apps.RECEIVERS`` names this module."""
    signals.invitation_activated.connect(_receive, dispatch_uid="invitation.reward")


def reward(invitation: InvitationKey, acceptance: Acceptance) -> None:
    """Grant the inviter INVITATION_REWARD invitations for an account that can be used now.

    For a new account only: who was a member before has not been brought by anybody. It is called
    after the commit, once for each acceptance: within the claim, which holds the invitation,
    it would want the quota while somebody who holds that quota may want the invitation.
    """
    amount = conf.INVITATION_REWARD
    if amount and acceptance.new_account:
        in_transaction(partial(_reward, invitation.pk, amount))


def _receive(sender: Any, invitation: InvitationKey, acceptance: Acceptance, **kwargs: Any) -> None:
    reward(invitation, acceptance)


def _reward(pk: int, amount: int) -> None:
    # The row before the quota, as in cleanup: the entry names it, and a foreign key locks it.
    InvitationKey.objects.lock([pk])
    made = InvitationKey.objects.filter(from_user__isnull=False).select_related("from_user")
    row = made.filter(pk=pk).first()
    if row is not None:
        quotas.grant(row.from_user, amount, quotas.Reason.REWARD, row)
