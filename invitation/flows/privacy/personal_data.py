"""The export of what is stored about one person, found by their address."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.utils import timezone

from invitation import addresses
from invitation.delivery import texts
from invitation.flows.privacy.forgetting import invitations_to
from invitation.keys import unsubscribing
from invitation.models import (
    Acceptance,
    InvitationEmail,
    InvitationKey,
    ProvenAddress,
    SuppressedAddress,
)

#: Emails to the invited person. Their errors are about that person's address.
TO_INVITED = (InvitationEmail.Kind.INVITATION, InvitationEmail.Kind.REMINDER)


def export(email: str) -> dict[str, Any]:
    """Return what is stored about an address, as texts, numbers, lists and mappings.

    Of an inviter, it contains only the name that the email shows. It contains neither the inviter's
    address nor their other invitations. Of an account, it contains only that there is one, because
    accounts belong to the site. Raises ``ValueError`` for a blank address.
    """
    if not email.strip():
        raise ValueError("There is no address to look for.")
    rows = invitations_to(email).select_related("from_user").order_by("pk")
    rows = rows.prefetch_related("mails", "acceptances__user", "groups")
    return {
        "address": addresses.display(unsubscribing.comparable(email)),
        "invitations": [_invitation(row) for row in rows],
        "unsubscribed": _unsubscribe(email),
        "has_account": has_account(email),
        "proven_at": _proofs(email),
    }


def has_account(email: str) -> bool:
    """Return whether there is an account with this address. Accounts belong to the site."""
    model = get_user_model()
    try:
        name = model._meta.get_field(model.get_email_field_name()).name
    except FieldDoesNotExist:  # Django returns "email" without a check.
        return False
    spellings = {email.strip(), unsubscribing.comparable(email)}
    accounts = model._default_manager.all()
    return any(accounts.filter(**{f"{name}__iexact": text}).exists() for text in spellings)


def _invitation(row: InvitationKey) -> dict[str, Any]:
    inviter: Any = row.from_user
    return {
        "from": texts.inviter_name(inviter),
        "from_site": row.from_site,
        "address": row.email,
        "name": row.recipient_name,
        "note": row.note,
        "language": row.language,
        "status": row.state,
        "invited_at": _moment(row.date_invited),
        "expires_at": _moment(row.expires_at),
        "ended_at": _moment(row.ended_at),
        "new_link_asked_for_at": _moment(row.renewal_requested_at),
        "reminded_at": _moment(row.reminded_at),
        "groups": sorted(group.name for group in row.groups.all()),
        "landing_page": row.destination,
        "site": row.site_id,
        "data": row.data,
        "mails": [_mail(mail) for mail in sorted(row.mails.all(), key=lambda mail: mail.pk)],
        "acceptances": [_acceptance(came, row) for came in row.acceptances.all()],
    }


def _mail(mail: InvitationEmail) -> dict[str, Any]:
    own = mail.kind in TO_INVITED
    return {
        "kind": str(mail.kind),
        "to": "you" if own else "inviter",
        "state": str(mail.state),
        "asked_for_at": _moment(mail.created_at),
        "sent_at": _moment(mail.sent_at),
        "attempts": mail.attempts,
        "message_id": mail.header_id,
        "failure": str(mail.failure),
        # An error from the inviter's own mail server is not about the invited person.
        "error": mail.last_error if own else "",
    }


def _acceptance(came: Acceptance, row: InvitationKey) -> dict[str, Any]:
    account: Any = came.user
    own = addresses.same(addresses.of_member(account), row.email)
    return {
        "registered_at": _moment(came.claimed_at),
        "activated_at": _moment(came.activated_at),
        "new_account": came.new_account,
        # Where any address may sign up, this may be another person's account.
        "account": str(account.get_username()) if own else "",
    }


def _unsubscribe(email: str) -> dict[str, Any] | None:
    digests = [known.digest for known in unsubscribing.digests(email)]
    row = SuppressedAddress.objects.known(digests).order_by("pk").first()
    return None if row is None else {"reason": str(row.reason), "since": _moment(row.created_at)}


def _proofs(email: str) -> list[str | None]:
    """Return when accounts have proven the address."""
    rows = ProvenAddress.objects.of_address(email).order_by("pk")
    return [_moment(proven_at) for proven_at in rows.values_list("proven_at", flat=True)]


def _moment(moment: datetime | None) -> str | None:
    """Return a moment as ISO 8601, with its time zone if it has one."""
    if moment is None:
        return None
    return (timezone.localtime(moment) if timezone.is_aware(moment) else moment).isoformat()
