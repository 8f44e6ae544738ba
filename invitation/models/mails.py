"""Remember the mails that have to leave the house."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from invitation import managers


class InvitationEmail(models.Model):
    """Remember one mail that has to leave the house: the outbox.

    The row is written in the transaction that asks for the mail, so that neither can be lost
    without the other. It holds no key and no text: both are made at the moment of sending.
    """

    #: How often a mail is tried before it counts as failed.
    ATTEMPTS = 10

    class Kind(models.TextChoices):
        """Say what the mail is for."""

        INVITATION = "invitation", _("invitation")
        #: To the inviter: somebody's link is dead, and a new one is asked for.
        RENEWAL = "renewal", _("request for a new link")

    class State(models.TextChoices):
        """Say how far the mail has come."""

        QUEUED = "queued", _("queued")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        SUPPRESSED = "suppressed", _("suppressed")

    invitation = models.ForeignKey(
        "invitation.InvitationKey",
        verbose_name=_("invitation"),
        on_delete=models.CASCADE,
        related_name="mails",
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices, default=Kind.INVITATION)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    not_before = models.DateTimeField(_("not before"), default=timezone.now)
    lease_until = models.DateTimeField(_("held until"), null=True, blank=True)
    message_id = models.CharField(_("Message-ID"), max_length=255, blank=True)
    last_error = models.TextField(_("last error"), blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)

    objects = managers.InvitationEmailManager()

    class Meta:
        """Name and guard the table."""

        verbose_name = _("invitation mail")
        verbose_name_plural = _("invitation mails")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state", "not_before"], name="invitation_mail_due")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk} ({self.get_state_display()})"
