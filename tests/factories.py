"""Make the people, invitations and emails that tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from invitation import addresses, keys
from invitation.flows import arriving
from invitation.models import Acceptance, InvitationEmail, InvitationKey, InvitationQuota

DAY = timedelta(days=1)
#: From noon to the last second of the day.
AFTERNOON = timedelta(hours=11, minutes=59, seconds=59)
ADDRESS = "bob@example.org"


def make_user(name: str = "ann", **fields: Any) -> Any:
    """Return a new user of whichever model the site has, with an address at example.com."""
    model = get_user_model()
    fields.setdefault("email", f"{name}@example.com")
    if model.USERNAME_FIELD != "email":
        fields.setdefault(model.USERNAME_FIELD, name)
    return model._default_manager.create_user(password="secret", **fields)


def make_invitation(
    inviter: Any = None, email: str = ADDRESS, *, left: timedelta | None = DAY, **fields: Any
) -> InvitationKey:
    """Return an invitation that was written at once, without verb, email or quota.

    ``left`` says how much time it has, a negative one for how long it is overdue.
    """
    fields.setdefault("status", InvitationKey.Status.PENDING)
    fields.setdefault("expires_at", None if left is None else timezone.now() + left)
    invitation = InvitationKey(
        from_user=inviter,
        email=email,
        email_key=addresses.canonical(email) if email else "",
        site_id=fields.pop("site_id", 1),
        **fields,
    )
    if invitation.status == InvitationKey.Status.PENDING:
        invitation.pending_slot = invitation.slot()
    else:
        invitation.ended_at = fields.get("ended_at", timezone.now())
    invitation.save()
    return invitation


def make_acceptance(user: Any, invitation: InvitationKey | None = None) -> Acceptance:
    """Return the acceptance of an account that used up an invitation and is not yet active."""
    if invitation is None:
        accepted = InvitationKey.Status.ACCEPTED
        invitation = make_invitation(make_user("inviter"), status=accepted, uses=1)
    return Acceptance.objects.create(invitation=invitation, user=user)


def make_mail(invitation: InvitationKey | None = None, **fields: Any) -> InvitationEmail:
    """Return an email in the outbox, by default one that waits and is due."""
    return InvitationEmail.objects.create(
        invitation=invitation or make_invitation(make_user("inviter")),
        **fields,
    )


@contextmanager
def rolled_back() -> Iterator[None]:
    """Do the block in a transaction that is then rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def spent(user: Any) -> int:
    """Return how much of their quota a member has spent."""
    quota = InvitationQuota.objects.filter(inviter=user).first()
    return quota.spent if quota else 0


def open_it(invitation: InvitationKey, channel: str = keys.MAIL) -> arriving.Opened:
    """Return the invitation as its key opens it, by default the emailed one."""
    key = keys.make(invitation.locator, channel, invitation.site_id)
    return arriving.open_invitation(key, invitation.site_id)


def register(invitation: InvitationKey, name: str = "bob", **fields: Any) -> Any:
    """Return the account that registered with an invitation."""
    email = fields.setdefault("email", invitation.email)
    return arriving.claim(open_it(invitation), lambda: make_user(name, **fields), email=email)
