"""What inviters can do with an invitation after they sent it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.utils import timezone

from invitation import keys, signals
from invitation.addresses import blocklist
from invitation.conf import conf
from invitation.delivery import texts
from invitation.exceptions import (
    AlreadyInvited,
    InvitationError,
    NotPending,
)
from invitation.flows import quota
from invitation.flows.after_commit import in_transaction, retrying, writing
from invitation.flows.inviting.creating import expiry_date
from invitation.flows.inviting.ending import end, end_shared
from invitation.flows.inviting.groups import set_groups
from invitation.flows.inviting.notes import check_note_of
from invitation.flows.mail import ask_for_mail, too_soon
from invitation.keys import codes
from invitation.models import InvitationKey, QuotaEntry


def resend(invitation: InvitationKey, *, written: list[int] | None = None) -> None:
    """Resend the email with the same link; extend an expired invitation first.

    Raises ``NotPending`` if the invitation was accepted, declined or revoked, or has no email
    address. Raises ``AddressBlocked`` if the site now blocks the address. Raises ``MailTooSoon``
    within the cool-down, ``MailLimitReached``, and what ``extend`` raises. After an error nothing
    has changed.

    To resend many in one request, use ``with flows.together() as written:`` and pass ``written``.
    The emails then take the time of one request in all.
    """
    if not invitation.email:
        raise NotPending()
    blocklist.check(invitation.email)
    try:
        in_transaction(partial(_resend, invitation, written))
    except InvitationError:
        # The changes are rolled back, or the row is gone.
        with suppress(InvitationKey.DoesNotExist):
            invitation.refresh_from_db()
        raise


def _resend(invitation: InvitationKey, written: list[int] | None) -> None:
    # Begin with a write: SQLite may refuse a write after a read in the same transaction.
    InvitationKey.objects.lock([invitation.pk])
    if not InvitationKey.objects.unended().filter(pk=invitation.pk).exists():
        extend(invitation)
    if not ask_for_mail(invitation, written=written):
        raise too_soon(invitation)


@retrying
def extend(invitation: InvitationKey) -> None:
    """Extend an invitation by its full time from now; make an expired one pending again.

    An invitation that already has more time keeps it. If its quota was given back when it expired,
    that is spent again.

    Raises ``NotPending`` if it was accepted, declined or revoked. Raises ``QuotaExceeded`` if no
    invitations are left. Raises ``AlreadyInvited`` if its inviter has another pending invitation to
    the address. Raises ``AddressBlocked`` for an expired one to an address that is now blocked.
    """
    expires_at = expiry_date(timezone.now())
    with writing():
        # Lock the row before the quota. Inviting, renewing and signing up also lock the quota, but
        # then need only pending rows. Cleanup locks the quota, but never waits for a row.
        InvitationKey.objects.lock([invitation.pk])
        if not InvitationKey.objects.extend(invitation.pk, expires_at):
            _revive(invitation, expires_at)
        invitation.refresh_from_db()


def _revive(invitation: InvitationKey, expires_at: datetime | None) -> None:
    expired = InvitationKey.objects.filter(status=InvitationKey.Status.EXPIRED)
    # An expired shared link gave back the uses that were left, so it cannot be extended.
    row = expired.personal().select_related("from_user").filter(pk=invitation.pk).first()
    if row is None or row.forgotten_at is not None:  # gone, or the person was forgotten
        raise NotPending()
    if row.email:
        blocklist.check(row.email)
    held = row.quota_held
    if row.from_user is not None and not held and was_given_back(row):
        held = 1
        quota.spend(row.from_user)
        quota.write_entry(row.from_user, -1, quota.Reason.REOPENED, row)
    try:
        with writing():
            InvitationKey.objects.revive(row.pk, row.slot(), expires_at, held)
    except IntegrityError as error:
        raise AlreadyInvited() from error


def was_given_back(row: InvitationKey) -> bool:
    """Return whether an invitation that holds no quota was paid back, as the ledger says."""
    balance = QuotaEntry.objects.balance_of(row)
    # It is older than the ledger: assume that today's setting was in force.
    return conf.INVITATION_REFUND_EXPIRED if balance is None else balance >= 0


@retrying
def change_link(invitation: InvitationKey) -> None:
    """Replace the link of a pending invitation; the old links stop working.

    A shared link gets a new code, too. Its custom code stays the same.

    An email that waits in the outbox gets the new link. An email that was requested in the same
    transaction leaves with the old link.

    Raises ``NotPending`` if the invitation has ended or expired.
    """
    with writing():
        if invitation.key_expired():
            raise NotPending()
        locator = keys.new_locator()
        changes: dict[str, Any] = {"locator": locator}
        if invitation.shared:
            changes["code_digest"] = codes.new_digest(locator, invitation.site_id)
        _write(invitation, **changes)


@retrying
def edit(
    invitation: InvitationKey,
    *,
    recipient_name: str,
    note: str,
    groups: Collection[Group] | None = None,
) -> None:
    """Change the name, the note and the groups of a pending invitation.

    ``groups=None`` leaves the groups unchanged.

    Raises ``NotPending`` if the invitation has ended. Raises ``TextRefused`` for a note that is not
    allowed in an email of its inviter. Raises ``GroupRefused`` for a group that the inviter may not
    give.
    """
    name = texts.plain_name(recipient_name)
    note = check_note_of(invitation, note)
    with writing():
        _write(invitation, recipient_name=name, note=note)
        if groups is not None:
            set_groups(invitation, invitation.from_user, groups)


def revoke(invitation: InvitationKey) -> None:
    """Revoke a pending invitation, or ``close`` a shared link.

    Raises ``NotPending`` if it has ended.
    """
    if invitation.shared:
        end_shared(invitation)
        return
    end(invitation, InvitationKey.Status.REVOKED, signals.invitation_revoked)


def _write(invitation: InvitationKey, **changes: Any) -> None:
    with writing():
        if InvitationKey.objects.renew(invitation.pk, **changes) is None:
            raise NotPending()
        invitation.refresh_from_db()
