"""Inviting a person, and setting the address of an invitation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invitation import addresses, signals
from invitation.addresses import blocklist
from invitation.conf import conf
from invitation.delivery import texts, wording
from invitation.exceptions import (
    AccountTooNew,
    AlreadyInvited,
    ExpiryRefused,
    GuestForbidden,
    InvitationError,
    InvitingForbidden,
    NotPending,
    OwnAddress,
    QuotaExceeded,
)
from invitation.flows import quota
from invitation.flows.after_commit import announce, in_transaction, retrying, writing
from invitation.flows.inviting.groups import check_groups
from invitation.flows.inviting.languages import language_for
from invitation.flows.inviting.notes import check_note_from
from invitation.flows.mail import ask_for_mail, too_soon
from invitation.flows.mail import queue as queue_mail
from invitation.keys import destinations, sites
from invitation.models import InvitationKey, make_slot, managers

#: Number of rounds of "create or renew" while other requests open and end the same invitation.
INVITE_ROUNDS = 5

_DECLINED = _(
    "This person declined an invitation from you. Invite them again only if they ask for it."
)

#: Fields that a renewed invitation keeps unless a new value is given.
KEPT = ("recipient_name", "note", "language")

#: Number of days, ``None`` for ever, or the site's setting.
Days = int | None | Literal["default"]


class Invited(NamedTuple):
    """Outcome of ``invite``."""

    invitation: InvitationKey
    #: ``False`` if a pending invitation to the same address was renewed instead.
    created: bool
    #: ``False`` if no email was wanted, or if the last one was requested within the cool-down.
    mailed: bool


def may_invite(user: Any) -> bool:
    """Return whether this person may invite at all, without regard to their quota."""
    return inviting_refusal(user) is None


def inviting_refusal(user: Any) -> InvitingForbidden | None:
    """Return why this person may not invite, or ``None`` if they may.

    The quota is not checked.
    """
    if not (user.is_authenticated and user.is_active):
        return InvitingForbidden()
    if quota.is_guest(user):
        return GuestForbidden()
    permission = conf.INVITATION_PERMISSION
    if permission is not None and not user.has_perm(permission):
        return InvitingForbidden()
    return _age_refusal(user)


def check_inviter(inviter: Any) -> None:
    """Raise ``InvitingForbidden`` if this person may not invite. ``None`` is the site, and may."""
    refusal = None if inviter is None else inviting_refusal(inviter)
    if refusal is not None:
        raise refusal


def _age_refusal(user: Any) -> AccountTooNew | None:
    """Return the error for an account that is too new to invite, or ``None``.

    The error contains the time from which the member may invite.
    """
    age = conf.INVITATION_MINIMUM_ACCOUNT_AGE
    # A user model may have no such field. The system checks report that.
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
    again: bool = False,
) -> Invited:
    """Invite an address: spend the quota, and write the invitation and its email.

    All of this happens in one transaction. The email is sent after the commit. If the member has a
    pending invitation to this address, it is renewed and nothing is spent again. It makes no
    difference whether the address has an account or an invitation from another member. Only a limit
    of emails can change that.

    With ``None`` for the inviter, the site invites in its own name. It has no quota, may give every
    group and may write every note. Only the limits of emails of the recipient, the domain and the
    site hold.

    ``language`` is the language of the email. Without it, the inviter's own language is used (see
    ``language_for``). A renewed invitation keeps its name, note and language where none is given.
    ``edit`` can empty the name and the note.

    ``days`` is one of INVITATION_EXPIRY_CHOICES. ``destination`` is the path of the page that the
    invited person sees first after signing up. With ``None``, a renewed invitation keeps its
    destination. Without ``mail``, no email is sent, and the inviter passes on the link. ``groups``
    are the groups that the invited person joins. A renewed invitation keeps its groups, and gets
    these as well. ``edit`` can take groups away. ``again`` confirms that the member wants to invite
    an address that has declined an invitation from them. Without it, ``AlreadyInvited`` is raised
    with the code "declined_before".

    Raises ``InvitingForbidden``, ``QuotaExceeded``, ``AddressRefused``, ``OwnAddress``,
    ``AddressBlocked``, ``AlreadyInvited``, ``TextRefused``, ``ExpiryRefused``,
    ``DestinationRefused``, ``GroupRefused`` and ``MailLimitReached``. After any of
    them, nothing has changed.
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
    # Without a base address for its link, no email could be sent.
    sites.absolute(reverse("invitation_invited", args=["key"]), site_id)
    if data is not None:
        fields["data"] = dict(data)
    if groups and inviter is not None:
        check_groups(inviter, groups)
    return _invite(inviter, site_id, fields, groups, mail=mail, again=again)


def checked_fields(
    inviter: Any,
    email: str,
    *,
    recipient_name: str = "",
    note: str = "",
    days: Days = "default",
    destination: str | None = None,
) -> dict[str, Any]:
    """Return the checked values for an invitation's row.

    Raises what ``invite`` raises for these values.
    """
    check_inviter(inviter)
    email = addresses.clean(email)
    _check_not_own(inviter, email)
    blocklist.check(email)
    fields: dict[str, Any] = {
        "email": email,
        "recipient_name": texts.plain_name(recipient_name),
        "note": check_note_from(inviter, note),
        "expires_at": expiry_date(timezone.now(), days),
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
    again: bool,
) -> Invited:
    email_key = addresses.canonical(fields["email"])
    slot = make_slot(site_id, None if inviter is None else inviter.pk, email_key)
    declined = None if again else (email_key, site_id)
    refusal: InvitationError | IntegrityError
    first = fields | {"language": language_for(inviter, fields["language"])}

    def make() -> Invited:
        invitation = _create(inviter, site_id, first, mail=mail, declined=declined)
        return _finish(invitation, groups, mail=mail)

    def renew() -> Invited | None:
        renewed = _renew(slot, fields, groups, mail=mail)
        if renewed is None:
            _check_not_declined(inviter, declined)
        return renewed

    for _round in range(INVITE_ROUNDS):
        # No quota is asked for the site, so nothing else says that there is one.
        if inviter is None and (renewed := renew()) is not None:
            return renewed
        try:
            return in_transaction(make)
        except (IntegrityError, QuotaExceeded) as error:
            refusal = error
        if (renewed := renew()) is not None:
            return renewed
        if isinstance(refusal, QuotaExceeded) and quota.remaining_invitations(inviter) == 0:
            break
        # The pending invitation has ended since the check, so a new one is possible now.
    raise refusal


def _finish(invitation: InvitationKey, groups: Collection[Group] | None, *, mail: bool) -> Invited:
    if groups:
        invitation.groups.set(groups)
    if mail:
        queue_mail(invitation, is_new=True)
    return Invited(invitation, created=True, mailed=mail)


@retrying
def _renew(
    slot: bytes, fields: dict[str, Any], groups: Collection[Group] | None, *, mail: bool
) -> Invited | None:
    pk = InvitationKey.objects.find_open(slot)
    if pk is None:
        return None
    given = {name: value for name, value in fields.items() if value or name not in KEPT}
    with writing():
        renewed = InvitationKey.objects.renew(pk, **given)
        if renewed is None:
            return None
        if groups:
            renewed.groups.add(*groups)
        return Invited(renewed, created=False, mailed=mail and ask_for_mail(renewed))


@retrying
def create_without_address(inviter: Any) -> InvitationKey:
    """Spend one invitation and return it without an address. No email is sent.

    Raises ``InvitingForbidden`` and ``QuotaExceeded``.
    """
    check_inviter(inviter)
    with writing():
        return _create(
            inviter, sites.current_site_id(), {"expires_at": expiry_date(timezone.now())}
        )


@retrying
def send_to(invitation: InvitationKey, email: str) -> None:
    """Set the address of an invitation that has none or has this address, and email it.

    Raises ``AddressRefused``, ``OwnAddress``, ``AddressBlocked``, ``MailTooSoon`` and
    ``MailLimitReached``. Raises ``AlreadyInvited``, a kind of ``AddressRefused``, if the member has
    another pending invitation to this address. Raises ``NotPending`` if the invitation has ended or
    has another address.
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


def _check_not_own(inviter: Any, email: str) -> None:
    own = getattr(inviter, inviter.get_email_field_name(), "") if inviter is not None else ""
    if addresses.same(own or "", email):
        raise OwnAddress()


def _check_not_declined(inviter: Any, declined: tuple[str, int] | None) -> None:
    """Raise ``AlreadyInvited`` if this address on this site has declined one from the inviter."""
    if declined is not None:
        email_key, site_id = declined
        rows = InvitationKey.objects.addressed_to([email_key]).sent_by(inviter).on_site(site_id)
        if rows.filter(status=InvitationKey.Status.DECLINED).exists():
            raise AlreadyInvited(_DECLINED, code="declined_before")


def expiry_date(now: datetime, days: Days = "default") -> datetime | None:
    """Return when an invitation expires that is created or extended now; ``None`` for never.

    That is the end of its last day, in the time zone that is active.

    Raises ``ExpiryRefused`` for a number of days that the site does not offer.
    """
    default = conf.ACCOUNT_INVITATION_DAYS
    if days == "default":
        days = default
    elif days != default and days not in conf.INVITATION_EXPIRY_CHOICES:
        raise ExpiryRefused()
    return None if days is None else wording.end_of_day(now, days)


def _create(
    inviter: Any,
    site_id: int,
    fields: dict[str, Any],
    *,
    mail: bool = True,
    declined: tuple[str, int] | None = None,
) -> InvitationKey:
    email_key = addresses.canonical(fields["email"]) if "email" in fields else ""
    member = inviter is not None
    invitation = InvitationKey(
        from_user=inviter,
        from_site=not member,
        site_id=site_id,
        email_key=email_key,
        quota_held=int(member),
        **fields,
    )
    slot = invitation.pending_slot = invitation.slot()
    if member:
        # The slot is unique, so the insert fails if this member has a pending invitation to the
        # address. The check comes first, because a failed insert makes MariaDB lock more rows.
        quota.spend(inviter, slot=slot, declined=declined)
    if email_key and mail:
        invitation.mail_requested_at = invitation.date_invited
    managers.write_new(invitation)
    if member:
        quota.write_entry(inviter, -1, quota.Reason.INVITED, invitation)
    announce(signals.invitation_created, invitation=invitation)
    return invitation
