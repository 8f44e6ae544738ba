"""Filters of the list of invitations, named like its columns."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from invitation.models import InvitationEmail, InvitationKey


class StateFilter(admin.SimpleListFilter):
    """Filter by the current state of an invitation, marked by cleanup or not."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states, and two more for pending invitations: overdue and paused."""
        states = [(str(value), label) for value, label in InvitationKey.Status.choices]
        more = [("overdue", _("expired, not cleaned up yet")), ("paused", _("paused"))]
        return [*states, *more]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the invitations in the chosen state."""
        value = self.value()
        invitations = InvitationKey.objects.all()
        if value == "overdue":
            invitations = invitations.overdue()
        elif value == "paused":
            invitations = invitations.unended().exclude(paused_at=None)
        elif value in InvitationKey.Status.values:
            invitations = invitations.in_state(value)
        else:
            return queryset
        return queryset.filter(pk__in=invitations.order_by().values("pk"))


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

    title = _("mail")
    parameter_name = "mail"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the states of emails, and one for invitations without any email."""
        states = [(str(value), label) for value, label in InvitationEmail.State.choices]
        return [*states, ("none", _("no mail"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the invitations whose latest email is in the chosen state."""
        value = self.value()
        if value == "none":
            return queryset.filter(latest_mail_state=None)
        if value in InvitationEmail.State.values:
            return queryset.filter(latest_mail_state=value)
        return queryset
