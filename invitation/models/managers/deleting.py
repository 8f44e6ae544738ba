"""Manager methods that end, refund and delete many invitations with few statements."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import ExpressionWrapper, Q
from django.db.models.signals import post_delete, pre_delete

from invitation.models.managers.forgetting import had_ended
from invitation.models.managers.refunds import Held
from invitation.models.moments import has_passed
from invitation.models.querysets import RENEWAL_KEPT, Among, can_skip_locked, locked

if TYPE_CHECKING:
    from invitation.models import InvitationKey

    Invitations = models.Manager[InvitationKey]
else:
    Invitations = object

#: Rows that one statement marks as expired, so that it takes a tenth of a second at most.
MARKED_AT_ONCE = 2_000


class KeyCleaningMixin(Invitations):
    """Methods for a batch of invitations; call them inside a transaction.

    Each locks its rows and reads them in one statement. Others may have changed them since they
    were found.
    """

    def expire(self, pks: Collection[int], now: datetime) -> list[int]:
        """Mark the overdue ones of these as expired and return their ids."""
        status = self.model.Status
        found = locked(self.filter(Among("pk", pks)), "ended_at", "pk", "status", "expires_at")
        overdue = (row for row in found if row.expires_at is not None and row.expires_at <= now)
        marked = [row.pk for row in overdue if row.status == status.PENDING]
        self._mark(marked, now)
        return marked

    def _mark(self, pks: list[int], now: datetime, **changes: Any) -> None:
        """Mark these as expired, some at a time: each row is written into several indexes."""
        changes |= {"status": self.model.Status.EXPIRED, "pending_slot": None, "ended_at": now}
        for start in range(0, len(pks), MARKED_AT_ONCE):
            self.filter(Among("pk", pks[start : start + MARKED_AT_ONCE])).update(**changes)

    def can_end_free(self) -> bool:
        """Return whether ``end_free`` works on this database."""
        return can_skip_locked(self.db)

    def end_free(
        self,
        pks: Collection[int],
        now: datetime,
        inviters: Collection[Any] | None,
        *,
        delete: bool = False,
    ) -> tuple[list[int], list[Held]]:
        """End the overdue ones of these, and return their ids and what they give back.

        They are marked as expired and give up their quota. With ``delete``, they are deleted
        instead. Those that somebody has used or wants to have renewed then stay as they are.

        Lock the quotas before, as inviting does. This never waits for an invitation, so nobody can
        wait for these quotas and block it. Those that others have locked stay as they are.
        ``inviters`` are the members whose quotas are locked. Those that hold the quota of others
        stay. ``None`` means that nothing is given back.
        """
        known = ("pk", "status", "late", "uses", "renewal_requested_at")
        price = ("from_user_id", "quota_held", "max_uses", "shared", "date_invited")
        late = ExpressionWrapper(Q(expires_at__lte=now), models.BooleanField())
        rows = self.filter(Among("pk", pks)).annotate(late=late)
        found = locked(rows, "ended_at", *known, *price, skip_locked=True)
        pending = self.model.Status.PENDING
        ended: list[int] = []
        held: list[Held] = []
        for row in found:
            if row.status != pending or not row.late:
                continue
            if delete and (row.uses or _is_asked_for(row, now)):
                continue
            if row.quota_held and row.from_user_id is not None and inviters is not None:
                if row.from_user_id not in inviters:
                    continue
                held.append(Held.by(row))
            ended.append(row.pk)
        if ended and delete:
            self._delete(ended)
        else:
            self._mark(ended, now, quota_held=0)
        return ended, [one for one in held if one.amount]

    def give_up_quota(self, pks: Collection[int]) -> list[Held]:
        """Take the quota that expired invitations of these hold; return what each gives back.

        A used invitation for one person gives nothing back. A shared link gives back the uses that
        are left. An invitation whose inviter is gone gives nothing back.
        """
        names = ("pk", "status", "from_user_id", "quota_held", "uses", "max_uses", "shared")
        found = locked(self.filter(Among("pk", pks)), "ended_at", *names, "date_invited")
        expired = self.model.Status.EXPIRED
        holding = [row for row in found if row.status == expired and row.quota_held]
        self.filter(Among("pk", [row.pk for row in holding])).update(quota_held=0)
        held = (Held.by(row) for row in holding if row.from_user_id is not None)
        return [one for one in held if one.amount]

    def purge(self, pks: Collection[int], before: datetime, now: datetime) -> int:
        """Delete the unused ones of these that ended before a time; return how many."""
        names = ("pk", "status", "uses", "ended_at", "expires_at", "quota_held")
        found = locked(self.filter(Among("pk", pks)), "ended_at", *names, "renewal_requested_at")
        ended = [row.pk for row in found if self._is_disposable(row, before, now)]
        if ended:
            self._delete(ended)
        return len(ended)

    def _delete(self, pks: Collection[int]) -> None:
        """Delete rows, and before them the rows of this app that hang on them.

        Django's collector would read all of them, and delete them by the hundred. It still does so
        if the site is concerned: by a model with a relation to one of these, or by a receiver.
        """
        mails, acceptances, groups = self._own_models()
        rows: Any = self.filter(Among("pk", pks))
        if not self.concerns_nobody():
            rows.delete()
            return
        others = [
            acceptances._base_manager.using(self.db).filter(Among("invitation", pks)),
            groups._base_manager.using(self.db).filter(Among("invitationkey", pks)),
        ]
        hanging = [mails._base_manager.using(self.db).filter(Among("invitation", pks))]
        # Unused invitations rarely have any of these.
        if others[0].values("pk").union(others[1].values("pk"), all=True).exists():
            hanging += others
        for each in (*hanging, rows):
            each._raw_delete(each.db)

    def _own_models(self) -> tuple[Any, Any, Any]:
        """Return the models of this app whose rows hang on invitations."""
        of: Any = self.model._meta.get_field
        mails, acceptances = (of(name).related_model for name in ("mails", "acceptances"))
        return mails, acceptances, of("groups").remote_field.through

    def concerns_nobody(self) -> bool:
        """Return whether a deletion changes nothing of the site's, and nobody listens."""
        return _concerns_nobody({self.model, *self._own_models()})

    def _is_disposable(self, row: Any, before: datetime, now: datetime) -> bool:
        """Return whether one row is among those of the queryset ``disposable``."""
        status = self.model.Status
        if row.status in (status.PENDING, status.ACCEPTED) or row.uses:
            return False
        if row.status == status.EXPIRED and row.quota_held:
            return False
        if _is_asked_for(row, now):
            return False
        return had_ended(row.ended_at, row.expires_at, before, now)


def _is_asked_for(row: Any, now: datetime) -> bool:
    """Return whether somebody waits for one row's renewal: see ``querysets.not_asked_for``."""
    asked = row.renewal_requested_at
    return asked is not None and not has_passed(asked, now - RENEWAL_KEPT, now)


def _concerns_nobody(deleted: set[type[models.Model]]) -> bool:
    """Return whether a deletion in these tables changes nothing else, and nobody listens."""
    signals = (pre_delete, post_delete)
    if any(signal.has_listeners(model) for signal in signals for model in deleted):
        return False
    return {other for model in deleted for other in _hanging_on(model)} <= deleted


def _hanging_on(model: type[models.Model]) -> Iterator[Any]:
    """Yield the models whose rows the collector would delete or change with those of this model."""
    opts: Any = model._meta
    for field in opts.get_fields(include_hidden=True):
        reverse = field.auto_created and not field.concrete and not field.many_to_many
        if reverse and field.on_delete is not models.DO_NOTHING:
            yield field.related_model
    for field in opts.private_fields:
        if hasattr(field, "bulk_related_objects"):  # a generic relation
            yield field.related_model
