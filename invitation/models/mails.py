"""Remember the mails that have to leave the house."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from invitation import managers
from invitation.moments import has_passed


class InvitationEmail(models.Model):
    """Remember one mail that has to leave the house: the outbox.

    The row is written in the transaction that asks for the mail, so that neither can be lost
    without the other. It holds no key and no text: both are made at the moment of sending.
    """

    #: How often a mail is tried before it counts as failed.
    ATTEMPTS = 10
    #: How often a mail server may take an email without a word before it counts as sent.
    UNCONFIRMED_ATTEMPTS = 3

    class Kind(models.TextChoices):
        """Say what the mail is for."""

        INVITATION = "invitation", _("invitation")
        #: To the inviter: somebody's link is dead, and a new one is asked for.
        RENEWAL = "renewal", _("request for a new link")
        #: To the invited person: the invitation will expire soon.
        REMINDER = "reminder", _("reminder")
        #: To the inviter: somebody has accepted, or nobody has in time.
        ACCEPTED = "accepted", _("news of an acceptance")
        EXPIRED = "expired", _("news of an expiry")

    class State(models.TextChoices):
        """Say how far the mail has come."""

        QUEUED = "queued", _("queued")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        #: The recipient wants no invitations. His inviter is not told.
        SUPPRESSED = "suppressed", _("suppressed")
        CANCELLED = "cancelled", _("cancelled")

    class Failure(models.TextChoices):
        """Say in words for people why a mail has failed or was suppressed."""

        REFUSED = "refused", _("The recipient's mail server refuses it.")
        GIVEN_UP = "given_up", _("It could not be delivered, however often it was tried.")
        BOUNCED = "bounced", _("It came back: nobody reads mail at this address.")
        COMPLAINED = "complained", _("The recipient has marked it as spam.")
        OPTED_OUT = "opted_out", _("The recipient wants no invitations.")
        BLOCKED = "blocked", _("Nobody may invite this address.")
        POINTLESS = "pointless", _("The invitation had ended before its mail could leave.")
        BROKEN = "broken", _("The mail could not be written.")
        #: Of an email that counts as sent.
        UNCONFIRMED = "unconfirmed", _("It was probably sent: the mail server did not confirm it.")

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
    #: How many attempts handed over the whole email and got no answer: it may have been taken.
    unconfirmed = models.PositiveSmallIntegerField(_("unconfirmed"), default=0, db_default=0)
    tried_at = models.DateTimeField(_("last tried"), null=True, blank=True)
    #: Why it has come to an end unsent, or is sent perhaps; ``last_error`` has the details. Of one
    #: that waits: why it will not be sent, although its inviter sees it wait like the others.
    failure = models.CharField(
        _("reason"), max_length=12, choices=Failure.choices, blank=True, db_default=""
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)

    objects = managers.InvitationEmailManager()

    class Meta:
        """Name and guard the table."""

        verbose_name = _("invitation mail")
        verbose_name_plural = _("invitation mails")
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["state", "not_before"], name="invitation_mail_due"),
            models.Index(fields=["message_id"], name="invitation_mail_message_id"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk} ({self.get_state_display()})"

    @classmethod
    def state_for_inviter(cls, state: str | None) -> str:
        """Return the state that an inviter sees: "waiting", "sent", "failed", "cancelled", or "".

        Who wants no invitations, or has called one spam, is not told on: suppressed is sent.
        """
        if state in (cls.State.QUEUED, cls.State.SENDING):
            return "waiting"
        return cls.State.SENT.value if state == cls.State.SUPPRESSED else state or ""

    @classmethod
    def failure_for_inviter(cls, failure: str | None) -> str | Promise:
        """Return in words why a mail has failed, as far as its inviter may know it."""
        private = (cls.Failure.OPTED_OUT, cls.Failure.COMPLAINED)
        return "" if failure in private else dict(cls.Failure.choices).get(failure or "", "")


class DeliveryPause(models.Model):
    """Remember that the way out of the house is closed, for all who send, on all machines."""

    #: Of what: there is one outbox.
    queue = models.CharField(_("queue"), max_length=20, unique=True, default="mail")
    #: Nobody tries before this moment; in the past, it is open again.
    until = models.DateTimeField(_("paused until"))
    since = models.DateTimeField(_("paused since"))
    #: How often in a row it was found closed: the pause grows with it. 0 is open.
    failures = models.PositiveIntegerField(_("failures"), default=0)
    reason = models.TextField(_("reason"), blank=True)

    objects = managers.DeliveryPauseManager()

    class Meta:
        """Name the table."""

        verbose_name = _("delivery pause")
        verbose_name_plural = _("delivery pauses")

    def __str__(self) -> str:
        return self.queue

    def is_over(self, now: datetime) -> bool:
        """Tell whether somebody may try again by now."""
        return has_passed(self.until, now, now, DeliveryPause.objects.LONGEST)


class MailCounter(models.Model):
    """Count the mails of the last 24 hours of a sender, to a recipient, a domain, or of a site."""

    #: A keyed hash of what is counted, so that the table names nobody.
    scope = models.CharField(max_length=64, unique=True)
    #: How many in each hour, by the number of the hour since 1970.
    hours = models.JSONField(default=dict)
    updated_at = models.DateTimeField(db_index=True)

    objects = managers.MailCounterManager()

    class Meta:
        """Name the table."""

        verbose_name = _("mail counter")
        verbose_name_plural = _("mail counters")

    def __str__(self) -> str:
        return f"{self.scope[:6]}…"


class SuppressedAddress(models.Model):
    """Remember an address that gets no more invitations, as nothing but a keyed hash of it."""

    class Reason(models.TextChoices):
        """Say why."""

        OPTED_OUT = "opted_out", _("asked for it")
        COMPLAINED = "complained", _("marked an invitation as spam")
        BOUNCED = "bounced", _("takes no mail")
        ADMIN = "admin", _("set by an administrator")

    #: See ``optouts``.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    #: Which of the site's keys made the hash, so that it can be told when that one is gone.
    key_id = models.CharField(max_length=16, editable=False)
    reason = models.CharField(_("reason"), max_length=10, choices=Reason.choices)
    created_at = models.DateTimeField(_("since"), default=timezone.now)

    objects = managers.SuppressedAddressManager()

    class Meta:
        """Name and sort the table."""

        verbose_name = _("suppressed address")
        verbose_name_plural = _("suppressed addresses")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.digest[:6]}…"
