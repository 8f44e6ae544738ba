"""Ask right before sending whether a mail is still wanted."""

from __future__ import annotations

from dataclasses import dataclass

from invitation import blocklist
from invitation.exceptions import (
    AddressRefused,
    InvitationError,
    KeyExpired,
    KeyRevoked,
    NotRenewable,
)
from invitation.flows.suppressing import Reason, is_suppressed
from invitation.models import InvitationEmail

Failure = InvitationEmail.Failure
State = InvitationEmail.State


@dataclass(frozen=True)
class Objection:
    """Say why a mail does not leave any more, and what becomes of its row."""

    failure: str
    details: str = ""
    state: str = State.FAILED


def objection_to(mail: InvitationEmail) -> Objection | None:
    """Return why a mail has become pointless or unwanted since it was queued, or ``None``."""
    if mail.invitation.forgotten_at is not None:
        return Objection(Failure.POINTLESS)
    refusal = mail.invitation.refusal()
    if mail.kind == InvitationEmail.Kind.INVITATION:
        if refusal is not None:
            return Objection(Failure.POINTLESS, str(refusal))
        return _to_address(mail.invitation.email)
    inviter = mail.invitation.from_user
    still = isinstance(refusal, (KeyExpired, KeyRevoked)) and inviter and inviter.is_active
    if still:
        return None
    error: InvitationError = NotRenewable()
    return Objection(Failure.POINTLESS, str(error))


def _to_address(email: str) -> Objection | None:
    """Return why this address gets no mail, also if that is so only since it was invited."""
    try:
        blocklist.check(email)
    except AddressRefused as error:
        return Objection(Failure.BLOCKED, str(error))
    reason = is_suppressed(email)
    if reason == Reason.BOUNCED:
        return Objection(Failure.BOUNCED)
    if reason == Reason.COMPLAINED:
        return Objection(Failure.COMPLAINED, state=State.SUPPRESSED)
    # Also where an administrator has said so: he was asked to.
    return None if reason is None else Objection(Failure.OPTED_OUT, state=State.SUPPRESSED)
