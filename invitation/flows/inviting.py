"""Invite, and address an invitation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone

from invitation import addresses, blocklist, destinations, signals, sites, texts
from invitation.conf import conf
from invitation.delivery import wording
from invitation.exceptions import (
    AccountTooNew,
    AlreadyInvited,
    ExpiryRefused,
    InvitationError,
    InvitingForbidden,
    NotPending,
    OwnAddress,
    QuotaExceeded,
)
from invitation.flows import quotas
from invitation.flows.announcing import announce
from invitation.flows.deadlocks import in_transaction, retrying, writing
from invitation.flows.grouping import check_groups
from invitation.flows.languages import language_for
from invitation.flows.mailing import ask_for_mail, queue_mail, too_soon
from invitation.flows.notes import check_note
from invitation.models import InvitationKey, make_slot

#: Rounds of "make a new one, or renew the open one" while others open and end it meanwhile.
INVITE_ROUNDS = 5

#: What a renewed invitation keeps unless something else is given.
KEPT = ("recipient_name", "note", "language")

#: A number of days, ``None`` for ever, or what the site has set.
Days = int | None | Literal["default"]


@dataclass(frozen=True)
class Invited:
    """Say what ``invite`` did."""

    invitation: InvitationKey
    #: ``False`` if an open invitation to the same address was renewed instead.
    created: bool
    #: ``False`` if a mail was asked for within the cool-down and no other one is sent, or if none
    #: was wanted.
    mailed: bool


def may_invite(user: Any) -> bool:
    """Tell whether this person may invite at all, his quota aside."""
    return inviting_refusal(user) is None


def inviting_refusal(user: Any) -> InvitingForbidden | None:
    """Return why this person may not invite, or ``None`` if he may, his quota aside."""
    if not (user.is_authenticated and user.is_active):
        return InvitingForbidden()
    permission = conf.INVITATION_PERMISSION
    if permission is not None and not user.has_perm(permission):
        return InvitingForbidden()
    return _age_refusal(user)


def _age_refusal(user: Any) -> AccountTooNew | None:
    """Return from when on this member may invite whose account is too new, or ``None``."""
    age = conf.INVITATION_MINIMUM_ACCOUNT_AGE
    # A user model need not remember it, which is for the system checks to say.
    joined: datetime | None = getattr(user, "date_joined", None)
    if not age or joined is None or joined + age <= timezone.now():
        return None
    return AccountTooNew(params={"moment": wording.moment_for_reader(joined + age)})


def invite(
    inviter: Any,
    email: str,
    *,
    recipient_name: str = "",
    note: str = "",
    language: str = "",
    site_id: int | None = None,
    data: Mapping[str, Any] | None = None,
    days: Days = "default",
    destination: str | None = None,
    mail: bool = True,
    groups: Collection[Group] | None = None,
) -> Invited:
    """Invite an address: spend the quota, write the invitation and its mail, in one transaction.

    The mail leaves after the commit. If the member has an open invitation to this address, that
    one is renewed: nothing is spent again. The outcome does not depend on whether the address
    has an account or was invited by somebody else, unless a limit of mails is reached.

    ``language`` is that of the mail; without it, the inviter's own (see ``language_for``). A
    renewed invitation keeps its name, note and language where none is given; ``edit`` empties the
    first two.

    ``days`` is one of INVITATION_EXPIRY_CHOICES. ``destination`` is the path of the page where the
    newcomer lands; ``None`` leaves a renewed invitation the one it has. Without ``mail`` none is
    asked for, and the link is to be handed over by hand. ``groups`` are what the invited person
    joins; with ``None`` a renewed invitation keeps its own.

    Raises ``InvitingForbidden``, ``QuotaExceeded``, ``AddressRefused``, ``OwnAddress``,
    ``AddressBlocked``, ``TextRefused``, ``ExpiryRefused``, ``DestinationRefused``,
    ``GroupRefused`` and ``MailLimitReached``; after any of them nothing has changed.
    """
    fields = checked_fields(
        inviter,
        email,
        recipient_name=recipient_name,
        note=note,
        days=days,
        destination=destination,
    )
    fields["language"] = language
    site_id = sites.current_site_id() if site_id is None else site_id
    # Without an address for its link no mail could ever be sent.
    sites.absolute(reverse("invitation_invited", args=["key"]), site_id)
    if data is not None:
        fields["data"] = dict(data)
    if groups:
        check_groups(inviter, groups)
    return _invite(inviter, site_id, fields, groups, mail=mail)


def checked_fields(
    inviter: Any,
    email: str,
    *,
    recipient_name: str = "",
    note: str = "",
    days: Days = "default",
    destination: str | None = None,
) -> dict[str, Any]:
    """Return what an invitation's row would hold; raises what ``invite`` raises for these."""
    _check_inviter(inviter)
    email = addresses.clean(email)
    _check_not_own(inviter, email)
    blocklist.check(email)
    fields: dict[str, Any] = {
        "email": email,
        "recipient_name": texts.plain_name(recipient_name),
        "note": check_note(inviter, note),
        "expires_at": expiry(timezone.now(), days),
    }
    if destination is not None:
        fields["destination"] = destinations.check(destination)
    return fields


def _invite(
    inviter: Any,
    site_id: int,
    fields: dict[str, Any],
    groups: Collection[Group] | None,
    *,
    mail: bool,
) -> Invited:
    slot = make_slot(site_id, inviter.pk, addresses.canonical(fields["email"]))
    refusal: InvitationError | IntegrityError
    first = fields | {"language": language_for(inviter, fields["language"])}

    def make() -> Invited:
        invitation = _create(inviter, site_id, first, mail=mail)
        if groups:
            invitation.groups.set(groups)
        if mail:
            queue_mail(invitation)
        return Invited(invitation, created=True, mailed=mail)

    for _round in range(INVITE_ROUNDS):
        try:
            return in_transaction(make)
        except (IntegrityError, QuotaExceeded) as error:
            refusal = error
        renewed = _renew(slot, fields, groups, mail=mail)
        if renewed is not None:
            return renewed
        if isinstance(refusal, QuotaExceeded) and quotas.remaining_invitations(inviter) == 0:
            break
        # The open one has ended in between, so there is room for a new one now.
    raise refusal


@retrying
def _renew(
    slot: str, fields: dict[str, Any], groups: Collection[Group] | None, *, mail: bool
) -> Invited | None:
    pk = InvitationKey.objects.find_open(slot)
    if pk is None:
        return None
    given = {name: value for name, value in fields.items() if value or name not in KEPT}
    with writing():
        renewed = InvitationKey.objects.renew(pk, **given)
        if renewed is None:
            return None
        if groups is not None:
            renewed.groups.set(groups)
        return Invited(renewed, created=False, mailed=mail and ask_for_mail(renewed))


@retrying
def create(inviter: Any) -> InvitationKey:
    """Spend one invitation and return it, addressed to nobody; no mail is sent.

    Raises ``InvitingForbidden`` and ``QuotaExceeded``.
    """
    _check_inviter(inviter)
    with writing():
        return _create(inviter, sites.current_site_id(), {"expires_at": expiry(timezone.now())})


@retrying
def send_to(invitation: InvitationKey, email: str) -> None:
    """Address an invitation that is addressed to nobody or to this address, and mail it.

    Raises ``AddressRefused``, also if the member has another open invitation to this address,
    ``OwnAddress``, ``AddressBlocked``, ``NotPending`` if it has ended or belongs to another
    address, ``MailTooSoon`` and ``MailLimitReached``.
    """
    email = addresses.clean(email)
    _check_not_own(invitation.from_user, email)
    blocklist.check(email)
    email_key = addresses.canonical(email)
    if invitation.shared or invitation.email_key not in ("", email_key):
        raise NotPending()
    slot = make_slot(invitation.site_id, invitation.from_user_id, email_key)
    with writing():
        try:
            with writing():
                addressed = InvitationKey.objects.address(
                    invitation.pk, email, email_key, slot, timezone.now()
                )
        except IntegrityError as error:
            raise AlreadyInvited() from error
        if not addressed:
            raise NotPending()
        invitation.refresh_from_db()
        if not ask_for_mail(invitation):
            raise too_soon(invitation)


def _check_inviter(inviter: Any) -> None:
    refusal = inviting_refusal(inviter)
    if refusal is not None:
        raise refusal


def _check_not_own(inviter: Any, email: str) -> None:
    own = getattr(inviter, inviter.get_email_field_name(), "") if inviter is not None else ""
    if addresses.same(own or "", email):
        raise OwnAddress()


def expiry(now: datetime, days: Days = "default") -> datetime | None:
    """Return until when an invitation is open that is made or extended now.

    Raises ``ExpiryRefused`` for days that the site does not offer.
    """
    default = conf.ACCOUNT_INVITATION_DAYS
    if days == "default":
        days = default
    elif days != default and days not in conf.INVITATION_EXPIRY_CHOICES:
        raise ExpiryRefused()
    return None if days is None else now + timedelta(days=days)


def _create(
    inviter: Any, site_id: int, fields: dict[str, Any], *, mail: bool = True
) -> InvitationKey:
    email_key = addresses.canonical(fields["email"]) if "email" in fields else ""
    invitation = InvitationKey(
        from_user=inviter, site_id=site_id, email_key=email_key, quota_held=1, **fields
    )
    slot = invitation.pending_slot = invitation.slot()
    # The slot is unique: the insert would fail if this member had an open invitation to the
    # address. Asked here already, as a failing insert makes MariaDB lock more than that one.
    taken = InvitationKey.objects.open_for("inviter", slot) if slot else None
    quotas.spend(inviter, unless=taken)
    if email_key and mail:
        invitation.mail_requested_at = invitation.date_invited
    invitation.save(force_insert=True)
    quotas.note(inviter, -1, quotas.Reason.INVITED, invitation)
    announce(signals.invitation_created, invitation=invitation)
    return invitation
