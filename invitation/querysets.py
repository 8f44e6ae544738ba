"""Ask for rows by adjective, and lock and compare them in ways that do not deadlock."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connections, models
from django.db.models import Exists, F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact
from django.utils import timezone

from invitation import addresses
from invitation.conf import conf
from invitation.exceptions import AddressRefused
from invitation.moments import latest, passed, since

if TYPE_CHECKING:
    from invitation.models import InvitationEmail, InvitationKey  # noqa: F401 (named in a text)


#: How long an ended invitation is kept for its inviter after somebody has asked for a new link.
RENEWAL_KEPT = timedelta(days=7)


def holds(column: str, text: str) -> Exact[Any]:
    """Compare a column in a way that no index serves: for writes to a row named by its key.

    MariaDB may look such a row up in any index whose column is compared as well, and then locks
    the index's entry before the row. Who changes that column locks the row first and the entry
    after it, so that the two would deadlock. So all of them find the row by its primary key.
    """
    return Exact(Coalesce(F(column), Value("")), Value(text))


def lock_in_order(rows: models.QuerySet[Any], column: str) -> None:
    """Lock rows until the end of the transaction, in the order of their keys.

    Two that lock many of the same rows, each in an order of his own, would deadlock. SQLite has
    one lock for all, got by writing and not by reading: there some column is set to itself.
    """
    in_order = rows.order_by("pk").select_for_update().values_list("pk", flat=True)
    can_lock = connections[rows.db].features.has_select_for_update
    list(in_order) if can_lock else rows.update(**{column: F(column)})


#: The condition that somebody could still come through; empty is unlimited.
UNUSED = Q(max_uses=None) | Q(uses__lt=F("max_uses"))


class InvitationKeyQuerySet(models.QuerySet["InvitationKey"]):
    """Ask for invitations by adjective."""

    def pending(self) -> InvitationKeyQuerySet:
        """Keep those that have not ended; their time may have run out (see ``overdue``)."""
        return self.filter(status=self.model.Status.PENDING)

    def ended(self) -> InvitationKeyQuerySet:
        """Keep those that were accepted, declined, revoked or marked as expired."""
        return self.exclude(status=self.model.Status.PENDING)

    def usable(self, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Keep those that a visitor can register with at this moment."""
        return self.unended(now).filter(inviter_there(self.model), paused_at=None)

    def unended(self, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Keep those that are open, whether or not their inviter's account is active."""
        return self.pending().filter(in_time(now or timezone.now()), UNUSED)

    def shared_links(self) -> InvitationKeyQuerySet:
        """Keep the links that are for several people."""
        return self.filter(shared=True)

    def personal(self) -> InvitationKeyQuerySet:
        """Keep the invitations that are for one person."""
        return self.filter(shared=False)

    def overdue(self, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Keep the pending ones whose time has run out and that cleanup has not marked yet."""
        return self.pending().filter(expires_at__lte=now or timezone.now())

    def expired(self, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Keep those whose time ran out before they were used, marked already or not."""
        overdue = Q(status=self.model.Status.PENDING, expires_at__lte=now or timezone.now())
        return self.filter(overdue | Q(status=self.model.Status.EXPIRED))

    def disposable(
        self, before: datetime, now: datetime | None = None, *, settled: bool = True
    ) -> InvitationKeyQuerySet:
        """Keep those that ended unused before a time and have nothing left to give back.

        Not those for which somebody has asked for a new link of late. ``settled=False`` also keeps
        expired ones that still hold quota, before its refund.
        """
        status = self.model.Status
        now = now or timezone.now()
        rows = self.ended().exclude(status=status.ACCEPTED).filter(ended_by(before, now), uses=0)
        rows = rows.filter(not_asked_for(now))
        return rows.exclude(status=status.EXPIRED, quota_held__gt=0) if settled else rows

    def forgettable(self, before: datetime, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Keep those that ended by then, whatever became of them, and still say whom they were for.

        Not those for which somebody has asked for a new link of late, and no shared links, which
        are for nobody in particular.
        """
        status = self.model.Status
        ended = (status.ACCEPTED, status.DECLINED, status.REVOKED, status.EXPIRED)
        now = now or timezone.now()
        rows = self.personal().filter(ended_by(before, now), status__in=ended, forgotten_at=None)
        return rows.filter(not_asked_for(now))

    def sent_by(self, user: Any) -> InvitationKeyQuerySet:
        """Keep those that this member made."""
        return self.filter(from_user=user)

    def with_latest_mail(self) -> InvitationKeyQuerySet:
        """Add what is told of the latest mail: ``latest_mail_state`` and the other columns below.

        They are about the mails to the invited person, not about those to the inviter.
        """
        mails: Any = self.model._meta.get_field("mails").related_model
        latest = mails.objects.of_invitations().filter(invitation=OuterRef("pk")).order_by("-pk")
        return self.annotate(
            latest_mail_state=Subquery(latest.values("state")[:1]),
            latest_mail_failure=Subquery(latest.values("failure")[:1]),
            latest_mail_error=Subquery(latest.values("last_error")[:1]),
            latest_mail_attempts=Subquery(latest.values("attempts")[:1]),
            latest_mail_not_before=Subquery(latest.values("not_before")[:1]),
        )

    def to_remind(self, now: datetime, ahead: timedelta, rested: datetime) -> InvitationKeyQuerySet:
        """Keep those that somebody was mailed and has not used, and that end soon.

        Nobody is reminded twice, nor while another mail to him waits or has just left: that is
        since ``rested``.
        """
        mails: Any = self.model._meta.get_field("mails").related_model
        kinds, states = mails.Kind, mails.State
        own = mails.objects.filter(invitation=OuterRef("pk"))
        own = own.filter(kind__in=(kinds.INVITATION, kinds.REMINDER))
        fresh = Q(state__in=(states.QUEUED, states.SENDING)) | since("sent_at", rested, now)
        rows = self.usable(now).personal().exclude(email="").filter(expires_at__lte=now + ahead)
        rows = rows.filter(passed("mail_requested_at", rested, now), reminded_at=None)
        # Also who wants none, and gets none: else the cool-down would tell the inviter.
        left = own.filter(state__in=(states.SENT, states.SUPPRESSED))
        return rows.filter(Exists(left), ~Exists(own.filter(fresh)))

    def told_by(self, mail: InvitationEmail) -> InvitationKeyQuerySet:
        """Keep those of which a mail about expired invitations tells their inviter.

        It tells of what was marked when it was asked for, and of what was until it leaves.
        """
        rows = self.newsworthy().sent_by(mail.invitation.from_user)
        return rows.on_site(mail.invitation.site_id).filter(ended_at__gte=mail.created_at)

    def newsworthy(self) -> InvitationKeyQuerySet:
        """Keep expired ones for one person each, of which an inviter may want to hear.

        Not those for which somebody has asked for a new link: of that he has heard.
        """
        rows = self.personal().exclude(email="").filter(from_user__isnull=False)
        return rows.filter(status=self.model.Status.EXPIRED, renewal_requested_at=None)

    def in_state(self, state: str, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Keep those that have this ``state``, whether or not cleanup has marked them yet."""
        if state == self.model.Status.EXPIRED:
            return self.expired(now)
        if state == self.model.Status.PENDING:
            return self.unended(now)
        return self.filter(status=state)

    def matching(self, text: str) -> InvitationKeyQuerySet:
        """Keep those whose address or recipient's name holds this text, in letters of any case.

        An address is found in the form in which people read it, too.
        """
        found = Q(email__icontains=text) | Q(recipient_name__icontains=text)
        with suppress(AddressRefused):
            found |= Q(email_key=addresses.canonical(text))
        return self.filter(found)

    def addressed_to(self, email_keys: Collection[str]) -> InvitationKeyQuerySet:
        """Keep those to these addresses, in the form of ``addresses.canonical``."""
        return self.filter(email_key__in=[key for key in email_keys if key])

    def noting_groups(self) -> InvitationKeyQuerySet:
        """Add ``carries_groups``: whether there are groups to join, without another query."""
        through: Any = self.model._meta.get_field("groups").remote_field.through
        carried = through.objects.filter(invitationkey_id=OuterRef("pk"))
        return self.annotate(carries_groups=Exists(carried))

    def on_site(self, site_id: int) -> InvitationKeyQuerySet:
        """Keep those of this site."""
        return self.filter(site_id=site_id)


def inviter_there(model: type[models.Model]) -> Q:
    """Return the condition that no inactive inviter keeps an invitation from working."""
    inviter: Any = model._meta.get_field("from_user").related_model
    names = {field.name for field in inviter._meta.get_fields()}
    if not conf.INVITATION_REQUIRE_ACTIVE_INVITER or "is_active" not in names:
        return Q()
    # A subquery and not a join: the condition goes into writes as well.
    active = inviter._base_manager.filter(pk=OuterRef("from_user_id"), is_active=True)
    return Q(from_user=None) | Q(Exists(active))


def in_time(now: datetime) -> Q:
    """Return the condition that an invitation has not run out."""
    return Q(expires_at=None) | Q(expires_at__gt=now)


def not_asked_for(now: datetime) -> Q:
    """Return the condition that nobody waits for the inviter to renew an ended invitation."""
    long_ago = passed("renewal_requested_at", now - RENEWAL_KEPT, now)
    return Q(renewal_requested_at=None) | long_ago


def ended_by(before: datetime, now: datetime) -> Q:
    """Return the condition that an ended invitation had ended by then.

    Where its end lies too far ahead to be true, its time must have run out by then.
    """
    unknown = Q(ended_at__gt=latest(now), expires_at__lte=before)
    return Q(ended_at__lte=before) | unknown
