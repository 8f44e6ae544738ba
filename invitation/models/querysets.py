"""Querysets of invitations, with ways to lock and compare rows that do not deadlock."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import EmptyResultSet
from django.db import connections, models
from django.db.models import Exists, F, OuterRef, Q, Subquery, Value
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, Lookup
from django.utils import timezone

from invitation.conf import conf
from invitation.models.alike import alike
from invitation.models.moments import latest, passed, since

if TYPE_CHECKING:
    from invitation.models import InvitationEmail, InvitationKey  # noqa: F401 (named in a text)

    ManyLookup = Lookup[Any]
else:
    ManyLookup = Lookup


#: How long an ended invitation is kept after a request for a new link, so that its inviter can
#: answer.
RENEWAL_KEPT = timedelta(days=7)


def holds(column: str, text: str | Value) -> Exact[Any]:
    """Return a comparison that no index serves, for writes to a row found by its primary key.

    Without it, MariaDB may find the row by an index on the compared column. It then locks the
    index's entry before the row. A transaction that changes the column locks the row first and the
    entry after it. The two would deadlock. With this comparison, all transactions find the row by
    its primary key.
    """
    value = text if isinstance(text, Value) else Value(text)
    return Exact(Coalesce(F(column), Value("")), value)


def lock_in_order(rows: models.QuerySet[Any], column: str) -> None:
    """Lock rows until the end of the transaction, in the order of their keys.

    Two transactions that lock the same rows in different orders would deadlock. SQLite has one lock
    for all rows, and only a write takes it. There, ``column`` is set to its own value.
    """
    in_order = rows.order_by("pk").select_for_update().values_list("pk", flat=True)
    can_lock = connections[rows.db].features.has_select_for_update
    list(in_order) if can_lock else rows.update(**{column: F(column)})


class _PatternOrder(OrderBy):
    """Order of the index for beginnings of texts, which PostgreSQL calls ``~<~``."""

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        """Return the order by bytes, which does not depend on the language of the database."""
        # Django looks for the word ASC or DESC in each order.
        return self.as_sql(compiler, connection, template="%(expression)s USING ~<~ /* ASC */")


def begins(rows: models.QuerySet[Any], column: str, text: str) -> models.QuerySet[Any]:
    """Return the rows whose column begins with an ASCII text, in the order of the column's index.

    The column must be ASCII. On PostgreSQL, its index must have the class ``varchar_pattern_ops``.
    """
    begins_so = Q(**{f"{column}__startswith": text})
    vendor = connections[rows.db].vendor
    if vendor == "sqlite":  # Its LIKE ignores case and uses no index.
        begins_so = Q(**{f"{column}__gte": text, f"{column}__lt": f"{text}\x7f"})
    elif vendor == "mysql":  # An index serves only the comparison in the column's own collation.
        begins_so &= Q(**{f"{column}__istartswith": text})
    return rows.filter(begins_so).order_by(_PatternOrder(F(column)))


class Among(ManyLookup):
    """Condition that a column has one of many numbers, as one parameter where that is possible.

    It is a lookup, because Django compares other conditions with 1 on MySQL and MariaDB. They then
    use no index, and a write locks every row of the table.
    """

    prepare_rhs = False

    def __init__(self, column: str, numbers: Collection[int]) -> None:
        super().__init__(F(column), list(numbers))

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return the condition, and its parameters."""
        if not self.rhs:
            raise EmptyResultSet
        sql, params = self.process_lhs(compiler, connection)
        if connection.vendor == "postgresql":
            return f"{sql} = ANY(%s::bigint[])", [*params, self.rhs]
        return f"{sql} IN ({', '.join(['%s'] * len(self.rhs))})", [*params, *self.rhs]


def can_skip_locked(using: str) -> bool:
    """Return whether this database locks rows without a wait for others that have locked some.

    SQLite has one lock, which the transaction already has.
    """
    features = connections[using].features
    return features.has_select_for_update_skip_locked or not features.has_select_for_update


def locked(
    rows: models.QuerySet[Any], column: str, *names: str, skip_locked: bool = False
) -> list[Any]:
    """Lock rows as ``lock_in_order`` does, and return these columns as they are then.

    A locking read sees what others have committed, even if this transaction has read before.
    Compare the columns in Python: no index must serve a condition here (see ``holds``). With
    ``skip_locked``, rows that others have locked are left out (see ``can_skip_locked``).
    """
    in_order = rows.order_by("pk")
    if connections[rows.db].features.has_select_for_update:
        in_order = in_order.select_for_update(skip_locked=skip_locked)
    else:
        rows.update(**{column: F(column)})
    return list(in_order.values_list(*names, named=True))


#: Condition that an invitation has a use left; an empty ``max_uses`` is unlimited.
UNUSED = Q(max_uses=None) | Q(uses__lt=F("max_uses"))


class InvitationKeyQuerySet(models.QuerySet["InvitationKey"]):
    """Queryset of invitations, with a method for each adjective."""

    def pending(self) -> InvitationKeyQuerySet:
        """Return the invitations that have not ended; some may be overdue (see ``overdue``)."""
        return self.filter(status=self.model.Status.PENDING)

    def usable(self, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Return those that a visitor can sign up with at this moment."""
        return self.unended(now).filter(inviter_there(self.model), paused_at=None)

    def unended(self, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Return those that are in time and have a use left, even if their inviter is inactive."""
        return self.pending().filter(in_time(now or timezone.now()), UNUSED)

    def shared_links(self) -> InvitationKeyQuerySet:
        """Return the shared links."""
        return self.filter(shared=True)

    def personal(self) -> InvitationKeyQuerySet:
        """Return the invitations for one person."""
        return self.filter(shared=False)

    def overdue(self, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Return the pending ones whose time is over and that cleanup has not marked yet."""
        return self.pending().filter(expires_at__lte=now or timezone.now())

    def expired(self, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Return the expired ones, whether or not cleanup has marked them yet."""
        overdue = Q(status=self.model.Status.PENDING, expires_at__lte=now or timezone.now())
        return self.filter(overdue | Q(status=self.model.Status.EXPIRED))

    def disposable(
        self, before: datetime, now: datetime | None = None, *, settled: bool = True
    ) -> InvitationKeyQuerySet:
        """Return those that ended unused before a time and have nothing left to give back.

        Those with a recent request for a new link are left out. ``settled=False`` includes expired
        ones that still hold quota, before its refund.
        """
        status = self.model.Status
        now = now or timezone.now()
        unused = (status.DECLINED, status.REVOKED, status.EXPIRED)
        rows = self.filter(ended_by(before, now), status__in=unused, uses=0)
        rows = rows.filter(not_asked_for(now))
        return rows.exclude(status=status.EXPIRED, quota_held__gt=0) if settled else rows

    def forgettable(self, before: datetime, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Return those that ended by then and still say whom they were for.

        Those with a recent request for a new link are left out. So are shared links, which are for
        no particular person.
        """
        status = self.model.Status
        ended = (status.ACCEPTED, status.DECLINED, status.REVOKED, status.EXPIRED)
        now = now or timezone.now()
        rows = self.personal().filter(ended_by(before, now), status__in=ended, forgotten_at=None)
        return rows.filter(not_asked_for(now))

    def sent_by(self, user: Any) -> InvitationKeyQuerySet:
        """Return those that this member created; with ``None`` those from the site."""
        return self.filter(from_site=True) if user is None else self.filter(from_user=user)

    def with_latest_mail(self) -> InvitationKeyQuerySet:
        """Add the columns of the latest email: ``latest_mail_state`` and the others below.

        Only emails to the invited person count, not those to the inviter.
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
        """Return those that were emailed, are not used and end soon.

        Nobody is reminded twice. Nobody is reminded while another email to them waits, or if one
        has left since ``rested``.
        """
        mails: Any = self.model._meta.get_field("mails").related_model
        kinds, states = mails.Kind, mails.State
        own = mails.objects.filter(invitation=OuterRef("pk"))
        own = own.filter(kind__in=(kinds.INVITATION, kinds.REMINDER))
        fresh = Q(state__in=(states.QUEUED, states.SENDING)) | since("sent_at", rested, now)
        rows = self.usable(now).personal().exclude(email="").filter(expires_at__lte=now + ahead)
        rows = rows.filter(passed("mail_requested_at", rested, now), reminded_at=None)
        # Also suppressed people, who get no email. Otherwise the cool-down would tell the inviter.
        left = own.filter(state__in=(states.SENT, states.SUPPRESSED))
        return rows.filter(Exists(left), ~Exists(own.filter(fresh)))

    def told_by(self, mail: InvitationEmail) -> InvitationKeyQuerySet:
        """Return the expired ones that this email names to their inviter.

        The email names those that were marked at the time of its request, and those marked until it
        leaves.
        """
        rows = self.newsworthy().sent_by(mail.invitation.from_user)
        return rows.on_site(mail.invitation.site_id).filter(ended_at__gte=mail.created_at)

    def newsworthy(self) -> InvitationKeyQuerySet:
        """Return expired ones for one person each that their inviter may want to know about.

        Those with a request for a new link are left out: the inviter knows about them already.
        """
        rows = self.personal().exclude(email="").filter(from_user__isnull=False)
        return rows.filter(status=self.model.Status.EXPIRED, renewal_requested_at=None)

    def in_state(self, state: str, now: datetime | None = None) -> InvitationKeyQuerySet:
        """Return those that have this ``state``, whether or not cleanup has marked them yet."""
        if state == self.model.Status.EXPIRED:
            return self.expired(now)
        if state == self.model.Status.PENDING:
            return self.unended(now)
        return self.filter(status=state)

    def matching(self, text: str) -> InvitationKeyQuerySet:
        """Return those whose address, name or, for a shared link, label contains this text.

        Case and Unicode's normal forms make no difference. An address is also found in the form in
        which people read it.
        """
        return self.filter(
            alike(text, "email", "recipient_name") | alike(text, "label") & Q(shared=True)
        )

    def addressed_to(self, email_keys: Collection[str]) -> InvitationKeyQuerySet:
        """Return those to these addresses, in the form of ``addresses.canonical``."""
        return self.filter(email_key__in=[key for key in email_keys if key])

    def noting_groups(self) -> InvitationKeyQuerySet:
        """Add ``carries_groups``: whether there are groups to join, without another query."""
        through: Any = self.model._meta.get_field("groups").remote_field.through
        carried = through.objects.filter(invitationkey_id=OuterRef("pk"))
        return self.annotate(carries_groups=Exists(carried))

    def on_site(self, site_id: int) -> InvitationKeyQuerySet:
        """Return those of this site."""
        return self.filter(site_id=site_id)


def inviter_there(model: type[models.Model]) -> Q:
    """Return the condition that no inactive inviter stops an invitation from working."""
    inviter: Any = model._meta.get_field("from_user").related_model
    names = {field.name for field in inviter._meta.get_fields()}
    if not conf.INVITATION_REQUIRE_ACTIVE_INVITER or "is_active" not in names:
        return Q()
    # A subquery and not a join, because writes use the condition as well.
    active = inviter._base_manager.filter(pk=OuterRef("from_user_id"), is_active=True)
    return Q(from_user=None) | Q(Exists(active))


def in_time(now: datetime) -> Q:
    """Return the condition that an invitation's time is not over."""
    return Q(expires_at=None) | Q(expires_at__gt=now)


def not_asked_for(now: datetime) -> Q:
    """Return the condition that nobody waits for the inviter to renew an ended invitation."""
    long_ago = passed("renewal_requested_at", now - RENEWAL_KEPT, now)
    return Q(renewal_requested_at=None) | long_ago


def ended_by(before: datetime, now: datetime) -> Q:
    """Return the condition that an ended invitation had ended by then.

    If its end is too far ahead to be true, its time must be over by then.
    """
    unknown = Q(ended_at__gt=latest(now), expires_at__lte=before)
    return Q(ended_at__lte=before) | unknown
