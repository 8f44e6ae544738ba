"""Models for invitations and their acceptances."""

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

from invitation import addresses, exceptions, keys
from invitation.conf import conf
from invitation.keys import codes
from invitation.models import managers, querysets
from invitation.models.columns import DigestField, SparseIndex, UniqueUnlessNull
from invitation.models.mails import InvitationEmail

#: Bytes of SHA-256 in a ``pending_slot``. Nobody finds an address of their own whose slot is that
#: of another invitation: that takes 2**120 tries for each. In PostgreSQL's indexes, one byte more
#: would cost eight.
SLOT_LENGTH = 15


class InvitationKey(models.Model):
    """One invitation, with its inviter, its invited person, its expiry and its status."""

    class Status(models.TextChoices):
        """Status of an invitation."""

        PENDING = "pending", _("pending")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")
        REVOKED = "revoked", _("revoked")
        EXPIRED = "expired", _("expired")

    locator = models.CharField(
        _("locator"), max_length=32, default=keys.new_locator, editable=False
    )
    from_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("inviter"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="invitations_sent",
    )
    #: Whether the site itself invites. A deleted inviter leaves this false and no ``from_user``.
    from_site = models.BooleanField(
        _("from the site"), default=False, db_default=False, editable=False
    )
    email = models.CharField(_("email address"), max_length=254, blank=True)
    email_key = models.CharField(max_length=254, blank=True, editable=False)
    recipient_name = models.CharField(_("name"), max_length=60, blank=True)
    note = models.TextField(_("personal note"), max_length=500, blank=True)
    language = models.CharField(_("language"), max_length=35, blank=True)
    date_invited = models.DateTimeField(_("created"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    #: Time of the last request for an email. The resend cool-down starts here.
    mail_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: Number of people who may use the invitation; empty for any number.
    max_uses = models.PositiveIntegerField(_("uses allowed"), default=1, null=True, blank=True)
    uses = models.PositiveIntegerField(_("uses"), default=0, editable=False)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING, editable=False
    )
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True, editable=False)
    #: Part of the inviter's quota that this invitation holds and may still give back.
    quota_held = models.PositiveIntegerField(default=0, editable=False)
    #: Whether it is a shared link for several people. Nobody is named, so it proves no address.
    shared = models.BooleanField(_("shared link"), default=False, db_default=False, editable=False)
    #: Owner's name for a shared link. For invitations from a list, it names the list
    #: (``flows.lists``) and is never shown.
    label = models.CharField(_("label"), max_length=100, blank=True, db_default="")
    #: Time at which its owner paused a shared link.
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True, editable=False)
    #: Domains whose addresses may sign up, in the form of ``addresses.canonical``.
    allowed_domains = models.JSONField(
        _("allowed domains"), default=list, db_default=[], blank=True
    )
    #: Keyed hash of the code of a shared link. People can say this code aloud.
    code_digest = DigestField(max_length=32, null=True)
    #: Custom code, chosen by the owner instead of the code. It is public.
    word = models.CharField(_("custom code"), max_length=64, null=True, blank=True)
    #: Groups that the accepting person joins.
    groups = models.ManyToManyField(
        "auth.Group", verbose_name=_("groups"), blank=True, related_name="+"
    )
    #: Path of the page on this site that the invited person sees first after activation.
    destination = models.CharField(_("first page"), max_length=200, blank=True, db_default="")
    #: Time at which a person with a link that no longer works last asked for a new one.
    renewal_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: Time at which the expiry reminder was queued. Each invitation has one reminder.
    reminded_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: Time at which the personal data was forgotten: address, name and note.
    forgotten_at = models.DateTimeField(_("forgotten"), null=True, blank=True, editable=False)
    #: Data of the site itself. This app never reads it.
    data = models.JSONField(_("data"), default=dict, blank=True)
    #: Not a foreign key, because the schema must not depend on contrib.sites.
    site_id = models.PositiveIntegerField(_("site"), default=0, editable=False)
    #: Key for one pending invitation per inviter and address, on every database. It is unique while
    #: the invitation is pending, and null afterwards. MariaDB ignores a conditional unique
    #: constraint.
    pending_slot = DigestField(max_length=SLOT_LENGTH, null=True)

    objects = managers.InvitationKeyManager.from_queryset(querysets.InvitationKeyQuerySet)()

    class Meta:
        """Names, order, permissions, indexes and constraints of the table."""

        base_manager_name = "objects"
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-pk"]
        permissions = [
            ("create_shared_link", _("Can create shared links")),
            ("unlimited_shared_link", _("Can create shared links for any number of people")),
            ("link_in_note", _("Can write links into personal notes")),
        ]
        indexes = [
            # Also for the beginning of an address. The class makes it so on PostgreSQL only.
            models.Index(
                fields=["email_key"], name="invitation_address", opclasses=["varchar_pattern_ops"]
            ),
            SparseIndex(
                fields=["expires_at"],
                where=Q(status="pending"),
                whole=["status", "expires_at"],
                name="invitation_expiring",
            ),
            # For cleanup, which never deletes accepted ones.
            SparseIndex(
                fields=["id"],
                where=Q(status="expired", quota_held__gt=0),
                whole=["status", "quota_held"],
                name="invitation_holding",
            ),
            SparseIndex(
                fields=["ended_at", "id"],
                where=Q(status__in=["declined", "revoked", "expired"]),
                whole=["status", "ended_at"],
                name="invitation_ended",
            ),
            SparseIndex(
                fields=["ended_at", "id"],
                where=Q(forgotten_at=None, ended_at__isnull=False),
                whole=["forgotten_at", "ended_at"],
                name="invitation_forgettable",
            ),
            # For lists: most invitations are personal.
            SparseIndex(
                fields=["id"], where=Q(shared=True), whole=["shared"], name="invitation_shared"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(uses__lte=F("max_uses")), name="invitation_uses_within_max"
            ),
            models.CheckConstraint(
                condition=Q(pending_slot=None) | Q(status="pending"),
                name="invitation_slot_only_pending",
            ),
            models.CheckConstraint(
                condition=Q(from_site=False) | Q(from_user=None), name="invitation_one_inviter"
            ),
            # Also for the beginning of a locator, which staff see.
            models.UniqueConstraint(
                fields=["locator"],
                name="invitation_locator_once",
                opclasses=["varchar_pattern_ops"],
            ),
            UniqueUnlessNull(fields=["pending_slot"], name="invitation_slot_once"),
            UniqueUnlessNull(fields=["code_digest"], name="invitation_code_once"),
            UniqueUnlessNull(fields=["site_id", "word"], name="invitation_word_once"),
        ]

    def __str__(self) -> str:
        name = gettext("(forgotten)") if self.forgotten_at else self.email or self.label or "-"
        return f"{name} ({self.key_hint})"

    def __repr__(self) -> str:
        return f"<InvitationKey {self.pk} {self.key_hint} {self.status}>"

    @property
    def key_hint(self) -> str:
        """Part of the key that people and logs may see."""
        return keys.mask(self.locator)

    @property
    def key(self) -> str:
        """Key that opens this invitation and proves no address, to show and to pass on."""
        return keys.make(self.locator, keys.COPY, self.site_id)

    @property
    def mail_key(self) -> str:
        """Key for the email to the invited person. Its holder can read that mailbox."""
        return keys.make(self.locator, keys.MAIL, self.site_id)

    @property
    def code(self) -> str:
        """Code of a shared link that can be said aloud. Show it only to the owner."""
        return codes.show(self.locator, self.site_id, self.code_digest)

    @property
    def domains(self) -> list[str]:
        """Domains whose addresses may sign up, in readable form."""
        return [addresses.display(f"a@{domain}")[2:] for domain in self.allowed_domains]

    def slot(self) -> bytes | None:
        """Return the ``pending_slot`` of this while pending; ``None`` without an address."""
        if not self.email_key:
            return None
        return make_slot(self.site_id, self.from_user_id, self.email_key)

    def key_expired(self) -> bool:
        """Return whether the expiry time has passed or the status is expired."""
        if self.status == self.Status.EXPIRED:
            return True
        return self.expires_at is not None and self.expires_at <= timezone.now()

    def is_usable(self) -> bool:
        """Return whether a visitor could sign up with it at this moment."""
        return self.refusal() is None

    @property
    def state(self) -> str:
        """Status, with "expired" also for an overdue invitation that cleanup has not marked."""
        overdue = self.status == self.Status.PENDING and self.key_expired()
        return self.Status.EXPIRED if overdue else self.status

    @property
    def over_since(self) -> datetime | None:
        """Time at which it ended or expired, whichever came first; ``None`` if neither."""
        if self.state != self.Status.EXPIRED or self.expires_at is None:
            return self.ended_at
        return min(self.expires_at, self.ended_at or self.expires_at)

    @property
    def mail_state(self) -> str:
        """State of the latest email, as the inviter may see it; empty if there is none.

        A suppressed email looks as if it was sent, because an unsubscription is private. Needs
        ``with_latest_mail()``.
        """
        row: Any = self
        return InvitationEmail.state_for_inviter(row.latest_mail_state)

    @property
    def mail_refusal(self) -> str:
        """Answer of the recipient's mail server that refused the latest email for good; else empty.

        The inviter must see no other error, because it may describe the site's own servers. Needs
        ``with_latest_mail()``.
        """
        row: Any = self
        refused = row.latest_mail_failure == InvitationEmail.Failure.REFUSED
        return row.latest_mail_error if refused and self.mail_state == "failed" else ""

    @property
    def mail_failure(self) -> str | Promise:
        """Reason in words why the latest email has failed; empty if it has not, or if unknown.

        Needs ``with_latest_mail()``.
        """
        row: Any = self
        failed = self.mail_state == InvitationEmail.State.FAILED
        return InvitationEmail.failure_for_inviter(row.latest_mail_failure) if failed else ""

    @property
    def mail_next_try(self) -> datetime | None:
        """Time of the next try of the latest email, if an earlier try had no success.

        Needs ``with_latest_mail()``.
        """
        row: Any = self
        tried = row.latest_mail_state == InvitationEmail.State.QUEUED and row.latest_mail_attempts
        moment: datetime | None = row.latest_mail_not_before
        return moment if tried and moment is not None and moment > timezone.now() else None

    #: Columns that ``refusal`` reads, besides the inviter.
    DECIDING = ("status", "expires_at", "max_uses", "uses", "paused_at", "shared")

    def refusal(self) -> exceptions.KeyRefused | None:
        """Return why nobody can sign up with it now, or ``None`` if a person can."""
        refusal = self._refusal()
        if refusal is not None and self.shared:
            refusal.shared = True
            if isinstance(refusal, exceptions.KeyUsedUp):
                refusal.message = refusal.shared_message
        if isinstance(refusal, exceptions.KeyExpired):
            refusal.expired_at = self.expires_at
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
        """Return whether the inviter's account is active, or need not be."""
        if not conf.INVITATION_REQUIRE_ACTIVE_INVITER:
            return True
        inviter: Any = self.from_user
        return inviter is None or inviter.is_active

    def given_back(self) -> managers.Held:
        """Return the quota that this gives back if it ends now. It must have an inviter."""
        return managers.Held.by(self)

    def send_to(self, email: str) -> None:
        """Set the address of this invitation and email it, as in 1.0.

        Raises what ``inviting.send_to`` raises.
        """
        from invitation.flows import inviting  # 1.0's name for a flow

        inviting.send_to(self, email)


def make_slot(site_id: int, inviter_id: Any, email_key: str) -> bytes:
    """Return the unique key of a pending invitation, as the beginning of a digest."""
    return hashlib.sha256(f"{site_id}:{inviter_id}:{email_key}".encode()).digest()[:SLOT_LENGTH]


class Acceptance(models.Model):
    """Acceptance of one invitation by one account."""

    invitation = models.ForeignKey(
        InvitationKey,
        verbose_name=_("invitation"),
        on_delete=models.CASCADE,
        db_index=False,  # the constraint below begins with it
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
    #: Whether the account was created with the invitation. If not, it existed before.
    new_account = models.BooleanField(_("new account"), default=True, db_default=True)
    #: Whether the account used the link emailed to its address, so its owner signed up.
    by_mail = models.BooleanField(default=False, db_default=False, editable=False)

    objects = managers.AcceptanceManager()

    class Meta:
        """Names, order and constraints of the table."""

        base_manager_name = "objects"
        verbose_name = _("acceptance")
        verbose_name_plural = _("acceptances")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["invitation", "user"], name="invitation_accepted_once_per_user"
            )
        ]

    def __str__(self) -> str:
        # The names of the account and the invitation would cost a query for each row of a list.
        moment = self.claimed_at
        if timezone.is_aware(moment):
            moment = timezone.localtime(moment)
        return f"{formats.date_format(moment, 'DATETIME_FORMAT')} (#{self.pk})"
