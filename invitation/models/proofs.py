"""Model for the addresses that accounts have proven."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invitation.models import managers
from invitation.models.columns import DigestField


class ProvenAddress(models.Model):
    """Proof that the holder of an account can read an address, stored as a keyed hash.

    It is written only at the moment of the proof. It does not depend on the invitation or the email
    that proved the address. Both may be forgotten or deleted.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("account"),
        on_delete=models.CASCADE,
        db_index=False,  # the constraint below begins with it
        related_name="+",
    )
    #: Keyed hash of the address (see ``unsubscribe``).
    digest = DigestField(max_length=32)
    #: Id of the site key that made the hash.
    key_id = models.CharField(max_length=16, editable=False)
    proven_at = models.DateTimeField(_("proven"), default=timezone.now)

    objects = managers.ProvenAddressManager()

    class Meta:
        """Names, order, indexes and constraints of the table."""

        base_manager_name = "objects"
        verbose_name = _("proven address")
        verbose_name_plural = _("proven addresses")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["digest"], name="invitation_proven_digest")]
        constraints = [
            models.UniqueConstraint(fields=["user", "digest"], name="invitation_proven_once")
        ]

    def __str__(self) -> str:
        return f"{self.digest.hex()[:6]}…"
