"""Models for outgoing emails, their limits, and addresses that get no email."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from invitation.keys import message_ids
from invitation.models import managers
from invitation.models.columns import DigestField, SparseIndex
from invitation.models.moments import has_passed


class InvitationEmail(models.Model):
    """One email to send. All rows together are the outbox.

    The row is written in the transaction that asks for the email, so both succeed or neither does.
    It contains no key and no text. Both are made when the email is sent.
    """

    #: Number of tries before an email counts as failed.
    ATTEMPTS = 10
    #: Number of tries without an answer from the mail server before an email counts as sent.
    UNCONFIRMED_ATTEMPTS = 3

    class Kind(models.TextChoices):
        """Purpose of the email."""

        INVITATION = "invitation", _("invitation")
        #: To the inviter: a person with a link that no longer works asks for a new one.
        RENEWAL = "renewal", _("request for a new invitation")
        #: To the invited person: the invitation will expire soon.
        REMINDER = "reminder", _("reminder")
        #: To the inviter: a person has accepted or declined the invitation, or it has expired.
        ACCEPTED = "accepted", _("news: accepted")
        DECLINED = "declined", _("news: declined")
        EXPIRED = "expired", _("news: expired")

    class State(models.TextChoices):
        """Delivery state of the email."""

        QUEUED = "queued", _("queued")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        #: The recipient wants no invitations. The inviter is not told.
        SUPPRESSED = "suppressed", _("unsubscribed")
        CANCELLED = "cancelled", _("cancelled")

    class Failure(models.TextChoices):
        """Reason, in readable words, why an email has failed or was suppressed."""

        REFUSED = "refused", _("The recipient's email server refused it.")
        GIVEN_UP = "given_up", _("It could not be delivered after several tries.")
        BOUNCED = "bounced", _("It bounced: nobody reads email at this address.")
        COMPLAINED = "complained", _("The recipient reported it as spam.")
        UNSUBSCRIBED = "unsubscribed", _("The recipient unsubscribed.")
        BLOCKED = "blocked", _("Nobody may invite this address.")
        POINTLESS = "pointless", _("The invitation ended before its email was sent.")
        BROKEN = "broken", _("The email could not be created.")
        #: Only for an email that counts as sent.
        UNCONFIRMED = "unconfirmed", _("Probably sent: the email server did not confirm it.")

    invitation = models.ForeignKey(
        "invitation.InvitationKey",
        verbose_name=_("invitation"),
        on_delete=models.CASCADE,
        related_name="mails",
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices, default=Kind.INVITATION)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    not_before = models.DateTimeField(_("not before"), default=timezone.now)
    lease_until = models.DateTimeField(_("held until"), null=True, blank=True)
    #: Message-ID that a site or its email provider chose; null for the one of ``keys.message_ids``.
    message_id = models.CharField(_("Message-ID"), max_length=255, null=True, blank=True)
    last_error = models.TextField(_("last error"), blank=True)
    #: Tries that handed over the whole email and got no answer. The server may have taken it.
    unconfirmed = models.PositiveSmallIntegerField(_("unconfirmed"), default=0, db_default=0)
    #: Whether its latest failure says nothing of other emails: it is about its recipient.
    of_recipient = models.BooleanField(default=False, db_default=False, editable=False)
    tried_at = models.DateTimeField(_("last tried"), null=True, blank=True)
    #: Reason why it ended unsent or is only probably sent; ``last_error`` has the details. A
    #: waiting email may have a reason why it will not be sent. Its inviter still sees it wait like
    #: the others.
    failure = models.CharField(
        _("reason"), max_length=12, choices=Failure.choices, blank=True, db_default=""
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)

    #: Whether a sender may have died because of it. Only a leased row knows it.
    is_suspect = False

    objects = managers.InvitationEmailManager()

    class Meta:
        """Names, order and indexes of the table."""

        base_manager_name = "objects"
        verbose_name = _("invitation email")
        verbose_name_plural = _("invitation emails")
        ordering = ["-pk"]
        indexes = [
            SparseIndex(
                fields=["state", "not_before", "id"],
                where=Q(state__in=["queued", "sending"]),
                whole=["state", "not_before"],
                name="invitation_mail_due",
            ),
            SparseIndex(
                fields=["message_id"],
                where=Q(message_id__isnull=False),
                whole=["message_id"],
                name="invitation_mail_message_id",
            ),
            # For lists and for monitoring: most emails are sent, and the server has said so.
            SparseIndex(
                fields=["state", "id"],
                where=Q(state__in=["failed", "suppressed", "cancelled"])
                | Q(state="sent", failure="unconfirmed"),
                whole=["state"],
                name="invitation_mail_unsent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk} ({self.get_state_display()})"

    @property
    def header_id(self) -> str:
        """Message-ID, the same in all attempts; empty for an unsaved row or a forgotten person."""
        about = self.invitation
        if self.message_id or self._state.adding or about.forgotten_at is not None:
            return self.message_id or ""
        return message_ids.make(self.pk, about.locator, about.site_id)

    def is_held_as(self, held: InvitationEmail) -> bool:
        """Return whether this row still has the lease that a sender got as ``held``."""
        return self.state == self.State.SENDING and self.lease_until == held.lease_until

    def take_turn(self, now: datetime) -> None:
        """Count the attempt that begins now. Its result records the number."""
        self.attempts, self.tried_at = self.attempts + 1, now

    @classmethod
    def state_for_inviter(cls, state: str | None) -> str:
        """Return the state that an inviter sees: "waiting", "sent", "failed", "cancelled", or "".

        A suppressed email is shown as sent. So the inviter does not learn who unsubscribed or
        reported spam.
        """
        if state in (cls.State.QUEUED, cls.State.SENDING):
            return "waiting"
        return cls.State.SENT.value if state == cls.State.SUPPRESSED else state or ""

    @classmethod
    def failure_for_inviter(cls, failure: str | None) -> str | Promise:
        """Return the reason in words why an email has failed, if its inviter may know it."""
        private = (cls.Failure.UNSUBSCRIBED, cls.Failure.COMPLAINED)
        return "" if failure in private else dict(cls.Failure.choices).get(failure or "", "")


class DeliveryPause(models.Model):
    """Pause of all email delivery, for all senders on all machines."""

    #: Name of the paused queue. There is only one outbox.
    queue = models.CharField(_("queue"), max_length=20, default="mail")
    #: Time before which nobody sends. The pause is over when it has passed.
    until = models.DateTimeField(_("paused until"))
    since = models.DateTimeField(_("paused since"))
    #: Number of failed tries in a row; 0 if delivery works. The pause grows with it.
    failures = models.PositiveIntegerField(_("failures"), default=0)
    reason = models.TextField(_("reason"), blank=True)

    objects = managers.DeliveryPauseManager()

    class Meta:
        """Names and constraints of the table."""

        base_manager_name = "objects"
        verbose_name = _("delivery pause")
        verbose_name_plural = _("delivery pauses")
        constraints = [
            models.UniqueConstraint(fields=["queue"], name="invitation_pause_of_queue"),
        ]

    def __str__(self) -> str:
        return self.queue

    def is_over(self, now: datetime) -> bool:
        """Return whether a sender may try again at ``now``."""
        return has_passed(self.until, now, now, DeliveryPause.objects.LONGEST)


class MailCounter(models.Model):
    """Number of emails in the last 24 hours, for an inviter, a recipient, a domain or a site."""

    #: Keyed hash of what is counted, so that the table names nobody.
    scope = DigestField(max_length=32)
    #: Number of emails in each hour, by the number of the hour since 1970.
    hours = models.JSONField(default=dict)
    updated_at = models.DateTimeField(db_index=True)

    objects = managers.MailCounterManager()

    class Meta:
        """Names and constraints of the table."""

        base_manager_name = "objects"
        verbose_name = _("email counter")
        verbose_name_plural = _("email counters")
        constraints = [
            models.UniqueConstraint(fields=["scope"], name="invitation_mailcounter_scope"),
        ]

    def __str__(self) -> str:
        return f"{self.scope.hex()[:6]}…"


class SuppressedAddress(models.Model):
    """Address that gets no more invitations, stored only as a keyed hash."""

    class Reason(models.TextChoices):
        """Reason why the address gets no more invitations."""

        UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
        COMPLAINED = "complained", _("reported an invitation as spam")
        BOUNCED = "bounced", _("bounced")
        ADMIN = "admin", _("added by staff")

    #: Keyed hash of the address (see ``unsubscribe``).
    digest = DigestField(max_length=32)
    #: Id of the site key that made the hash. It shows whether that key has been removed.
    key_id = models.CharField(max_length=16, editable=False)
    reason = models.CharField(_("reason"), max_length=12, choices=Reason.choices)
    created_at = models.DateTimeField(_("since"), default=timezone.now)

    objects = managers.SuppressedAddressManager()

    class Meta:
        """Names, order and constraints of the table."""

        base_manager_name = "objects"
        verbose_name = _("unsubscribed address")
        verbose_name_plural = _("unsubscribed addresses")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="invitation_suppressed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.digest.hex()[:6]}…"
