"""Accepting an invitation with an existing account, and finding the invitations to its address."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invitation import addresses, keys, signals
from invitation.conf import conf
from invitation.exceptions import (
    AddressMismatch,
    AddressRefused,
    AddressUnproven,
    AlreadyAccepted,
    GuestForbidden,
    InvitationError,
    NothingToJoin,
    OwnInvitation,
)
from invitation.flows import quota
from invitation.flows.after_commit import announce, retrying, writing
from invitation.flows.arriving.opening import Opened, refusal_now
from invitation.flows.arriving.proofs import own_address, prove
from invitation.flows.inviting import groups_to_join, join_groups
from invitation.keys import sites
from invitation.models import Acceptance, InvitationKey
from invitation.models.querysets import InvitationKeyQuerySet

_SOMEBODY_ELSE = _("This invitation is for another email address than your account has.")
_ELSEWHERE = _(
    "This link is for addresses in certain domains. You have not confirmed yet that you have one."
)


def proven_addresses(user: Any) -> set[str]:
    """Return the addresses that this person has proven to be theirs, in canonical form.

    INVITATION_VERIFIED_ADDRESSES names them. An address that was only typed in is not proven.
    """
    rule = conf.verified_addresses
    proven: set[str] = set()
    if rule is not None and user.is_active:
        for address in rule(user):
            with suppress(AddressRefused):
                proven.add(addresses.canonical(address))
    return proven


def received_invitations(user: Any, site_id: int | None = None) -> InvitationKeyQuerySet:
    """Return the invitations from others to an address that this person has proven.

    Invitations that have ended are included. The cost is that of the site's rule. Without a proven
    address, no query runs.
    """
    proven = proven_addresses(user)
    if not proven:
        return InvitationKey.objects.none()
    site_id = sites.current_site_id() if site_id is None else site_id
    rows = InvitationKey.objects.addressed_to(proven).on_site(site_id)
    return rows.exclude(from_user=user)


def refusal_to_accept(invitation: Opened | InvitationKey, user: Any) -> InvitationError | None:
    """Return why this account may not accept a pending invitation, or ``None`` if it may.

    The invitation may have been opened with a key. The key from the email admits the account that
    has the invited address. An account that has proven this address may also accept. With the
    policy "any", every holder of a key may accept. Without a key, the address must be proven.
    """
    opened = invitation if isinstance(invitation, Opened) else None
    row = invitation.invitation if isinstance(invitation, Opened) else invitation
    if quota.is_guest(user):
        return GuestForbidden()
    if row.from_user_id is not None and row.from_user_id == user.pk:
        return OwnInvitation()
    if row.max_uses != 1 and _has_accepted(row, user):
        return AlreadyAccepted()
    if not row.email:
        return _refusal_to_join(opened, row, user)
    own = own_address(user)
    if opened is not None and opened.proves(own):
        return None
    if row.email_key in proven_addresses(user):
        return None
    if opened is not None and conf.INVITATION_EMAIL_POLICY == "any":
        return None
    if addresses.same(row.email, own):
        return AddressUnproven()
    return _mismatch(row)


def _refusal_to_join(
    opened: Opened | None, row: InvitationKey, user: Any
) -> InvitationError | None:
    """Return why a member cannot use an invitation that has no invited person."""
    if opened is None:
        return _mismatch(row)
    if not groups_to_join(row):
        return NothingToJoin()
    if row.allowed_domains and not _domains(user) & set(row.allowed_domains):
        return AddressUnproven(_ELSEWHERE)
    return None


def _domains(user: Any) -> set[str]:
    return {address.rpartition("@")[2] for address in proven_addresses(user)}


def _mismatch(row: InvitationKey) -> AddressMismatch:
    return AddressMismatch(_SOMEBODY_ELSE, params={"email": addresses.display(row.email)})


def _has_accepted(row: InvitationKey, user: Any) -> bool:
    return Acceptance.objects.filter(invitation=row, user=user).exists()


@retrying
def accept(invitation: Opened | InvitationKey, user: Any) -> Acceptance:
    """Accept an invitation with an existing account, and add the account to its groups.

    No account is created. Returns the acceptance, whose ``new_account`` is false. Sends
    ``invitation_accepted``. Does not send ``invitation_activated``, because no new account became
    usable.

    Raises what ``refusal_to_accept`` returns. Raises ``AlreadyAccepted`` if this account has just
    accepted in another tab. Raises the ``KeyRefused`` that gives the reason if it is too late.
    """
    opened = invitation if isinstance(invitation, Opened) else None
    row = invitation.invitation if isinstance(invitation, Opened) else invitation
    refusal = refusal_to_accept(invitation, user)
    if refusal is not None:
        raise refusal
    proven = opened is not None and opened.proves(own_address(user))
    now = timezone.now()
    try:
        with writing():
            if not InvitationKey.objects.claim_use(row.pk, row.locator, now):
                raise AlreadyAccepted() if _has_accepted(row, user) else refusal_now(row)
            acceptance = Acceptance.objects.create(
                invitation=row, user=user, claimed_at=now, activated_at=now, new_account=False
            )
            join_groups(row, user)
            if proven:
                prove(user)
            # Before the commit: the receivers must see the new state.
            row.refresh_from_db()
            parties = {"invitation": row, "acceptance": acceptance, "user": user}
            announce(signals.invitation_accepted, **parties, address_proven=proven)
    except IntegrityError as error:
        # The rollback gives back the use that was taken.
        if _has_accepted(row, user):
            raise AlreadyAccepted() from error
        raise
    return acceptance


def find_accepted(text: object, user: Any, site_id: int) -> InvitationKey | None:
    """Return the invitation of a key if this account has accepted it.

    The invitation may be pending or ended. Returns ``None`` otherwise.
    """
    resolved = keys.resolve(text, InvitationKey.objects.find, site_id)
    if resolved is None or not _has_accepted(resolved.row, user):
        return None
    return resolved.row
