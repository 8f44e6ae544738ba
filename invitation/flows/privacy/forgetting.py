"""Erasure of personal data, some time after invitations ended or when a person asks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.apps import apps
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from invitation import addresses, signals
from invitation.conf import conf
from invitation.flows.after_commit import BATCH_SIZE, announce, in_transaction, roll_back
from invitation.flows.mail import announce_cancelled, lift
from invitation.flows.upkeep import mark_expired
from invitation.keys import unsubscribing
from invitation.models import (
    DeliveryPause,
    InvitationEmail,
    InvitationKey,
    ProvenAddress,
    managers,
)
from invitation.models.querysets import InvitationKeyQuerySet

#: Text that replaces what was forgotten. It is constant, because it is written into rows.
FORGOTTEN = "(forgotten)"
#: Columns of invitations in which other people may have written an address.
TEXTS = ("recipient_name", "note", "label")


# -- those whose invitation ended long ago ----------------------------------------------------


def forget_ended(
    after: timedelta, now: datetime | None = None, batch_size: int = BATCH_SIZE
) -> int:
    """Forget the invited people of invitations that ended long enough ago, and return how many.

    This includes accepted invitations. Who accepted them, and when, is kept. Works in batches, each
    in a short transaction. It may run at the same time as other actions and other runs. The log of
    Django's admin forgets the same. It also forgets its entries about deleted invitations that are
    as old.
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
    """Return the log of Django's admin, or ``None`` if the site has none."""
    if not apps.is_installed("django.contrib.admin"):
        return None
    return managers.from_writer(apps.get_model("admin", "LogEntry")._default_manager.all())


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
        # The end of a deleted invitation is not known. The time of the log entry counts instead.
        old = [pk for pk, object_id, time in batch if there.get(object_id, time <= before)]
        entries.filter(pk__in=old).update(object_repr=FORGOTTEN)


# -- one who asks for it ----------------------------------------------------------------------


class Forgotten(NamedTuple):
    """Counts of what was erased about one person."""

    #: Invitations to the address, and how many of them were still pending.
    invitations: int
    revoked: int
    #: Other texts with the address: notes, errors, the site's data and the admin's log.
    texts: int
    #: Whether the unsubscription of the address was deleted.
    unsubscribe_dropped: bool = False
    #: Number of accounts whose proof of the address was deleted.
    proofs: int = 0


def forget(email: str, *, drop_unsubscribe: bool = False, dry_run: bool = False) -> Forgotten:
    """Erase all that is stored here about a person, by their address, and return the counts.

    Pending invitations to them are revoked first, as by ``revoke``. An unsubscription is kept as a
    keyed hash, so that they get no more emails. ``drop_unsubscribe`` deletes it too. Their account,
    if there is one, is for the site to delete. With ``dry_run``, it only counts.

    Raises ``ValueError`` for a blank address.
    """
    if not email.strip():
        raise ValueError("There is no address to forget.")
    if not dry_run:
        return _forget_person(email, drop_unsubscribe)
    return in_transaction(partial(_count_person, email, drop_unsubscribe))


def _count_person(email: str, drop_unsubscribe: bool) -> Forgotten:
    found = _forget_person(email, drop_unsubscribe)
    roll_back()
    return found


def invitations_to(email: str) -> InvitationKeyQuerySet:
    """Return the invitations to an address, in any of its spellings."""
    to = Q(email_key=unsubscribing.comparable(email)) | Q(email__iexact=email.strip())
    return InvitationKey.objects.get_queryset().filter(to).exclude(email="")


def _forget_person(email: str, drop_unsubscribe: bool) -> Forgotten:
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
    dropped = lift(email) if drop_unsubscribe else False
    return Forgotten(invitations, revoked, texts, dropped, proofs)


def _end_and_forget(pks: list[int], now: datetime) -> tuple[int, int]:
    """Revoke the pending invitations among these, and forget them all.

    Call it in a transaction. Returns how many were revoked and how many log entries were changed.
    """
    rows = InvitationKey.objects
    # This locks the rows. The cleanup gives back the quota of expired ones without the address.
    mark_expired(pks, now)
    revoked = 0
    for pk in pks:
        if rows.end(pk, InvitationKey.Status.REVOKED, now):
            revoked += 1
            # The row before it is forgotten: a receiver may have to forget the same person.
            invitation = rows.select_related("from_user").get(pk=pk)
            announce(signals.invitation_revoked, invitation=invitation)
    forgotten = [str(pk) for pk in _forget(pks, now)]
    entries = _log_of_invitations()
    if entries is None:
        return revoked, 0
    return revoked, entries.filter(object_id__in=forgotten).update(object_repr=FORGOTTEN)


# -- texts that others have written ------------------------------------------------------------


def _spellings(email: str) -> tuple[re.Pattern[str], list[str]]:
    """Return a pattern that finds an address in a text, and the spellings of the address."""
    known = unsubscribing.comparable(email)
    spellings = list(dict.fromkeys([email.strip(), known, addresses.display(known)]))
    either = "|".join(re.escape(text) for text in spellings)
    # The address must not be a part of another person's address.
    return re.compile(rf"(?<![\w.+-])(?:{either})(?![\w-]|\.\w)", re.IGNORECASE), spellings


def _holding(column: str, spellings: list[str]) -> Q:
    found = Q()
    for text in spellings:
        found |= Q(**{f"{column}__icontains": text})
        escaped = json.dumps(text)[1:-1]  # the form in a JSON column
        if escaped != text:
            found |= Q(**{f"{column}__icontains": escaped})
    return found


def _redact(
    rows: QuerySet[Any], column: str, pattern: re.Pattern[str], spellings: list[str]
) -> int:
    """Remove an address from a column of a table, and return from how many rows."""
    changed = 0
    for pk, text in _found(rows, column, spellings):
        without = _without(text, pattern)[: _length_of(rows.model, column)]
        if without != text:
            changed += rows.filter(pk=pk).update(**{column: without})
    return changed


def _length_of(model: Any, column: str) -> int | None:
    """Return the length limit of this column. The replacement may be longer than the address."""
    length: int | None = model._meta.get_field(column).max_length
    return length


def _found(rows: QuerySet[Any], column: str, spellings: list[str]) -> Iterator[tuple[Any, str]]:
    """Yield the rows that may contain an address, without loading them all into memory."""
    found = rows.filter(_holding(column, spellings)).order_by("pk").values_list("pk", column)
    last = 0
    while batch := list(found.filter(pk__gt=last)[:BATCH_SIZE]):
        yield from batch
        last = batch[-1][0]


def _without(text: str, pattern: re.Pattern[str]) -> str:
    """Return a text without the address. In JSON, change only the texts."""
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
    """Remove an address from the texts in invitations to other people."""
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
