"""The invitation of everybody on a list, and the preview of what happens to each row.

The invitations made with one list are one batch. The label of each invitation contains the batch's
id. The id begins with the time at which the list was first checked. So the index of a member's
invitations by date finds the batch.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone as clock
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from invitation import addresses, keys, signals
from invitation.addresses import blocklist
from invitation.delivery import texts
from invitation.exceptions import (
    AddressRefused,
    AlreadyInvited,
    GroupRefused,
    InvitationError,
    MailLimitReached,
    OwnAddress,
    TooManyAttempts,
)
from invitation.flows import quota
from invitation.flows.after_commit import BATCH_SIZE, in_transaction, on_commit
from invitation.flows.inviting import (
    INVITE_ROUNDS,
    check_inviter,
    check_note_from,
    expiry_date,
    grantable_groups,
    language_for,
    named_language,
)
from invitation.flows.lists.rows import ListResult, Row, Verdict, mark_excess
from invitation.flows.mail import queue_many as queue_mails
from invitation.flows.quota import Limit, attempt
from invitation.keys import sites
from invitation.models import (
    Acceptance,
    InvitationEmail,
    InvitationKey,
    InvitationQuota,
    make_slot,
    managers,
)

if TYPE_CHECKING:
    from invitation.addresses.recipients import Recipient

#: Time for which a list can be confirmed after it was checked.
LIST_AGE = timedelta(days=1)

_LABEL = "list:"
#: Time that allows for different clocks of a site's hosts and for a slow confirmation.
_SLACK = timedelta(hours=1)
#: Number of random bits in an id, after the time.
_RANDOM_BITS = 80


def new_list_id() -> uuid.UUID:
    """Return an id for a list that is checked now: the time, and a random number."""
    milliseconds = int(datetime.now(timezone.utc).timestamp() * 1000)
    return uuid.UUID(int=milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS))


def in_list(batch: uuid.UUID) -> Q:
    """Return the condition that an invitation was made with this list.

    Use it only on the member's own rows.
    """
    try:
        looked_at = datetime.fromtimestamp((batch.int >> _RANDOM_BITS) / 1000, timezone.utc)
        begin, end = looked_at - _SLACK, looked_at + LIST_AGE + _SLACK
    except (OverflowError, ValueError):  # not an id that ``new_list_id`` made
        return Q(pk=None)
    if not settings.USE_TZ:
        begin, end = clock.make_naive(begin), clock.make_naive(end)
    return Q(date_invited__gte=begin, date_invited__lte=end, label=_label(batch))


def check_list(
    inviter: Any,
    recipients: Sequence[Recipient],
    *,
    note: str = "",
    site_id: int | None = None,
    batch: uuid.UUID | None = None,
) -> ListResult:
    """Return what would happen to each row, without any change.

    ``note`` is for the rows that have none. The verdicts do not depend on whether an address has an
    account. They do not depend on the invitations of other members. Raises ``InvitingForbidden``
    and ``TextRefused``.
    """
    site_id = _prepare(inviter, site_id)
    rows = _compare(inviter, site_id, _read(inviter, recipients, note))
    left = None if inviter is None else quota.remaining_invitations(inviter)
    mark_excess(inviter, site_id, rows, left)
    return ListResult(batch or new_list_id(), rows)


def invite_many(
    inviter: Any,
    recipients: Sequence[Recipient],
    *,
    note: str = "",
    site_id: int | None = None,
    batch: uuid.UUID | None = None,
) -> ListResult:
    """Invite the people on a list in one transaction, and return what happened to each row.

    Rows are used in the order of the list, as far as the quota allows. A person who is already
    invited gets no second email. With the ``batch`` from ``check_list``, a list is used only once.
    A second call changes nothing and returns the same.

    Raises ``InvitingForbidden`` and ``TextRefused``. Raises ``AlreadyInvited`` if other requests
    were faster in each round. After any of them, nothing has changed.
    """
    site_id = _prepare(inviter, site_id)
    batch = batch or new_list_id()
    rows = _read(inviter, recipients, note)
    refusal: IntegrityError | None = None
    for turn in range(1, INVITE_ROUNDS + 1):
        try:
            last_try = turn == INVITE_ROUNDS
            return in_transaction(
                partial(_invite, inviter, site_id, batch, rows, last_try=last_try)
            )
        except MailLimitReached:
            # Other emails have used the room since it was checked. Emails are counted last, so that
            # no transaction holds a counter while it waits for a slot. Only the last try locks all
            # counters.
            continue
        except IntegrityError as error:
            # Another action has taken a slot since the check, without the lock on the quota. An
            # example is an expired invitation that became pending again.
            refusal = error
    raise AlreadyInvited() from refusal


def waiting_in_list(inviter: Any, batch: uuid.UUID) -> int:
    """Return how many emails of a member's list are still unsent. Runs one query."""
    invitations = InvitationKey.objects.get_queryset().sent_by(inviter).filter(in_list(batch))
    unsent = (InvitationEmail.State.QUEUED, InvitationEmail.State.SENDING)
    mails = InvitationEmail.objects.of_invitations().filter(invitation__in=invitations)
    return mails.filter(state__in=unsent).count()


def _prepare(inviter: Any, site_id: int | None) -> int:
    check_inviter(inviter)
    site_id = sites.current_site_id() if site_id is None else site_id
    # Without a base address for its link, no email could be sent.
    sites.absolute(reverse("invitation_invited", args=["key"]), site_id)
    return site_id


def _invite(
    inviter: Any, site_id: int, batch: uuid.UUID, rows: list[Row], *, last_try: bool
) -> ListResult:
    if inviter is not None:
        # Every invitation of this member needs this lock. So what is found now stays true.
        InvitationQuota.objects.hold(inviter)
    made = _made(inviter, batch)
    # A list that is confirmed again makes nothing more. This holds whatever the quota is by then,
    # and whatever happened to the first invitations.
    remaining = 0 if _is_used(inviter, batch) else _remaining_now(inviter)
    rows = [
        row._replace(verdict=Verdict.INVITED)
        if row.verdict == Verdict.NEW and row.email_key in made
        else row
        for row in rows
    ]
    rows = _compare(inviter, site_id, rows)
    taken = mark_excess(inviter, site_id, rows, remaining, lock=last_try)
    if new := [row for row in rows if row.verdict == Verdict.NEW]:
        if inviter is not None:
            quota.spend(inviter, len(new))
        queue_mails(_write(inviter, site_id, batch, new), taken)
    return ListResult(batch, [_done(row) for row in rows])


def _remaining_now(inviter: Any) -> int | None:
    return None if inviter is None else quota.remaining_now(inviter)


def _is_used(inviter: Any, batch: uuid.UUID) -> bool:
    """Record that this list is used, and return whether it was used before."""
    try:
        attempt([Limit(f"list:{_number(inviter)}:{batch}", 1, LIST_AGE)])
    except TooManyAttempts:
        return True
    return False


def _made(inviter: Any, batch: uuid.UUID) -> set[str]:
    """Return the addresses that were already invited with this list."""
    rows = InvitationKey.objects.get_queryset().sent_by(inviter).filter(in_list(batch))
    return set(rows.values_list("email_key", flat=True))


def _done(row: Row) -> Row:
    return row._replace(verdict=Verdict.INVITED) if row.verdict == Verdict.NEW else row


def _write(inviter: Any, site_id: int, batch: uuid.UUID, rows: list[Row]) -> list[int]:
    """Write the invitations by columns, without an object for each; return their primary keys."""
    now, language = clock.now(), language_for(inviter)
    like = InvitationKey(
        from_user=inviter,
        from_site=inviter is None,
        site_id=site_id,
        label=_label(batch),
        date_invited=now,
        mail_requested_at=now,
        expires_at=expiry_date(now),
        quota_held=int(inviter is not None),
    )
    number, locators = _number(inviter), [keys.new_locator() for _row in rows]
    columns: dict[str, list[Any]] = {
        "locator": locators,
        "email": [row.email for row in rows],
        "email_key": [row.email_key for row in rows],
        "recipient_name": [row.recipient_name for row in rows],
        "note": [row.note for row in rows],
        "language": [row.language or language for row in rows],
        "pending_slot": [make_slot(site_id, number, row.email_key) for row in rows],
    }
    managers.insert_like(like, columns)
    own = InvitationKey.objects.get_queryset().sent_by(inviter)
    written = own.filter(date_invited=now, label=like.label)
    ids = dict(written.values_list("locator", "pk"))
    pks = [ids[locator] for locator in locators]
    pairs = [(pk, group) for pk, row in zip(pks, rows, strict=True) for group in row.groups]
    columns = {
        "invitationkey_id": [pair[0] for pair in pairs],
        "group_id": [pair[1] for pair in pairs],
    }
    managers.insert_like(InvitationKey.groups.through(), columns)
    if inviter is not None:
        quota.write_entries(inviter, -1, quota.Reason.INVITED, pks)
    on_commit(lambda: _announce(inviter, pks))
    return pks


def _announce(inviter: Any, pks: list[int]) -> None:
    """Send a signal for each invitation, if anybody listens; hold few of them at a time."""
    signal = signals.invitation_created
    if not signal.has_listeners(InvitationKey):
        return
    for start in range(0, len(pks), BATCH_SIZE):
        some = InvitationKey.objects.filter(pk__in=pks[start : start + BATCH_SIZE])
        for invitation in some.order_by("pk"):
            invitation.from_user = inviter
            signal.send_robust(sender=InvitationKey, invitation=invitation)


def _number(inviter: Any) -> Any:
    """Return the primary key of a member, and ``None`` for the site."""
    return None if inviter is None else inviter.pk


def _label(batch: uuid.UUID) -> str:
    return f"{_LABEL}{batch}"


# -- one row after the other ------------------------------------------------------------------


def _read(inviter: Any, recipients: Sequence[Recipient], note: str) -> list[Row]:
    """Check each row by itself and against the rows before it."""
    note, own = check_note_from(inviter, note), _own_address(inviter)
    named = any(recipient.groups for recipient in recipients)
    givable = Group.objects.all() if inviter is None else grantable_groups(inviter)
    groups = dict(givable.values_list("name", "pk")) if named else {}
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for recipient in recipients:
        try:
            row = _check(inviter, recipient, note, groups)
            if row.email_key == own:
                raise OwnAddress()
        except InvitationError as error:
            verdict = Verdict.OWN if isinstance(error, OwnAddress) else Verdict.INVALID
            rows.append(_refused(recipient, verdict, str(error), error.code))
            continue
        if row.email_key in seen:
            reason = _("The same address is in row %(number)d.") % {"number": seen[row.email_key]}
            row = row._replace(verdict=Verdict.DUPLICATE, reason=reason, code="duplicate")
        seen.setdefault(row.email_key, row.number)
        rows.append(row)
    return rows


def _own_address(inviter: Any) -> str:
    """Return the inviter's own canonical address, or an empty text."""
    field = "" if inviter is None else inviter.get_email_field_name()
    try:
        return addresses.canonical(getattr(inviter, field, ""))
    except AddressRefused:
        return ""


def _refused(recipient: Recipient, verdict: Verdict, reason: str, code: str) -> Row:
    email = recipient.email[: addresses.LENGTH_MAX]
    name = recipient.name[: addresses.LENGTH_MAX]
    return Row(recipient.number, email, verdict, name, reason=reason, code=code)


def _check(inviter: Any, recipient: Recipient, note: str, groups: dict[str, int]) -> Row:
    if recipient.broken:
        message = _("The quotation marks in this row do not match. Correct them.")
        raise AddressRefused(message, code="unmatched_quotes")
    from invitation.addresses import people  # else imported at the start of each process

    if people.count(recipient.email) > 1:
        raise AddressRefused(_("There is more than one address here."), code="several_addresses")
    email = addresses.clean(recipient.email)
    lower = email.lower()
    email_key = email if lower == email else lower  # one text in memory instead of two
    blocklist.check_key(email_key)
    if not groups.keys() >= set(recipient.groups):
        raise GroupRefused()
    names = tuple(dict.fromkeys(recipient.groups))
    return Row(
        number=recipient.number,
        email=email,
        verdict=Verdict.NEW,
        recipient_name=texts.plain_name(recipient.name),
        note=check_note_from(inviter, recipient.note) or note,
        language=named_language(recipient.language),
        groups=tuple(groups[name] for name in names),
        group_names=names,
        email_key=email_key,
    )


# -- all rows, against what is there ------------------------------------------------------------


def _compare(inviter: Any, site_id: int, rows: list[Row]) -> list[Row]:
    """Mark the rows whose address the member has already invited."""
    known = _known(inviter, site_id, [row.email_key for row in rows if row.verdict == Verdict.NEW])
    return [
        _already(row, known[row.email_key])
        if row.verdict == Verdict.NEW and row.email_key in known
        else row
        for row in rows
    ]


def _known(inviter: Any, site_id: int, email_keys: list[str]) -> dict[str, InvitationKey]:
    """Return, by address, the member's invitation that shows that the address was invited."""
    status = InvitationKey.Status
    telling = (status.PENDING, status.ACCEPTED, status.DECLINED)
    invitations = InvitationKey.objects.get_queryset().sent_by(inviter).on_site(site_id)
    invitations = invitations.filter(status__in=telling).order_by("pk")
    # An account that was deleted since leaves its acceptance. Its address may be invited again.
    deleted = Acceptance.objects.filter(invitation=OuterRef("pk"), user=None)
    invitations = invitations.annotate(account_deleted=Exists(deleted))
    fields = ("email_key", "status", "expires_at")
    known: dict[str, Any] = {}
    size = managers.values_at_once(invitations.db) - len(telling) - 2
    for start in range(0, len(email_keys), size):
        some = invitations.filter(email_key__in=email_keys[start : start + size])
        for invitation in some.only(*fields):
            before = known.get(invitation.email_key)
            # A pending invitation decides, and there is at most one. Otherwise the latest one
            # decides.
            if before is None or before.status != status.PENDING:
                known[invitation.email_key] = invitation
    return {email: one for email, one in known.items() if not one.account_deleted}


def _already(row: Row, invitation: InvitationKey) -> Row:
    reasons: dict[str, str | Promise] = {
        InvitationKey.Status.PENDING: _("You already invited this address."),
        InvitationKey.Status.ACCEPTED: _("Your invitation to this address was accepted."),
        InvitationKey.Status.DECLINED: _("Your invitation to this address was declined."),
        InvitationKey.Status.EXPIRED: _(
            "Your invitation to this address has expired. You can extend it on the page “My "
            "invitations”."
        ),
    }
    reason = reasons[invitation.state]
    return row._replace(verdict=Verdict.ALREADY, reason=reason, code=AlreadyInvited.code)
