"""The check, right before sending, whether an email is still wanted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from invitation import addresses
from invitation.addresses import blocklist
from invitation.conf import conf
from invitation.exceptions import (
    AddressRefused,
    InvitationError,
    KeyExpired,
    KeyRevoked,
    NotRenewable,
)
from invitation.flows.mail.unsubscribing import Reason, is_suppressed
from invitation.models import InvitationEmail, InvitationKey

Failure = InvitationEmail.Failure
State = InvitationEmail.State


class StopReason(NamedTuple):
    """Reason why an email is no longer sent, with the final state of its row."""

    failure: str
    details: str = ""
    state: str = State.FAILED


def address_of(mail: InvitationEmail) -> str:
    """Return the address that an email goes to; empty if its inviter has none."""
    if mail.kind in (InvitationEmail.Kind.INVITATION, InvitationEmail.Kind.REMINDER):
        return mail.invitation.email
    return addresses.of_member(mail.invitation.from_user)


def stop_reason(mail: InvitationEmail, wanting: Collection[str] = ()) -> StopReason | None:
    """Return why an email became pointless or unwanted after it was queued, or ``None``.

    ``wanting`` has addresses that were not suppressed when the row was read. They are not checked
    again.
    """
    kind = InvitationEmail.Kind
    # An email about expired invitations also names other people, so it is still sent.
    if mail.invitation.forgotten_at is not None and mail.kind != kind.EXPIRED:
        return StopReason(Failure.POINTLESS)
    if mail.kind in (kind.INVITATION, kind.REMINDER):
        refusal = mail.invitation.refusal()
        if refusal is not None:
            return StopReason(Failure.POINTLESS, str(refusal))
        return _to_address(mail.invitation.email, wanting)
    if mail.kind == kind.RENEWAL:
        return _to_renewal(mail.invitation, wanting)
    return _to_news(mail, wanting)


def _to_renewal(invitation: InvitationKey, wanting: Collection[str]) -> StopReason | None:
    inviter = invitation.from_user
    dead = isinstance(invitation.refusal(), (KeyExpired, KeyRevoked))
    if dead and inviter and inviter.is_active:
        return _to_inviter(inviter, wanting)
    error: InvitationError = NotRenewable()
    return StopReason(Failure.POINTLESS, str(error))


def _to_inviter(inviter: Any, wanting: Collection[str]) -> StopReason | None:
    """Return why this inviter gets no email, or ``None``.

    An inviter who unsubscribed from invitations still gets these emails.
    """
    email = addresses.of_member(inviter)
    reason = is_suppressed(email) if email not in wanting else None
    if reason in (Reason.BOUNCED, Reason.COMPLAINED):
        return StopReason(str(reason), "Email to the inviter's address bounces.")
    return None


def _to_news(mail: InvitationEmail, wanting: Collection[str]) -> StopReason | None:
    """Return why an inviter is not told what happened to their invitations, or ``None``."""
    if not wants_news(mail.invitation.from_user, mail.kind):
        return StopReason(Failure.POINTLESS, "The inviter does not want this email any more.")
    objection = _to_inviter(mail.invitation.from_user, wanting)
    if objection is not None:
        return objection
    if mail.kind == InvitationEmail.Kind.EXPIRED:
        still = InvitationKey.objects.get_queryset().told_by(mail).exists()
    else:
        # The account may be deleted. The invitation may then be pending again.
        still = mail.invitation.status == mail.kind
    return None if still else StopReason(Failure.POINTLESS, "It is no longer true.")


def wants_news(inviter: Any, kind: str) -> bool:
    """Return whether this inviter wants email of this kind and has an address for it."""
    if inviter is None or not inviter.is_active or kind not in conf.notify_inviter(inviter):
        return False
    return addresses.of_member(inviter) != ""


def _to_address(email: str, wanting: Collection[str]) -> StopReason | None:
    """Return why this address gets no email, or ``None``.

    This includes addresses that were blocked or suppressed after the invitation.
    """
    try:
        blocklist.check(email)
    except AddressRefused as error:
        return StopReason(Failure.BLOCKED, str(error))
    reason = is_suppressed(email) if email not in wanting else None
    if reason == Reason.BOUNCED:
        return StopReason(Failure.BOUNCED)
    if reason == Reason.COMPLAINED:
        return StopReason(Failure.COMPLAINED, state=State.SUPPRESSED)
    # Also if an administrator suppressed the address: its owner asked them to.
    return None if reason is None else StopReason(Failure.UNSUBSCRIBED, state=State.SUPPRESSED)
