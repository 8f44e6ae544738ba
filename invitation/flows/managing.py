"""Do what an inviter may do with an invitation afterwards."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from functools import partial

from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.utils import timezone

from invitation import blocklist, codes, keys, signals, texts
from invitation.conf import conf
from invitation.exceptions import (
    AlreadyInvited,
    InvitationError,
    NotPending,
)
from invitation.flows import quotas
from invitation.flows.deadlocks import in_transaction, retrying, writing
from invitation.flows.ending import end
from invitation.flows.grouping import set_groups
from invitation.flows.inviting import expiry
from invitation.flows.mailing import ask_for_mail, too_soon
from invitation.flows.notes import check_note
from invitation.flows.sharing import close
from invitation.models import InvitationKey, QuotaEntry


def resend(invitation: InvitationKey, *, written: list[int] | None = None) -> None:
    """Send the mail again, with the same link; an expired invitation is extended before.

    Raises ``NotPending`` if it was accepted, declined or revoked, or is addressed to nobody,
    ``AddressBlocked`` if the site lets nobody invite the address any more, ``MailTooSoon`` within
    the cool-down, ``MailLimitReached``, and what ``extend`` raises. After any of them nothing has
    changed. Who sends many again in one request does so in ``with flows.together() as written:``
    and passes that on: then they take the time of one request, not of each mail.
    """
    if not invitation.email:
        raise NotPending()
    blocklist.check(invitation.email)
    try:
        in_transaction(partial(_resend, invitation, written))
    except InvitationError:
        # What was changed is rolled back; or the row is gone.
        with suppress(InvitationKey.DoesNotExist):
            invitation.refresh_from_db()
        raise


def _resend(invitation: InvitationKey, written: list[int] | None) -> None:
    # First of all: to who has read in a transaction, SQLite may refuse to write.
    InvitationKey.objects.lock([invitation.pk])
    if not InvitationKey.objects.unended().filter(pk=invitation.pk).exists():
        extend(invitation)
    if not ask_for_mail(invitation, written=written):
        raise too_soon(invitation)


@retrying
def extend(invitation: InvitationKey) -> None:
    """Give an invitation its whole time from now on, or more if it has more; reopen an expired one.

    What was given back when it expired is spent again. Raises ``NotPending`` if it was accepted,
    declined or revoked, ``QuotaExceeded`` if nothing is left to spend, ``AlreadyInvited`` if its
    inviter has another open invitation to the address, and ``AddressBlocked`` for an expired one to
    an address that nobody may invite any more.
    """
    expires_at = expiry(timezone.now())
    with writing():
        # The row before the quota, as cleanup has it. Of those who invite, renew or register,
        # nobody who holds the quota wants a row that is not open.
        InvitationKey.objects.lock([invitation.pk])
        if not InvitationKey.objects.extend(invitation.pk, expires_at):
            _revive(invitation, expires_at)
        invitation.refresh_from_db()


def _revive(invitation: InvitationKey, expires_at: datetime | None) -> None:
    expired = InvitationKey.objects.filter(status=InvitationKey.Status.EXPIRED)
    # A shared link gave back what was left of it: it ends for good.
    row = expired.personal().select_related("from_user").filter(pk=invitation.pk).first()
    if row is None or row.forgotten_at is not None:  # which is open to nobody, or would be to all
        raise NotPending()
    if row.email:
        blocklist.check(row.email)
    held = row.quota_held
    if row.from_user is not None and not held and was_given_back(row):
        held = 1
        quotas.spend(row.from_user)
        quotas.note(row.from_user, -1, quotas.Reason.REOPENED, row)
    try:
        with writing():
            InvitationKey.objects.revive(row.pk, row.slot(), expires_at, held)
    except IntegrityError as error:
        raise AlreadyInvited() from error


def was_given_back(row: InvitationKey) -> bool:
    """Tell whether an invitation that holds no quota was paid back; the ledger knows."""
    balance = QuotaEntry.objects.balance_of(row)
    # Made before there was a ledger: what holds now will have held then.
    return conf.INVITATION_REFUND_EXPIRED if balance is None else balance >= 0


@retrying
def change_link(invitation: InvitationKey) -> None:
    """Give an open invitation a new link; the ones that are out open nothing from now on.

    A shared link gets a new code, too, and keeps its word.

    A mail that waits in the outbox gets the new one. One that was asked for in the same transaction
    as this leaves with the old one.

    Raises ``NotPending`` if it has ended or run out.
    """
    with writing():
        if invitation.key_expired():
            raise NotPending()
        locator = keys.new_locator()
        changes = {"locator": locator}
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
    """Change the name, the note and, unless they are ``None``, the groups of an open invitation.

    Raises ``NotPending`` if it has ended, ``TextRefused`` for a note that may not be mailed in its
    inviter's name, and ``GroupRefused`` for a group that he may not give.
    """
    name = texts.plain_name(recipient_name)
    note = check_note(invitation.from_user, note, kept=invitation.note)
    with writing():
        _write(invitation, recipient_name=name, note=note)
        if groups is not None:
            set_groups(invitation, invitation.from_user, groups)


def revoke(invitation: InvitationKey) -> None:
    """Withdraw an open invitation, and ``close`` a shared link.

    Raises ``NotPending`` if it has ended.
    """
    if invitation.shared:
        close(invitation)
        return
    end(invitation, InvitationKey.Status.REVOKED, signals.invitation_revoked)


def _write(invitation: InvitationKey, **changes: str) -> None:
    with writing():
        if InvitationKey.objects.renew(invitation.pk, **changes) is None:
            raise NotPending()
        invitation.refresh_from_db()
