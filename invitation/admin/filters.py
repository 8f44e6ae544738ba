"""Filters of the lists, named like their columns.

Each condition is served by an index, or it looks at the newest rows only. Then the title says so.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from invitation.admin.bounds import among_newest, few
from invitation.models import (
    Acceptance,
    InvitationEmail,
    InvitationKey,
    InvitationQuota,
    QuotaEntry,
    SuppressedAddress,
)

#: Ends of titles, for filters that look at the newest rows only.
AMONG_NEWEST = _("%(title)s (newest 10,000)")


def only(queryset: QuerySet[Any], rows: QuerySet[Any], column: str = "pk") -> QuerySet[Any]:
    """Return the rows of ``queryset`` that are among ``rows``, found by their index first.

    A database may expect many such rows, and then reads the table until it finds enough of them.
    """
    pks = few(rows, column)
    return queryset.filter(pk__in=rows.order_by().values(column) if pks is None else pks)


class StateFilter(admin.SimpleListFilter):
    """Filter by the current state of an invitation, marked by cleanup or not."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states, and two more for pending invitations: overdue and paused."""
        states = [(str(value), label) for value, label in InvitationKey.Status.choices]
        more = [("overdue", _("expired, cleanup is due")), ("paused", _("paused"))]
        return [*states, *more]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the invitations in the chosen state."""
        value, status = self.value(), InvitationKey.Status
        invitations: Any = queryset
        overdue = InvitationKey.objects.get_queryset().overdue().order_by("-expires_at")
        if value == "overdue":
            return only(queryset, overdue)
        if value == "paused":
            paused = InvitationKey.objects.get_queryset().shared_links().exclude(paused_at=None)
            return only(invitations.unended(), paused.order_by("-pk"))
        if value == status.EXPIRED:
            pks = few(overdue)
            marked = Q(status=value)
            found = (
                invitations.expired() if pks is None else queryset.filter(marked | Q(pk__in=pks))
            )
            return cast("QuerySet[Any]", found)
        return invitations.in_state(value) if value in status.values else queryset


class KindFilter(admin.SimpleListFilter):
    """Filter by kind: personal invitation or shared link."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the two kinds."""
        return [("personal", _("personal")), ("shared", _("shared link"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the invitations of the chosen kind."""
        if self.value() in ("personal", "shared"):
            return queryset.filter(shared=self.value() == "shared")
        return queryset


class MailStateFilter(admin.SimpleListFilter):
    """Filter by the state of the latest email of an invitation."""

    title = _("email")
    parameter_name = "mail"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states of emails, and one for new invitations without any email."""
        states = [(str(value), label) for value, label in InvitationEmail.State.choices]
        return [*states, ("none", AMONG_NEWEST % {"title": _("no email")})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the invitations whose latest email is in the chosen state."""
        value, states = self.value(), InvitationEmail.State
        invitations: Any = queryset
        if value == "none":
            found: QuerySet[Any] = invitations.with_latest_mail()
            return found.filter(among_newest(InvitationKey), latest_mail_state=None)
        if value not in states.values:
            return queryset
        found = invitations.with_latest_mail().filter(latest_mail_state=value)
        if value == states.SENT:
            return found
        mails = InvitationEmail.objects.of_invitations().filter(state=value)
        return only(found, mails.order_by("-pk"), "invitation")


class NewestFilter(admin.SimpleListFilter):
    """Filter by a column without an index: it looks at the newest rows only."""

    model: ClassVar[Any]
    name: ClassVar[Promise]
    choices_of: ClassVar[list[tuple[str, Any]]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.title: Any = AMONG_NEWEST % {"title": self.name}
        super().__init__(*args, **kwargs)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the values of the column."""
        return self.choices_of

    def condition(self, value: str) -> Q:
        """Return the condition for the chosen value."""
        return Q(**{str(self.parameter_name): value})

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of the newest rows that have the chosen value."""
        value = self.value()
        if value not in dict(self.choices_of):
            return queryset
        return queryset.filter(among_newest(self.model), self.condition(value))


class MailFailureFilter(NewestFilter):
    """Filter by the reason why an email was not sent."""

    model, name, parameter_name = InvitationEmail, _("reason"), "failure"
    choices_of = InvitationEmail.Failure.choices


class MailKindFilter(NewestFilter):
    """Filter by the purpose of an email."""

    model, name, parameter_name = InvitationEmail, _("kind"), "kind"
    choices_of = InvitationEmail.Kind.choices


class ReasonFilter(NewestFilter):
    """Filter by the reason of a ledger entry."""

    model, name, parameter_name = QuotaEntry, _("reason"), "reason"
    choices_of = QuotaEntry.Reason.choices


class ActivatedFilter(NewestFilter):
    """Filter by whether the account of an acceptance became usable."""

    model, name, parameter_name = Acceptance, _("activated"), "activated"
    choices_of = [("yes", _("Yes")), ("no", _("No"))]

    def condition(self, value: str) -> Q:
        """Return the condition on the time of the activation."""
        return Q(activated_at__isnull=value == "no")


class NewAccountFilter(NewestFilter):
    """Filter by whether the account of an acceptance was created with the invitation."""

    model, name, parameter_name = Acceptance, _("new account"), "new_account"
    choices_of = [("yes", _("Yes")), ("no", _("No"))]

    def condition(self, value: str) -> Q:
        """Return the condition on the account."""
        return Q(new_account=value == "yes")


class UnlimitedFilter(NewestFilter):
    """Filter by whether a member may invite without a limit."""

    model, name, parameter_name = InvitationQuota, _("unlimited"), "unlimited"
    choices_of = [("yes", _("Yes")), ("no", _("No"))]

    def condition(self, value: str) -> Q:
        """Return the condition on the quota."""
        return Q(unlimited=value == "yes")


class SuppressionFilter(NewestFilter):
    """Filter by the reason why an address gets no more invitations."""

    model, name, parameter_name = SuppressedAddress, _("reason"), "reason"
    choices_of = SuppressedAddress.Reason.choices
