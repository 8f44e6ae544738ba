"""Ask right before sending whether a mail is still wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from invitation import addresses, blocklist
from invitation.conf import conf
from invitation.exceptions import (
    AddressRefused,
    InvitationError,
    KeyExpired,
    KeyRevoked,
    NotRenewable,
)
from invitation.flows.suppressing import Reason, is_suppressed
from invitation.models import InvitationEmail, InvitationKey

Failure = InvitationEmail.Failure
State = InvitationEmail.State


@dataclass(frozen=True)
class Objection:
    """Say why a mail does not leave any more, and what becomes of its row."""

    failure: str
    details: str = ""
    state: str = State.FAILED


def objection_to(mail: InvitationEmail, wanting: str = "") -> Objection | None:
    """Return why a mail has become pointless or unwanted since it was queued, or ``None``.

    ``wanting`` is an address of which it was seen with the row that it is not suppressed.
    """
    kind = InvitationEmail.Kind
    # That of what has expired tells of others, too.
    if mail.invitation.forgotten_at is not None and mail.kind != kind.EXPIRED:
        return Objection(Failure.POINTLESS)
    if mail.kind in (kind.INVITATION, kind.REMINDER):
        refusal = mail.invitation.refusal()
        if refusal is not None:
            return Objection(Failure.POINTLESS, str(refusal))
        return _to_address(mail.invitation.email, wanting)
    if mail.kind == kind.RENEWAL:
        return _to_renewal(mail.invitation)
    return _to_news(mail)


def _to_renewal(invitation: InvitationKey) -> Objection | None:
    inviter = invitation.from_user
    dead = isinstance(invitation.refusal(), (KeyExpired, KeyRevoked))
    if dead and inviter and inviter.is_active:
        return _to_inviter(inviter)
    error: InvitationError = NotRenewable()
    return Objection(Failure.POINTLESS, str(error))


def _to_inviter(inviter: Any) -> Objection | None:
    """Return why this inviter gets no mail; who wants no invitations may still invite."""
    reason = is_suppressed(addresses.of_member(inviter))
    if reason in (Reason.BOUNCED, Reason.COMPLAINED):
        return Objection(str(reason), "The inviter's address takes no mail.")
    return None


def _to_news(mail: InvitationEmail) -> Objection | None:
    """Return why an inviter is not told what became of his invitations, if he is not."""
    if not wants_news(mail.invitation.from_user, mail.kind):
        return Objection(Failure.POINTLESS, "The inviter is not to be told any more.")
    objection = _to_inviter(mail.invitation.from_user)
    if objection is not None:
        return objection
    if mail.kind == InvitationEmail.Kind.ACCEPTED:
        # An account that is gone without a trace has given it back.
        still = mail.invitation.status == InvitationKey.Status.ACCEPTED
    else:
        still = InvitationKey.objects.get_queryset().told_by(mail).exists()
    return None if still else Objection(Failure.POINTLESS, "What it tells is no longer so.")


def wants_news(inviter: Any, kind: str) -> bool:
    """Tell whether this inviter is to be mailed news of this kind, and can be."""
    if inviter is None or not inviter.is_active or kind not in conf.notify_inviter(inviter):
        return False
    return addresses.of_member(inviter) != ""


def _to_address(email: str, wanting: str) -> Objection | None:
    """Return why this address gets no mail, also if that is so only since it was invited."""
    try:
        blocklist.check(email)
    except AddressRefused as error:
        return Objection(Failure.BLOCKED, str(error))
    reason = is_suppressed(email) if email != wanting else None
    if reason == Reason.BOUNCED:
        return Objection(Failure.BOUNCED)
    if reason == Reason.COMPLAINED:
        return Objection(Failure.COMPLAINED, state=State.SUPPRESSED)
    # Also where an administrator has said so: he was asked to.
    return None if reason is None else Objection(Failure.OPTED_OUT, state=State.SUPPRESSED)
