"""Managers that write invitations and acceptances, one row or one batch at a time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, models, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.functions import Coalesce

from invitation import keys
from invitation.conf import conf
from invitation.keys import sites
from invitation.models.managers.deleting import KeyCleaningMixin
from invitation.models.managers.forgetting import KeyForgettingMixin
from invitation.models.managers.writer import WriterManager
from invitation.models.moments import passed
from invitation.models.querysets import (
    UNUSED,
    InvitationKeyQuerySet,
    holds,
    in_time,
    inviter_there,
    lock_in_order,
)
from invitation.models.statements import Select, Update

if TYPE_CHECKING:
    from invitation.models import Acceptance, InvitationKey


def _of_locator(
    rows: InvitationKeyQuerySet, noting_groups: bool, locator: Any, site_id: Any
) -> InvitationKeyQuerySet:
    """Return the invitation with this locator, its inviter, and perhaps whether it has groups."""
    found = rows.select_related("from_user").filter(locator=locator, site_id=site_id).order_by()
    return found.noting_groups() if noting_groups else found


def _state_of_locator(
    rows: InvitationKeyQuerySet, locator: Any, site_id: Any
) -> InvitationKeyQuerySet:
    """Return what says whether the invitation with this locator works, and nothing else."""
    inviter: Any = rows.model._meta.get_field("from_user").related_model
    names = {field.name for field in inviter._meta.concrete_fields}
    active = ["from_user__is_active"] if "is_active" in names else []
    found = rows.select_related("from_user").filter(locator=locator, site_id=site_id).order_by()
    return found.only("locator", "from_user", *rows.model.DECIDING, *active)


def _taking_a_use(
    rows: InvitationKeyQuerySet, active_inviter: bool, pk: Any, locator: Any, now: Any
) -> tuple[InvitationKeyQuerySet, dict[str, Any]]:
    """Return an invitation if it is usable, and what one more use changes in it.

    ``active_inviter`` is INVITATION_REQUIRE_ACTIVE_INVITER, which ``inviter_there`` reads.
    """
    status = rows.model.Status
    usable = rows.filter(holds("status", status.PENDING), holds("locator", locator), pk=pk)
    usable = usable.filter(in_time(now), UNUSED, inviter_there(rows.model), paused_at=None)
    last_use = Q(max_uses__lte=F("uses") + 1)
    return usable, {
        # MySQL evaluates assignments from left to right and with the new values. So an expression
        # that reads `uses` must come before `uses` itself.
        "status": Case(When(last_use, then=Value(status.ACCEPTED)), default=F("status")),
        "pending_slot": Case(When(last_use, then=None), default=F("pending_slot")),
        "ended_at": Case(When(last_use, then=now), default=F("ended_at")),
        "uses": F("uses") + 1,
    }


OF_LOCATOR = Select(_of_locator, locator=models.CharField(), site_id=models.IntegerField())
STATE_OF_LOCATOR = Select(
    _state_of_locator, locator=models.CharField(), site_id=models.IntegerField()
)
TAKING_A_USE = Update(
    _taking_a_use,
    pk=models.BigIntegerField(),
    locator=models.CharField(),
    now=models.DateTimeField(),
)


class InvitationKeyManager(KeyCleaningMixin, KeyForgettingMixin, WriterManager["InvitationKey"]):
    """Manager of invitations, with the manager methods of version 1.0."""

    def get_queryset(self) -> InvitationKeyQuerySet:
        """Return all invitations, as an ``InvitationKeyQuerySet``."""
        rows = InvitationKeyQuerySet(self.model, using=self._db)
        vars(rows)["_for_write"] = True  # see ``WriterManager``
        return rows

    # -- the names of django-invitation 1.0 ------------------------------------------------

    def create_invitation(self, user: Any) -> InvitationKey:
        """Spend one of the user's invitations and return it, without an email address yet.

        Raises ``QuotaExceeded`` and ``InvitingForbidden``. ``inviting.invite`` also sets the
        address and sends the email.
        """
        from invitation.flows import inviting  # the name of 1.0

        return inviting.create_without_address(user)

    def is_key_valid(self, invitation_key: object) -> bool:
        """Return whether a visitor could sign up with this key at this moment."""
        invitation = self.get_key(invitation_key)
        return invitation is not None and invitation.is_usable()

    def get_key(self, invitation_key: object) -> InvitationKey | None:
        """Return the invitation of this key, usable or not, or ``None``."""
        text = keys.trim(invitation_key) if isinstance(invitation_key, str) else invitation_key
        resolved = keys.resolve(text, self.find, sites.current_site_id())
        return resolved.row if resolved else None

    def remaining_invitations_for_user(self, user: Any) -> int | None:
        """Return how many invitations this member has left; ``None`` is unlimited."""
        from invitation.flows import quota  # the name of 1.0

        return quota.remaining_invitations(user)

    def delete_expired_keys(self) -> int:
        """Delete expired invitations at once, and return how many were deleted.

        The command ``cleanupinvitation`` keeps them for INVITATION_RETENTION_DAYS. It is better for
        cron: a kept link says why it no longer works.
        """
        from invitation.flows import upkeep  # the name of 1.0

        return upkeep.delete_expired()

    # -- one row by its key ------------------------------------------------------------------

    def find(
        self, locator: str, site_id: int, *, noting_groups: bool = False
    ) -> InvitationKey | None:
        """Return the invitation with this locator and its inviter, or ``None``; one query.

        ``noting_groups`` is for ``carries_groups``: see the queryset's ``noting_groups``.
        """
        found: InvitationKey | None = OF_LOCATOR.first(
            self, noting_groups, locator=locator, site_id=site_id
        )
        return found

    def find_state(self, locator: str, site_id: int) -> InvitationKey | None:
        """Return what ``refusal`` reads of the invitation with this locator, or ``None``.

        It is one query. Everything else of the invitation would be another one.
        """
        found: InvitationKey | None = STATE_OF_LOCATOR.first(self, locator=locator, site_id=site_id)
        return found

    # -- one row, atomically -----------------------------------------------------------------

    def _open(self, pk: int) -> models.QuerySet[InvitationKey]:
        """Return the row with this primary key if it is pending."""
        return self.filter(holds("status", self.model.Status.PENDING), pk=pk)

    def claim_use(self, pk: int, locator: str, now: datetime) -> bool:
        """Take one use of an invitation if it is still usable; return whether it was taken."""
        required = conf.INVITATION_REQUIRE_ACTIVE_INVITER
        return TAKING_A_USE.run(self, required, pk=pk, locator=locator, now=now) == 1

    def release_use(self, invitation: InvitationKey, now: datetime) -> None:
        """Give back one use of an invitation; an accepted one becomes pending again.

        The inviter may have created another invitation to the same address in the meantime. That
        one holds the slot, and this one becomes expired. An invitation whose person was forgotten
        becomes expired, too, because it would be open to anybody.
        """
        status = self.model.Status
        rows = self.filter(pk=invitation.pk, uses__gt=0)
        reopened = rows.filter(holds("status", status.ACCEPTED))
        try:
            with transaction.atomic(using=self.db):
                if reopened.filter(forgotten_at=None).update(
                    status=status.PENDING,
                    pending_slot=invitation.slot(),
                    ended_at=None,
                    uses=F("uses") - 1,
                ):
                    return
        except IntegrityError:
            reopened.update(status=status.EXPIRED, ended_at=now, uses=F("uses") - 1)
            return
        nobodys = reopened.exclude(forgotten_at=None)
        if not nobodys.update(status=status.EXPIRED, ended_at=now, uses=F("uses") - 1):
            rows.update(uses=F("uses") - 1)

    def end(self, pk: int, status: str, now: datetime) -> bool:
        """End a pending invitation with this status; return whether it was still pending.

        Cleanup ends overdue invitations, because it also gives back their quota.
        """
        return (
            self._open(pk)
            .filter(in_time(now))
            .update(status=status, pending_slot=None, ended_at=now)
            == 1
        )

    def close_all_of(self, user: Any, now: datetime) -> list[InvitationKey]:
        """Revoke all pending invitations of a member and return them, in few queries.

        Accepted invitations whose new accounts are not active yet expire now. So nobody can use
        them again if the use is given back. Call this method inside a transaction.
        """
        status = self.model.Status
        own = self.filter(from_user=user)
        pending = own.filter(holds("status", status.PENDING), in_time(now))
        lock_in_order(pending, "ended_at")
        changes = {"status": status.REVOKED, "pending_slot": None, "ended_at": now}
        revoked = pending.update(**changes)
        later = Q(expires_at=None) | Q(expires_at__gt=now)
        held = own.filter(holds("status", status.ACCEPTED), later)
        held.filter(acceptances__activated_at=None).update(expires_at=now)
        if not revoked:
            return []
        return list(own.filter(holds("status", status.REVOKED), ended_at=now).order_by("pk"))

    def find_open(self, slot: bytes) -> int | None:
        """Return the id of the pending invitation that holds this slot, or ``None``."""
        return self.filter(pending_slot=slot).values_list("pk", flat=True).first()

    def open_for(self, inviter: str, slot: bytes) -> Exists:
        """Return the condition that an outer row's inviter has a pending invitation at this slot.

        The database locks the outer row before it evaluates the condition.
        """
        return Exists(self.filter(pending_slot=slot, from_user=OuterRef(inviter)))

    def declined_for(self, inviter: Any, email_key: Any, site_id: Any) -> Exists:
        """Return the condition that an address has declined an outer row's inviter on a site."""
        rows = self.filter(from_user=OuterRef(inviter), email_key=email_key, site_id=site_id)
        return Exists(rows.filter(status=self.model.Status.DECLINED))

    def renew(self, pk: int, **changes: Any) -> InvitationKey | None:
        """Write the changes into an invitation and return it; return ``None`` if it has ended.

        Call it inside a transaction: the lock keeps the row from being deleted in between.
        """
        if not self._open(pk).update(**changes):
            return None
        return self.select_related("from_user").get(pk=pk)

    def extend(self, pk: int, until: datetime | None) -> bool:
        """Extend a pending invitation until then; return whether it was pending.

        An invitation that lasts longer keeps its end. ``until=None`` is for ever.
        """
        if until is None:
            return self._open(pk).update(expires_at=None) == 1
        later = Case(
            When(expires_at=None, then=None),
            When(expires_at__gt=until, then=F("expires_at")),
            default=Value(until),
        )
        return self._open(pk).update(expires_at=later) == 1

    def revive(
        self, pk: int, slot: bytes | None, expires_at: datetime | None, quota_held: int
    ) -> bool:
        """Make an expired invitation pending again; return whether it was still expired.

        Raises ``IntegrityError`` if another invitation holds the slot.
        """
        expired = self.filter(holds("status", self.model.Status.EXPIRED), pk=pk, forgotten_at=None)
        changes = {"status": self.model.Status.PENDING, "pending_slot": slot, "ended_at": None}
        return expired.update(**changes, expires_at=expires_at, quota_held=quota_held) == 1

    def address(self, pk: int, email: str, email_key: str, slot: bytes, now: datetime) -> bool:
        """Set the address of a usable invitation; return whether it is set.

        An invitation that has another address is not changed.

        Raises ``IntegrityError`` if another invitation holds the slot.
        """
        free = Q(holds("email_key", "")) | Q(holds("email_key", email_key))
        rows = self._open(pk).filter(free, in_time(now), UNUSED)
        return rows.update(email=email, email_key=email_key, pending_slot=slot) == 1

    def request_mail(self, pk: int, now: datetime, cooldown: timedelta) -> bool:
        """Record a request for an email; return whether it was recorded.

        It is not recorded within the cool-down after the last request.
        """
        rested = Q(mail_requested_at=None) | passed("mail_requested_at", now - cooldown, now)
        return self._open(pk).filter(rested).update(mail_requested_at=now) == 1

    def note_reminder(self, pk: int, now: datetime, rested: datetime) -> bool:
        """Record the request for the only reminder; return whether it was recorded now.

        It counts as an email for the cool-down.
        """
        rows = self._open(pk).filter(in_time(now), UNUSED, paused_at=None, reminded_at=None)
        rows = rows.filter(passed("mail_requested_at", rested, now))
        return rows.update(reminded_at=now, mail_requested_at=now) == 1

    def request_renewal(self, pk: int, now: datetime, pause: timedelta) -> bool:
        """Record that a person with a dead link asks for a new one; return whether it was recorded.

        It is recorded only for an expired or revoked invitation, and only once within the pause.
        """
        status = self.model.Status
        dead = Q(holds("status", status.EXPIRED)) | Q(holds("status", status.REVOKED))
        rested = Q(renewal_requested_at=None) | passed("renewal_requested_at", now - pause, now)
        return self.filter(dead, rested, pk=pk).update(renewal_requested_at=now) == 1

    def pause(self, pk: int, now: datetime) -> bool:
        """Pause a shared link, if it is not paused yet; return whether it was still pending."""
        rows = self._open(pk).filter(in_time(now), shared=True)
        return rows.update(paused_at=Coalesce("paused_at", now)) == 1

    def resume(self, pk: int, now: datetime) -> bool:
        """Let a paused shared link work again; return whether it was still pending."""
        return self._open(pk).filter(in_time(now), shared=True).update(paused_at=None) == 1

    # -- a batch of rows; call these inside a transaction -----------------------------------

    def lock(self, pks: Collection[int]) -> None:
        """Lock these rows, so that what is read of them stays true until the commit."""
        lock_in_order(self.filter(pk__in=pks), "ended_at")


class AcceptanceManager(WriterManager["Acceptance"]):
    """Manager that writes acceptances one row at a time."""

    def unactivated(self) -> models.QuerySet[Acceptance]:
        """Return the acceptances whose account was never active."""
        return self.filter(activated_at=None)

    def activate(self, pk: int, now: datetime) -> bool:
        """Record that the account can now be used; return whether that is new."""
        return self.unactivated().filter(pk=pk).update(activated_at=now) == 1

    def take_back(self, pk: int) -> bool:
        """Delete an acceptance that was never activated; return whether it was there."""
        deleted, _ = self.unactivated().filter(pk=pk).delete()
        return deleted > 0
