"""Rewards for inviters: more invitations for each account that came with one of theirs."""

from __future__ import annotations

from functools import partial
from typing import Any

from invitation import signals
from invitation.conf import conf
from invitation.flows.after_commit import in_transaction
from invitation.flows.quota import spending
from invitation.models import Acceptance, InvitationKey


def connect() -> None:
    """Connect the receiver; ``apps.RECEIVERS`` names this module."""
    signals.invitation_activated.connect(_receive, dispatch_uid="invitation.reward")


def reward(invitation: InvitationKey, acceptance: Acceptance) -> None:
    """Grant the inviter INVITATION_REWARD invitations for an account that can now be used.

    Only a new account earns a reward. A person who was a member before does not.

    The function runs after the commit, once for each acceptance. The claim holds the invitation's
    row. A reward there would want the quota. It could deadlock with a process that holds that quota
    and wants the row.
    """
    amount = conf.INVITATION_REWARD
    if amount and acceptance.new_account:
        in_transaction(partial(_reward, invitation.pk, amount))


def _receive(sender: Any, invitation: InvitationKey, acceptance: Acceptance, **kwargs: Any) -> None:
    reward(invitation, acceptance)


def _reward(pk: int, amount: int) -> None:
    # Lock the row before the quota, as in cleanup, so that its inviter stays who they are.
    InvitationKey.objects.lock([pk])
    made = InvitationKey.objects.filter(from_user__isnull=False).select_related("from_user")
    row = made.filter(pk=pk).first()
    if row is not None:
        spending.grant(row.from_user, amount, spending.Reason.REWARD, row)
