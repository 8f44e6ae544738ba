"""Ask the inviter for a new link where one is dead, and give it."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from invitation import addresses, keys, signals, sites
from invitation.exceptions import MailTooSoon, NotRenewable, TextRefused
from invitation.flows.announcing import announce
from invitation.flows.cleaning import mark_expired
from invitation.flows.deadlocks import in_transaction
from invitation.flows.grouping import groups_to_join
from invitation.flows.inviting import Invited, invite, may_invite
from invitation.flows.mailing import queue_mail
from invitation.flows.managing import resend, was_given_back
from invitation.flows.notes import check_note
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota
from invitation.moments import since

#: How often the inviter is asked because of one invitation: once within this time, and so many
#: times in all. Whoever does not want to answer is left in peace.
REQUEST_PAUSE = timedelta(days=1)
REQUESTS_PER_INVITATION = 3
#: How many mails a member gets within that time, whatever number of dead links is out.
REQUESTS_PER_INVITER = 10


def ask_for_renewal(text: object, site_id: int | None = None) -> bool:
    """Ask the inviter for a new link, by one mail, in the name of whoever has a dead one.

    Only where the invitation has expired or was withdrawn, is addressed to somebody, and its
    inviter may invite and can get mail. Tells whether a mail is on its way; the visitor must not
    learn it, since it says what the site knows of an invitation and of its inviter.

    A text that is no key costs no query.
    """
    site_id = sites.current_site_id() if site_id is None else site_id
    resolved = keys.resolve(text, InvitationKey.objects.all(), site_id)
    if resolved is None:
        return False
    row, now = resolved.row, timezone.now()
    if row.status == row.Status.PENDING and row.key_expired():
        # As cleanup would: the quota is locked below, and who holds that, inviting, may want a
        # row that is open. See "An expired invitation can be opened again" in the architecture.
        in_transaction(partial(mark_expired, [row.pk], now))
    return in_transaction(partial(_ask, row.pk, now))


def _ask(pk: int, now: datetime) -> bool:
    # First of all: to who has read in a transaction, SQLite may refuse to write.
    if not InvitationKey.objects.request_renewal(pk, now, REQUEST_PAUSE):
        return False
    # From here on the row is locked: neither it nor its inviter's name can go.
    invitation = InvitationKey.objects.select_related("from_user").get(pk=pk)
    if not _can_ask(invitation) or _has_asked_enough(invitation, now):
        transaction.set_rollback(True)
        return False
    if not queue_mail(invitation, InvitationEmail.Kind.RENEWAL):
        transaction.set_rollback(True)  # He gets so much mail already: it may be asked for later.
        return False
    announce(signals.invitation_renewal_requested, invitation=invitation)
    return True


def _can_ask(invitation: InvitationKey) -> bool:
    inviter = invitation.from_user
    if inviter is None or invitation.shared or not invitation.email:
        return False
    return may_invite(inviter) and addresses.of_member(inviter) != ""


def _has_asked_enough(invitation: InvitationKey, now: datetime) -> bool:
    """Tell whether this request is one too many, for the invitation or for its inviter."""
    mails = InvitationEmail.objects.filter(invitation=invitation)
    if mails.filter(kind=InvitationEmail.Kind.RENEWAL).count() >= REQUESTS_PER_INVITATION:
        return True
    # The lock by which all that is counted for one member waits for its turn. Each invitation
    # has one mail at most within the time, so that they can be counted in its stead, and this
    # one is among them.
    InvitationQuota.objects.hold(invitation.from_user)
    asked = InvitationKey.objects.sent_by(invitation.from_user)
    recent = asked.filter(since("renewal_requested_at", now - REQUEST_PAUSE, now)).count()
    return recent > REQUESTS_PER_INVITER


def is_renewable(invitation: InvitationKey) -> bool:
    """Tell whether its inviter can give a new link for this invitation."""
    dead = invitation.state in (invitation.Status.EXPIRED, invitation.Status.REVOKED)
    has_both = bool(invitation.email) and invitation.from_user_id is not None
    return dead and has_both and not invitation.shared


def renewal_costs(invitation: InvitationKey) -> bool:
    """Tell whether renewing a dead invitation spends one of its inviter's quota."""
    if invitation.from_user_id is None:
        return False
    if invitation.status == invitation.Status.REVOKED:
        slot = invitation.slot()
        return slot is None or InvitationKey.objects.find_open(slot) is None
    expired = invitation.status == invitation.Status.EXPIRED
    return expired and not invitation.quota_held and was_given_back(invitation)


def renew(invitation: InvitationKey) -> Invited:
    """Give whoever was invited a way in again, by a mail.

    One that has expired is opened again, with the link that is out. One that was withdrawn stays
    dead, and its link with it: the same member invites the same address anew, with the same name
    and note, or sends the mail of the invitation again that he has made since. A note that he may
    not write any more is left out.

    Raises ``NotRenewable`` unless it is one of the two, and what ``resend`` and ``invite`` raise.
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
        except MailTooSoon:  # as after a second click
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
    )


def _note_again(invitation: InvitationKey) -> str:
    try:
        return check_note(invitation.from_user, invitation.note)
    except TextRefused:
        return ""
