"""Make many people cheaply, and say what they do."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model

from invitation import keys
from invitation.flows import arriving
from invitation.flows.after_commit import repeat
from invitation.models import InvitationKey, InvitationQuota
from tests.factories import ADDRESS, make_invitation, make_user

User = get_user_model()


def make_members(number: int) -> list[Any]:
    """Return members who may invite."""
    return [make_user(f"member{i}") for i in range(number)]


def make_account(name: str, email: str = ADDRESS, *, active: bool = False) -> Any:
    """Return a new account that nobody can log in to: a password takes time to hash."""
    return User.objects.create(username=name, email=email, password="!", is_active=active)


def make_held(inviter: Any, email: str = ADDRESS, **fields: Any) -> InvitationKey:
    """Return an invitation that a member has paid for, without email."""
    InvitationQuota.objects.hold(inviter)
    InvitationQuota.objects.spend(inviter, None)
    return make_invitation(inviter, email, quota_held=1, **fields)


def claim(invitation: InvitationKey, name: str, **fields: Any) -> str:
    """Register an account whose registrant opened the invitation while it was still open."""
    opened = arriving.Opened(invitation, keys.MAIL, invitation.mail_key)

    def create() -> Any:
        return make_account(name, invitation.email, **fields)

    repeat(lambda: arriving.claim(opened, create, email=invitation.email))
    return "claimed"


def delete_account(pk: int) -> str:
    """Delete an account, as the code of a site does that repeats what the database undid."""

    def delete() -> None:
        for user in User.objects.filter(pk=pk):
            user.delete()

    repeat(delete)
    return "deleted"


def decline(invitation: InvitationKey) -> str:
    """Decline as somebody who opened the invitation while it was still open."""
    arriving.decline(arriving.Opened(invitation, keys.MAIL, invitation.mail_key))
    return "declined"


def fresh(invitation: InvitationKey) -> InvitationKey:
    """Return a row of its own for a thread: verbs write to what they are given."""
    return InvitationKey.objects.get(pk=invitation.pk)
