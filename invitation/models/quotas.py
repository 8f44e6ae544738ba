"""Models for quotas, their ledger, and counters of attempts."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invitation.models import managers
from invitation.models.columns import DigestField
from invitation.models.moments import has_passed


class InvitationQuota(models.Model):
    """Number of invitations that a member has spent, and grants on top of the site's limit."""

    inviter = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("member"),
        on_delete=models.CASCADE,
        related_name="invitation_quota",
    )
    granted = models.PositiveIntegerField(
        _("granted"), default=0, help_text=_("Invitations on top of the site's own limit.")
    )
    spent = models.PositiveIntegerField(_("spent"), default=0)
    unlimited = models.BooleanField(_("unlimited"), default=False)
    #: Time from which ``spent`` counts, where the site's limit is for a period.
    period_start = models.DateTimeField(_("period began"), null=True, blank=True, editable=False)

    objects = managers.InvitationQuotaManager()

    class Meta:
        """Names of the table."""

        base_manager_name = "objects"
        verbose_name = _("invitation quota")
        verbose_name_plural = _("invitation quotas")

    def __str__(self) -> str:
        # Not the name, because a reader of quotas may have no right to see accounts.
        return f"#{self.inviter_id}"

    def remaining(
        self, limit: int | None, period: timedelta | None = None, now: datetime | None = None
    ) -> int | None:
        """Return the invitations left from the site's limit and the grants; ``None`` is unlimited.

        With a ``period``, a refill that is due by ``now`` is included.
        """
        if limit is None or self.unlimited:
            return None
        left = limit + self.granted - self.spent
        if self.is_over(period, now or timezone.now()):
            left += self.refillable(limit)
        return max(0, left)

    def is_over(self, period: timedelta | None, now: datetime) -> bool:
        """Return whether a new period begins with the next invitation."""
        if period is None:
            return False
        return self.period_start is None or has_passed(self.period_start, now - period, now)

    def refills_at(
        self, limit: int | None, period: timedelta | None, now: datetime
    ) -> datetime | None:
        """Return when spent invitations come back; ``None`` if none will or they already have."""
        if limit is None or self.unlimited or period is None or self.period_start is None:
            return None
        begun = not self.is_over(period, now) and self.refillable(limit) > 0
        return self.period_start + period if begun else None

    def refillable(self, limit: int | None) -> int:
        """Return how much a new period gives back: what was spent, without the used grants.

        A member without a limit has used no grants.
        """
        if limit is None or self.unlimited:
            return self.spent
        return self.spent - min(self.granted, max(0, self.spent - max(0, limit)))


class QuotaEntry(models.Model):
    """One change of a member's invitations left. All entries together are the ledger.

    The sum of a member's entries always equals their ``granted - spent``.
    """

    class Reason(models.TextChoices):
        """Reason for the change."""

        OPENING = "opening", _("carried over")
        INVITED = "invited", _("invited someone")
        REOPENED = "reopened", _("renewed an expired invitation")
        EXPIRED = "expired", _("expired unused")
        SHARED = "shared", _("created or enlarged a shared link")
        RETURNED = "returned", _("closed or reduced a shared link")
        GRANTED = "granted", _("granted")
        REWARD = "reward", _("reward for an accepted invitation")
        REFILLED = "refilled", _("new period")
        CORRECTED = "corrected", _("corrected")

    inviter = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("member"),
        on_delete=models.CASCADE,
        related_name="invitation_quota_entries",
    )
    change = models.IntegerField(_("change"))
    reason = models.CharField(_("reason"), max_length=10, choices=Reason.choices)
    #: Only the number of the invitation, which may be deleted. The database does not check it, so
    #: a deletion writes no ledger row. It has no index: ask for the inviter's entries as well.
    invitation = models.ForeignKey(
        "invitation.InvitationKey",
        verbose_name=_("invitation"),
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    created_at = models.DateTimeField(_("time"), default=timezone.now)

    objects = managers.QuotaEntryManager()

    class Meta:
        """Names and order of the table."""

        base_manager_name = "objects"
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.change:+d} ({self.get_reason_display()})"


class ThrottleCounter(models.Model):
    """Number of attempts in a time window. It is in the database, so it works without a cache."""

    #: Keyed hash of what is limited and for whom, so that the table names nobody.
    scope = DigestField(max_length=32)
    window_start = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)

    objects = managers.ThrottleCounterManager()

    class Meta:
        """Names, indexes and constraints of the table."""

        base_manager_name = "objects"
        verbose_name = _("throttle counter")
        verbose_name_plural = _("throttle counters")
        indexes = [models.Index(fields=["window_start"], name="invitation_throttle_window")]
        constraints = [
            models.UniqueConstraint(fields=["scope"], name="invitation_throttle_scope"),
        ]

    def __str__(self) -> str:
        return f"{self.scope.hex()[:6]}… {self.count}"
