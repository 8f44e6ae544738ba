"""Requests for a new link by people whose link is dead, and the inviter's answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from invitation import addresses, keys, signals
from invitation.exceptions import MailTooSoon, NotRenewable, TextRefused
from invitation.flows import quota
from invitation.flows.after_commit import announce, in_transaction
from invitation.flows.inviting.creating import Invited, invite, may_invite
from invitation.flows.inviting.groups import groups_to_join
from invitation.flows.inviting.managing import resend, was_given_back
from invitation.flows.inviting.notes import check_note_from
from invitation.flows.mail import queue as queue_mail
from invitation.flows.upkeep import mark_expired
from invitation.keys import sites
from invitation.models import InvitationEmail, InvitationKey
from invitation.models.moments import since

#: Limits of requests for one invitation: one within this time, and this many in all. An inviter may
#: choose not to answer.
REQUEST_PAUSE = timedelta(days=1)
REQUESTS_PER_INVITATION = 3
#: Most request emails to one inviter within that time, for all of their dead links.
REQUESTS_PER_INVITER = 10


def ask_for_renewal(text: object, site_id: int | None = None) -> bool:
    """Ask the inviter by email for a new link, for a person whose link is dead.

    The invitation must be expired or revoked, and have an email address. Its inviter must be
    allowed to invite, and must have an address for email.

    A request about an invitation from the site sends no email. It is recorded on the row, and the
    signal is sent.

    Returns whether the request counts. Do not show that to the visitor: it tells what the site
    knows of the invitation and its inviter. A text that is no key costs no query.
    """
    site_id = sites.current_site_id() if site_id is None else site_id
    resolved = keys.resolve(text, InvitationKey.objects.find, site_id)
    if resolved is None:
        return False
    row, now = resolved.row, timezone.now()
    if row.status == row.Status.PENDING and row.key_expired():
        # Mark it as expired now, as cleanup would. The quota is locked below, and an inviting
        # process that holds the quota may want a pending row. See "An expired invitation can be
        # opened again" in the architecture.
        in_transaction(partial(mark_expired, [row.pk], now))
    return in_transaction(partial(_ask, row.pk, now))


def _ask(pk: int, now: datetime) -> bool:
    # Begin with a write: SQLite may refuse a write after a read in the same transaction.
    if not InvitationKey.objects.request_renewal(pk, now, REQUEST_PAUSE):
        return False
    # From here on the row is locked, so it and its inviter cannot be deleted.
    invitation = InvitationKey.objects.select_related("from_user").get(pk=pk)
    if not _can_ask(invitation) or _has_asked_enough(invitation, now):
        transaction.set_rollback(True)
        return False
    if invitation.from_user and not queue_mail(invitation, InvitationEmail.Kind.RENEWAL):
        transaction.set_rollback(True)  # Over the limit of emails: the person may ask again later.
        return False
    announce(signals.invitation_renewal_requested, invitation=invitation)
    return True


def _can_ask(invitation: InvitationKey) -> bool:
    inviter = invitation.from_user
    if invitation.shared or not invitation.email:
        return False
    if inviter is None:
        return invitation.from_site
    return may_invite(inviter) and addresses.of_member(inviter) != ""


def _has_asked_enough(invitation: InvitationKey, now: datetime) -> bool:
    """Return whether this request is over the limit of the invitation or of its inviter."""
    if invitation.from_site:
        return False  # It causes no emails.
    mails = InvitationEmail.objects.filter(invitation=invitation)
    if mails.filter(kind=InvitationEmail.Kind.RENEWAL).count() >= REQUESTS_PER_INVITATION:
        return True
    # This lock orders all counts for one member. An invitation has at most one request email within
    # this time. So counting the invitations counts the emails, this one included.
    quota.await_turn(f"renewal:{invitation.from_user_id}")
    asked = InvitationKey.objects.sent_by(invitation.from_user)
    recent = asked.filter(since("renewal_requested_at", now - REQUEST_PAUSE, now)).count()
    return recent > REQUESTS_PER_INVITER


def is_renewable(invitation: InvitationKey) -> bool:
    """Return whether its inviter can give a new link for this invitation."""
    dead = invitation.state in (invitation.Status.EXPIRED, invitation.Status.REVOKED)
    someone = invitation.from_site or invitation.from_user_id is not None
    return dead and someone and bool(invitation.email) and not invitation.shared


def renewal_costs(invitation: InvitationKey) -> bool:
    """Return whether renewing a dead invitation spends one of its inviter's quota."""
    if invitation.from_user_id is None:
        return False  # The site has no quota.
    if invitation.status == invitation.Status.REVOKED:
        slot = invitation.slot()
        return slot is None or InvitationKey.objects.find_open(slot) is None
    expired = invitation.status == invitation.Status.EXPIRED
    return expired and not invitation.quota_held and was_given_back(invitation)


def renew(invitation: InvitationKey) -> Invited:
    """Give the invited person a working link again, by email.

    An expired invitation is extended, and its old link works again. A revoked invitation and its
    link stay dead. Instead, the same member invites the same address again, with the same name and
    note. If the member has invited the address again already, that invitation is resent. A note
    that the member may no longer write is left out.

    Raises ``NotRenewable`` if the invitation is neither expired nor revoked, and what ``resend``
    and ``invite`` raise.
    """
    if not is_renewable(invitation):
        raise NotRenewable()
    if invitation.status != invitation.Status.REVOKED:
        resend(invitation)
        return Invited(invitation, created=False, mailed=True)
    slot = invitation.slot()
    newer = InvitationKey.objects.find_open(slot) if slot else None
    if newer is not None:
        row = InvitationKey.objects.select_related("from_user").get(pk=newer)
        try:
            resend(row)
        except MailTooSoon:  # for example after a double click
            return Invited(row, created=False, mailed=False)
        return Invited(row, created=False, mailed=True)
    return invite(
        invitation.from_user,
        invitation.email,
        recipient_name=invitation.recipient_name,
        note=_note_again(invitation),
        language=invitation.language,
        site_id=invitation.site_id,
        data=invitation.data or None,
        destination=invitation.destination or None,
        groups=groups_to_join(invitation),
        again=True,  # They have asked for it.
    )


def _note_again(invitation: InvitationKey) -> str:
    try:
        return check_note_from(invitation.from_user, invitation.note)
    except TextRefused:
        return ""
