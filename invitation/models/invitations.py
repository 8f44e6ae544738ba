"""Remember invitations, and who came through which."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invitation import addresses, codes, exceptions, keys, managers, querysets
from invitation.conf import conf
from invitation.models.mails import InvitationEmail


class InvitationKey(models.Model):
    """Remember one invitation: from whom, to whom, until when, and what became of it."""

    class Status(models.TextChoices):
        """Say how far an invitation has come."""

        PENDING = "pending", _("pending")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")
        REVOKED = "revoked", _("revoked")
        EXPIRED = "expired", _("expired")

    locator = models.CharField(
        _("locator"), max_length=32, unique=True, default=keys.new_locator, editable=False
    )
    from_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("inviter"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="invitations_sent",
    )
    email = models.CharField(_("e-mail address"), max_length=254, blank=True)
    email_key = models.CharField(max_length=254, blank=True, db_index=True, editable=False)
    recipient_name = models.CharField(_("recipient's name"), max_length=60, blank=True)
    note = models.TextField(_("personal note"), max_length=500, blank=True)
    language = models.CharField(_("language"), max_length=35, blank=True)
    date_invited = models.DateTimeField(_("invited"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    #: When a mail was last asked for; the resend cool-down counts from here.
    mail_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: Empty is unlimited.
    max_uses = models.PositiveIntegerField(_("uses allowed"), default=1, null=True, blank=True)
    uses = models.PositiveIntegerField(_("uses"), default=0, editable=False)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING, editable=False
    )
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True, editable=False)
    #: How much of the inviter's quota this invitation holds and may still give back.
    quota_held = models.PositiveIntegerField(default=0, editable=False)
    #: A link for several people, whom nobody has named: it proves no address.
    shared = models.BooleanField(_("shared link"), default=False, db_default=False, editable=False)
    #: What the owner of a shared link calls it. With those of a list: which list it was
    #: (``flows.bulk``), shown nowhere.
    label = models.CharField(_("label"), max_length=100, blank=True, db_default="")
    #: Since when a shared link is held back by its owner.
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True, editable=False)
    #: The domains of the addresses that may register, in the form of ``addresses.canonical``.
    allowed_domains = models.JSONField(
        _("allowed domains"), default=list, db_default=[], blank=True
    )
    #: A keyed hash of the code that can be said aloud.
    code_digest = models.CharField(max_length=64, null=True, unique=True, editable=False)
    #: A word of the owner's choice in place of the code; public by definition.
    word = models.CharField(_("own word"), max_length=64, null=True, blank=True)
    #: What whoever accepts joins.
    groups = models.ManyToManyField(
        "auth.Group", verbose_name=_("groups"), blank=True, related_name="+"
    )
    #: Where on this site the newcomer lands after activation: a path.
    destination = models.CharField(_("landing page"), max_length=200, blank=True, db_default="")
    #: When somebody whose link was dead last asked the inviter for a new one.
    renewal_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: When the reminder that it will expire was queued: there is one for each invitation.
    reminded_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: Since when it names nobody any more: address, name and note are gone.
    forgotten_at = models.DateTimeField(_("forgotten"), null=True, blank=True, editable=False)
    #: For the site's own use; never read here.
    data = models.JSONField(_("data"), default=dict, blank=True)
    #: No foreign key: the schema must not depend on whether contrib.sites is installed.
    site_id = models.PositiveIntegerField(_("site"), default=0, editable=False)
    #: One open invitation per inviter and address, on every database: unique while it is
    #: pending, null afterwards. A conditional unique constraint is ignored by MariaDB.
    pending_slot = models.CharField(max_length=64, null=True, unique=True, editable=False)

    objects = managers.InvitationKeyManager.from_queryset(querysets.InvitationKeyQuerySet)()

    class Meta:
        """Name and guard the table."""

        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-date_invited", "-pk"]
        permissions = [
            ("create_shared_link", _("Can make shared links")),
            ("unlimited_shared_link", _("Can make shared links for any number of people")),
            ("link_in_note", _("Can write links into personal notes")),
        ]
        indexes = [
            models.Index(fields=["status", "expires_at"], name="invitation_status_expires"),
            models.Index(fields=["status", "ended_at"], name="invitation_status_ended"),
            models.Index(fields=["from_user", "-date_invited"], name="invitation_inviter_date"),
            models.Index(fields=["-date_invited"], name="invitation_date"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(uses__lte=F("max_uses")), name="invitation_uses_within_max"
            ),
            models.CheckConstraint(
                condition=Q(pending_slot=None) | Q(status="pending"),
                name="invitation_slot_only_pending",
            ),
            # Without a word it is null, which is unique on every database.
            models.UniqueConstraint(fields=["site_id", "word"], name="invitation_word_once"),
        ]

    def __str__(self) -> str:
        name = gettext("(forgotten)") if self.forgotten_at else self.email or self.label or "-"
        return f"{name} ({self.key_hint})"

    def __repr__(self) -> str:
        return f"<InvitationKey {self.pk} {self.key_hint} {self.status}>"

    @property
    def key_hint(self) -> str:
        """Give what people and logs may see of the key."""
        return keys.mask(self.locator)

    @property
    def key(self) -> str:
        """Give a key that opens this invitation and proves nothing: to show and pass on."""
        return keys.make(self.locator, keys.COPY, self.site_id)

    @property
    def mail_key(self) -> str:
        """Give the key for the mail to the recipient; whoever shows it can read that mailbox."""
        return keys.make(self.locator, keys.MAIL, self.site_id)

    @property
    def code(self) -> str:
        """Give the code of a shared link that can be said aloud, to show to its owner alone."""
        return codes.show(self.locator, self.site_id, self.code_digest)

    @property
    def domains(self) -> list[str]:
        """Give the domains whose addresses may register, for people to read."""
        return [addresses.display(f"a@{domain}")[2:] for domain in self.allowed_domains]

    def slot(self) -> str | None:
        """Return what ``pending_slot`` holds while this is open, or ``None`` without address."""
        if not self.email_key:
            return None
        return make_slot(self.site_id, self.from_user_id, self.email_key)

    def key_expired(self) -> bool:
        """Tell whether its time has run out, or it was marked as expired."""
        if self.status == self.Status.EXPIRED:
            return True
        return self.expires_at is not None and self.expires_at <= timezone.now()

    def is_usable(self) -> bool:
        """Tell whether a visitor could register with it at this moment."""
        return self.refusal() is None

    @property
    def state(self) -> str:
        """Give its status, and "expired" also where cleanup has not marked it yet."""
        overdue = self.status == self.Status.PENDING and self.key_expired()
        return self.Status.EXPIRED if overdue else self.status

    @property
    def over_since(self) -> datetime | None:
        """Give when it ended or ran out, whichever was first."""
        if self.state != self.Status.EXPIRED or self.expires_at is None:
            return self.ended_at
        return min(self.expires_at, self.ended_at or self.expires_at)

    @property
    def mail_state(self) -> str:
        """Give what the inviter may know of the latest mail; empty if there is none.

        One that was suppressed looks as if it was sent: that somebody wants no invitations is his
        own business. Needs ``with_latest_mail()``.
        """
        row: Any = self
        return InvitationEmail.state_for_inviter(row.latest_mail_state)

    @property
    def mail_refusal(self) -> str:
        """Give the words with which the recipient's server refused the latest mail for good.

        Nothing else of what went wrong is for the inviter: it may tell of the site's own servers.
        Needs ``with_latest_mail()``.
        """
        row: Any = self
        refused = row.latest_mail_failure == InvitationEmail.Failure.REFUSED
        return row.latest_mail_error if refused and self.mail_state == "failed" else ""

    @property
    def mail_failure(self) -> str | Promise:
        """Give in words why the latest mail has failed; empty if it has not, or nobody knows.

        Needs ``with_latest_mail()``.
        """
        row: Any = self
        failed = self.mail_state == InvitationEmail.State.FAILED
        return InvitationEmail.failure_for_inviter(row.latest_mail_failure) if failed else ""

    @property
    def mail_next_try(self) -> datetime | None:
        """Give when the latest mail is tried again, if it did not go before.

        Needs ``with_latest_mail()``.
        """
        row: Any = self
        tried = row.latest_mail_state == InvitationEmail.State.QUEUED and row.latest_mail_attempts
        moment: datetime | None = row.latest_mail_not_before
        return moment if tried and moment is not None and moment > timezone.now() else None

    def refusal(self) -> exceptions.KeyRefused | None:
        """Return why nobody can register with it now, or ``None`` if somebody can."""
        refusal = self._refusal()
        if refusal is not None and self.shared:
            refusal.shared = True
            if isinstance(refusal, exceptions.KeyUsedUp):
                refusal.message = refusal.shared_message
        return refusal

    def _refusal(self) -> exceptions.KeyRefused | None:
        ended: dict[str, type[exceptions.KeyRefused]] = {
            self.Status.REVOKED: exceptions.KeyRevoked,
            self.Status.DECLINED: exceptions.KeyDeclined,
            self.Status.ACCEPTED: exceptions.KeyUsedUp,
            self.Status.EXPIRED: exceptions.KeyExpired,
        }
        if self.status in ended:
            return ended[self.status]()
        if self.key_expired():
            return exceptions.KeyExpired()
        if self.max_uses is not None and self.uses >= self.max_uses:
            return exceptions.KeyUsedUp()
        if self.paused_at is not None:
            return exceptions.KeyPaused()
        return None if self._inviter_there() else exceptions.InviterInactive()

    def _inviter_there(self) -> bool:
        """Tell whether the inviter's account is active, or does not matter."""
        if not conf.INVITATION_REQUIRE_ACTIVE_INVITER:
            return True
        inviter: Any = self.from_user
        return inviter is None or inviter.is_active

    def given_back(self) -> managers.Held:
        """Return what this gives back if it ends now; its inviter must be there."""
        amount = self.quota_held if self.uses == 0 else 0
        if self.shared and self.max_uses is not None:
            amount = min(self.quota_held, self.max_uses - self.uses)
        inviter: Any = self.from_user_id
        return managers.Held(self.pk, inviter, amount, self.date_invited)

    def send_to(self, email: str) -> None:
        """Address this invitation and mail it there, as in 1.0.

        Raises what ``flows.invite`` raises for an address that cannot be invited.
        """
        from invitation import flows  # 1.0's name for a verb; see docs/architecture.rst

        flows.send_to(self, email)


def make_slot(site_id: int, inviter_id: Any, email_key: str) -> str:
    """Return the unique text of one open invitation: a digest, as an index has a limit."""
    return hashlib.sha256(f"{site_id}:{inviter_id}:{email_key}".encode()).hexdigest()


class Acceptance(models.Model):
    """Remember who came through which invitation."""

    invitation = models.ForeignKey(
        InvitationKey,
        verbose_name=_("invitation"),
        on_delete=models.CASCADE,
        related_name="acceptances",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("account"),
        on_delete=models.SET_NULL,
        null=True,
        related_name="invitations_accepted",
    )
    claimed_at = models.DateTimeField(_("registered"), default=timezone.now)
    activated_at = models.DateTimeField(_("activated"), null=True, blank=True)
    #: Whether the account was made with the invitation, or was there before.
    new_account = models.BooleanField(_("new account"), default=True, db_default=True)
    #: Whether it took the link that was mailed to the account's address: its owner's own doing.
    by_mail = models.BooleanField(default=False, db_default=False, editable=False)

    objects = managers.AcceptanceManager()

    class Meta:
        """Name and guard the table."""

        verbose_name = _("acceptance")
        verbose_name_plural = _("acceptances")
        ordering = ["-claimed_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["invitation", "user"], name="invitation_accepted_once_per_user"
            )
        ]

    def __str__(self) -> str:
        # Who it was, and through which invitation, would be a query for each row of a list.
        moment = self.claimed_at
        if timezone.is_aware(moment):
            moment = timezone.localtime(moment)
        return f"{formats.date_format(moment, 'DATETIME_FORMAT')} (#{self.pk})"
