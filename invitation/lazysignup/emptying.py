"""Deletion of guests in batches, with few queries for each."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, transaction
from django.db.models import ProtectedError, QuerySet, RestrictedError, signals
from django.db.models.deletion import Collector

logger = logging.getLogger(__name__)


def delete(rows: QuerySet[Any], batch_size: int) -> int:
    """Delete the accounts of these guests, so many at a time; return how many.

    Each batch is a transaction of its own. A guest that is being changed is left out.
    """
    deleted, last = 0, None
    while True:
        number, last = _delete_batch(rows.filter(pk__gt=last) if last else rows, batch_size)
        deleted += number
        if last is None:
            return deleted


def _delete_batch(rows: QuerySet[Any], size: int) -> tuple[int, Any]:
    """Delete one batch; return how many, and the key of its last guest, or ``None`` if that is all.

    The query that finds the guests also locks them, so that it finds what is true now. It finds one
    more, which says that there is another batch.
    """
    features = connections[rows.db].features
    skip = features.has_select_for_update_skip_locked
    of = ("self",) if features.has_select_for_update_of else ()
    locked = rows.select_related("user").order_by("pk").select_for_update(skip_locked=skip, of=of)
    held, number = list[Any](), 0
    try:
        with transaction.atomic(using=rows.db):
            held = list(locked[: size + 1])
            number = len(held[:size])
            delete_accounts([row.user for row in held[:size]], rows.db)
    except (ProtectedError, RestrictedError):
        if number > 1:
            return _delete_batch(rows, number // 2)
        logger.warning("Guest %s stays, because a protected row needs it.", held[0].user_id)
        number = 0
    return number, held[size - 1].pk if len(held) > size else None


def delete_accounts(users: list[Any], using: str) -> None:
    """Delete accounts and what hangs on them, with Django's signals.

    Django's own collector deletes a hundred rows with each statement.
    """
    from invitation.lazysignup.models import KNOWN  # which imports this module

    model: Any = get_user_model()
    if not users:
        return
    for user in users:
        setattr(user, KNOWN, True)  # A receiver of the signals need not ask.
    collector = Collector(using=using)
    collector.collect(users)
    # A model that inherits from another table has to be deleted before that.
    accounts = [] if model._meta.parents else list(collector.data.pop(model, ()))
    for account in accounts:
        signals.pre_delete.send(model, instance=account, using=using, origin=users)
    collector.delete()
    size = connections[using].features.max_query_params or len(accounts) or 1
    for start in range(0, len(accounts), size):
        keys = [account.pk for account in accounts[start : start + size]]
        model._base_manager.using(using).filter(pk__in=keys)._raw_delete(using)
    for account in accounts:
        signals.post_delete.send(model, instance=account, using=using, origin=users)
