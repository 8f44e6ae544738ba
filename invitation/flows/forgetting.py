"""Forget people: those whose invitation ended long ago, or one who asks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from invitation import addresses, optouts, signals
from invitation.conf import conf
from invitation.flows.announcing import announce
from invitation.flows.cleaning import BATCH_SIZE, mark_expired
from invitation.flows.deadlocks import in_transaction, writing
from invitation.flows.operating import announce_cancelled
from invitation.flows.suppressing import lift
from invitation.models import DeliveryPause, InvitationEmail, InvitationKey, ProvenAddress
from invitation.querysets import InvitationKeyQuerySet

#: What stands in a text in place of what was forgotten; a constant, as it is written into rows.
FORGOTTEN = "(forgotten)"
#: The columns of invitations in which others may have written an address.
TEXTS = ("recipient_name", "note", "label")


# -- those whose invitation ended long ago ----------------------------------------------------


def forget_ended(
    after: timedelta, now: datetime | None = None, batch_size: int = BATCH_SIZE
) -> int:
    """Forget whom invitations were for that ended so long ago; return how many.

    Accepted ones, too: who came by them, and when, stays. Works in batches, each in a short
    transaction, and may run beside anything else and beside itself. The admin's own log forgets
    the same, and what it says of invitations that were deleted as long ago.
    """
    now = now or timezone.now()
    before = now - after
    rows = InvitationKey.objects.get_queryset().forgettable(before, now).order_by("pk")
    forgotten = last = 0
    while batch := list(rows.filter(pk__gt=last).values_list("pk", flat=True)[:batch_size]):
        last = batch[-1]
        forgotten += len(in_transaction(partial(_forget, batch, now, before)))
    _forget_log_of_ended(before, batch_size)
    return forgotten


def count_forgettable(after: timedelta, now: datetime | None = None) -> int:
    """Return how many invitations ``forget_ended`` would forget, after ``purge`` has deleted."""
    now = now or timezone.now()
    rows = InvitationKey.objects.get_queryset()
    kept_since = now - timedelta(days=conf.INVITATION_RETENTION_DAYS)
    deleted = rows.disposable(kept_since, now, settled=False).values("pk")
    return rows.forgettable(now - after, now).exclude(pk__in=deleted).count()


def _forget(pks: list[int], now: datetime, before: datetime | None = None) -> list[int]:
    forgotten = InvitationKey.objects.forget(pks, now, before)
    for mail in InvitationEmail.objects.forget(forgotten):
        announce_cancelled(mail)
    return forgotten


def _log() -> QuerySet[Any] | None:
    """Return the log of Django's admin, where the site has one."""
    if not apps.is_installed("django.contrib.admin"):
        return None
    return apps.get_model("admin", "LogEntry")._default_manager.all()


def _log_of_invitations() -> QuerySet[Any] | None:
    log = _log()
    if log is None:
        return None
    label = InvitationKey._meta
    of = log.filter(content_type__app_label=label.app_label, content_type__model=label.model_name)
    return of.exclude(object_id=None).exclude(object_repr=FORGOTTEN)


def _forget_log_of_ended(before: datetime, batch_size: int) -> None:
    entries = _log_of_invitations()
    if entries is None:
        return
    last = 0
    found = entries.order_by("pk").values_list("pk", "object_id", "action_time")
    while batch := list(found.filter(pk__gt=last)[:batch_size]):
        last = batch[-1][0]
        ids = {int(object_id) for _pk, object_id, _time in batch if object_id.isdecimal()}
        rows = InvitationKey.objects.filter(pk__in=ids).values_list("pk", "forgotten_at")
        there = {str(pk): forgotten_at is not None for pk, forgotten_at in rows}
        # Of one that is gone, nobody knows when it ended: by then, it had.
        old = [pk for pk, object_id, time in batch if there.get(object_id, time <= before)]
        entries.filter(pk__in=old).update(object_repr=FORGOTTEN)


# -- one who asks for it ----------------------------------------------------------------------


@dataclass(frozen=True)
class Forgotten:
    """Say what was erased of one person."""

    #: Invitations to the address, and how many of these were still open.
    invitations: int
    revoked: int
    #: Other texts that held the address: notes, errors, what the site keeps, the admin's log.
    texts: int
    #: Whether it was forgotten that the address wants no mail.
    opt_out_dropped: bool = False
    #: For how many accounts it was forgotten that they have proven the address.
    proofs: int = 0


def forget(email: str, *, drop_opt_out: bool = False, dry_run: bool = False) -> Forgotten:
    """Erase a person from all that is kept here, by his address, and say what that was.

    Invitations to him that are open are withdrawn first, as by ``revoke``. That he wants no mail is
    kept, as a keyed hash, unless ``drop_opt_out``: else he would be mailed again. His account, if
    he has one, is the site's to delete. Only counts if ``dry_run``.

    Raises ``ValueError`` for a blank address.
    """
    if not email.strip():
        raise ValueError("There is no address to forget.")
    if not dry_run:
        return _forget_person(email, drop_opt_out)
    with writing():
        found = _forget_person(email, drop_opt_out)
        transaction.set_rollback(True)
    return found


def invitations_to(email: str) -> InvitationKeyQuerySet:
    """Return the invitations to an address, in whichever of its spellings."""
    to = Q(email_key=optouts.comparable(email)) | Q(email__iexact=email.strip())
    return InvitationKey.objects.get_queryset().filter(to).exclude(email="")


def _forget_person(email: str, drop_opt_out: bool) -> Forgotten:
    now = timezone.now()
    pattern, spellings = _spellings(email)
    invitations = revoked = texts = last = 0
    rows = invitations_to(email).order_by("pk").values_list("pk", flat=True)
    while batch := list(rows.filter(pk__gt=last)[:BATCH_SIZE]):
        last = batch[-1]
        ended, logged = in_transaction(partial(_end_and_forget, batch, now))
        invitations += len(batch)
        revoked += ended
        texts += logged
    texts += sum(
        [
            _redact_invitations(pattern, spellings),
            _redact(InvitationEmail.objects.all(), "last_error", pattern, spellings),
            _redact(DeliveryPause.objects.all(), "reason", pattern, spellings),
        ]
    )
    log = _log()
    if log is not None:
        texts += _redact(log, "object_repr", pattern, spellings)
        texts += _redact(log, "change_message", pattern, spellings)
    proofs, _by_model = in_transaction(ProvenAddress.objects.of_address(email).delete)
    dropped = lift(email) if drop_opt_out else False
    return Forgotten(invitations, revoked, texts, dropped, proofs)


def _end_and_forget(pks: list[int], now: datetime) -> tuple[int, int]:
    """Withdraw what is open among these, and forget them all; call it in a transaction."""
    rows = InvitationKey.objects
    # This locks them. What has run out is given back by cleanup, which needs no address for it.
    mark_expired(pks, now)
    revoked = 0
    for pk in pks:
        if rows.end(pk, InvitationKey.Status.REVOKED, now):
            revoked += 1
            # As it was: whoever listens may have to forget the same person.
            invitation = rows.select_related("from_user").get(pk=pk)
            announce(signals.invitation_revoked, invitation=invitation)
    forgotten = [str(pk) for pk in _forget(pks, now)]
    entries = _log_of_invitations()
    if entries is None:
        return revoked, 0
    return revoked, entries.filter(object_id__in=forgotten).update(object_repr=FORGOTTEN)


# -- texts that others have written ------------------------------------------------------------


def _spellings(email: str) -> tuple[re.Pattern[str], list[str]]:
    """Return how an address may be written, and what finds any of these by itself in a text."""
    known = optouts.comparable(email)
    spellings = list(dict.fromkeys([email.strip(), known, addresses.display(known)]))
    either = "|".join(re.escape(text) for text in spellings)
    # Not as a part of somebody else's address.
    return re.compile(rf"(?<![\w.+-])(?:{either})(?![\w-]|\.\w)", re.IGNORECASE), spellings


def _holding(column: str, spellings: list[str]) -> Q:
    found = Q()
    for text in spellings:
        found |= Q(**{f"{column}__icontains": text})
        escaped = json.dumps(text)[1:-1]  # as JSON has it, where a column holds that
        if escaped != text:
            found |= Q(**{f"{column}__icontains": escaped})
    return found


def _redact(
    rows: QuerySet[Any], column: str, pattern: re.Pattern[str], spellings: list[str]
) -> int:
    """Take an address out of a column of a table; return out of how many rows."""
    changed = 0
    for pk, text in _found(rows, column, spellings):
        without = _without(text, pattern)[: _length_of(rows.model, column)]
        if without != text:
            changed += rows.filter(pk=pk).update(**{column: without})
    return changed


def _length_of(model: Any, column: str) -> int | None:
    """Return how long a text in this column may be: an address may be shorter than its stand-in."""
    length: int | None = model._meta.get_field(column).max_length
    return length


def _found(rows: QuerySet[Any], column: str, spellings: list[str]) -> Iterator[tuple[Any, str]]:
    """Yield the rows that may hold an address, without holding them all."""
    found = rows.filter(_holding(column, spellings)).order_by("pk").values_list("pk", column)
    last = 0
    while batch := list(found.filter(pk__gt=last)[:BATCH_SIZE]):
        yield from batch
        last = batch[-1][0]


def _without(text: str, pattern: re.Pattern[str]) -> str:
    """Return a text without the address; of JSON, its texts."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return pattern.sub(FORGOTTEN, text)
    cleaned = _map_texts(parsed, lambda part: pattern.sub(FORGOTTEN, part))
    return text if cleaned == parsed else json.dumps(cleaned)


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {change(name): _map_texts(item, change) for name, item in value.items()}
    return value


def _redact_invitations(pattern: re.Pattern[str], spellings: list[str]) -> int:
    """Take an address out of what was written into the invitations of others."""
    rows = InvitationKey.objects.annotate(data_text=Cast("data", TextField()))
    holding = _holding("data_text", spellings)
    for column in TEXTS:
        holding |= _holding(column, spellings)
    found = rows.filter(holding).order_by("pk").values_list("pk", flat=True)
    changed = last = 0
    while batch := list(found.filter(pk__gt=last)[:BATCH_SIZE]):
        last = batch[-1]
        changed += in_transaction(partial(_redact_batch, batch, pattern))
    return changed


def _redact_batch(pks: list[int], pattern: re.Pattern[str]) -> int:
    InvitationKey.objects.lock(pks)
    changed = 0
    columns = (*TEXTS, "data")
    for row in InvitationKey.objects.filter(pk__in=pks).only(*columns):
        before = {column: getattr(row, column) for column in columns}
        after = _map_texts(before, lambda text: pattern.sub(FORGOTTEN, text))
        for column in TEXTS:
            after[column] = after[column][: _length_of(row, column)]
        if after != before:
            changed += InvitationKey.objects.filter(pk=row.pk).update(**after)
    return changed
