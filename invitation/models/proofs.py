"""Record which address each account has proven."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invitation import managers


class ProvenAddress(models.Model):
    """Proof that the holder of an account can read an address, kept as a keyed hash of it.

    Written at the moment of the proof and by nothing else. It does not depend on the invitation
    or the email that proved it, which may be forgotten or deleted.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("account"),
        on_delete=models.CASCADE,
        related_name="+",
    )
    #: See ``optouts``.
    digest = models.CharField(max_length=64, db_index=True, editable=False)
    #: Which of the site's keys made the hash.
    key_id = models.CharField(max_length=16, editable=False)
    proven_at = models.DateTimeField(_("proven"), default=timezone.now)

    objects = managers.ProvenAddressManager()

    class Meta:
        """Name and guard the table."""

        verbose_name = _("proven address")
        verbose_name_plural = _("proven addresses")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["user", "digest"], name="invitation_proven_once")
        ]

    def __str__(self) -> str:
        return f"{self.digest[:6]}…"
