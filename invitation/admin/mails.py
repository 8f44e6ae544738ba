"""Admin pages of the outbox: sending emails again, stopping them, and ending a pause."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import display_for_value
from django.contrib.auth import get_permission_codename
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from invitation import addresses
from invitation.admin.base import (
    NOBODY,
    AnyAdmin,
    BelowMixin,
    BesideMixin,
    LookMixin,
    ReadOnlyMixin,
    list_of,
    may_see,
    name_of,
)
from invitation.admin.bounds import BoundedMixin
from invitation.admin.filters import MailFailureFilter, MailKindFilter
from invitation.admin.guarding import ACCOUNT, INVITATION, NOTHING, GuardedMixin, number_of
from invitation.admin.searching import Search, SearchMixin, search_invitations
from invitation.flows import mail
from invitation.models import DeliveryPause, InvitationEmail
from invitation.templatetags.invitation_tags import invitation_breaks

#: Messages of the actions, with the number of emails.
RETRIED = ngettext_lazy("%d email is queued again.", "%d emails are queued again.")
NOT_RETRIED = ngettext_lazy(
    "%d email was not changed. Only failed and cancelled emails can be sent again.",
    "%d emails were not changed. Only failed and cancelled emails can be sent again.",
)
CANCELLED = ngettext_lazy("%d email was cancelled.", "%d emails were cancelled.")
NOT_CANCELLED = ngettext_lazy(
    "%d email was not changed. It is no longer waiting.",
    "%d emails were not changed. They are no longer waiting.",
)

#: Emails to the inviter, not to the invited person.
TO_INVITER = (
    InvitationEmail.Kind.RENEWAL,
    InvitationEmail.Kind.ACCEPTED,
    InvitationEmail.Kind.DECLINED,
    InvitationEmail.Kind.EXPIRED,
)


class OperatingMixin(ReadOnlyMixin):
    """Admin of rows on which staff can act but which nobody can edit.

    The actions need the permission to change rows.
    """

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether this member of staff may use the actions."""
        page: Any = self
        user: Any = request.user
        codename = get_permission_codename("change", page.opts)
        return bool(user.has_perm(f"{page.opts.app_label}.{codename}"))


class MailColumnsMixin:
    """Columns for why an email failed, and when a waiting email is tried."""

    @admin.display(description=_("reason"), ordering="failure")
    def reason(self, row: InvitationEmail) -> str:
        """Return why the email was not sent, or ``-``."""
        return row.get_failure_display() or NOBODY

    @admin.display(description=_("next try"), ordering="not_before")
    def next_try(self, row: InvitationEmail) -> str:
        """Return the earliest time of the next try if the email waits, else ``-``.

        A text, as Django shows ``None`` and a time unformatted in the rows of an inline.
        """
        waits = row.state == InvitationEmail.State.QUEUED
        return str(display_for_value(row.not_before if waits else None, NOBODY))


@admin.register(InvitationEmail)
class InvitationEmailAdmin(
    SearchMixin,
    GuardedMixin,
    MailColumnsMixin,
    OperatingMixin,
    BoundedMixin,
    BesideMixin,
    LookMixin,
    AnyAdmin,
):
    """Admin of the outbox: which emails were sent, which wait, and why."""

    actions = ("retry", "cancel")
    list_display = (
        "address",
        "kind",
        "state",
        "sent_at",
        "next_try",
        "attempts",
        "reason",
    )
    #: The answer of a mail server may contain the address, so ``last_error`` is guarded too.
    guarded: ClassVar = {
        "address": ((ACCOUNT, INVITATION), "invitation_number"),
        "last_error": ((ACCOUNT, INVITATION), NOTHING),
    }
    guarded_searches: ClassVar = {"invitation": INVITATION}
    list_filter = ("state", MailFailureFilter, MailKindFilter)
    list_select_related = ("invitation__from_user",)
    search_fields = ("invitation__email", "message_id")
    search_help_text = _(
        "Search by the invited address or its beginning, #number, or the whole Message-ID."
    )
    fields = (
        "address",
        "kind",
        "state",
        "reason",
        "last_error",
        "attempts",
        "unconfirmed",
        "tried_at",
        "created_at",
        "not_before",
        "lease_until",
        "sent_at",
        "header_id",
    )

    def pages_beside(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return the page of the delivery pauses, if the reader may see it."""
        if not may_see(self.admin_site, DeliveryPause, request):
            return []
        pause = mail.delivery_pause()
        paused = pause is not None and not pause.is_over(timezone.now())
        title = gettext("Delivery is paused") if paused else gettext("Delivery pauses")
        return [(list_of(self.admin_site, DeliveryPause), title)]

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns that the reader may see."""
        return self.shown(request, super().get_list_display(request))

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return the fields that the reader may search."""
        return self.searchable(request, super().get_search_fields(request))

    def look_up(self, text: str, seen: set[str]) -> Search:
        """Return the emails that a text finds."""
        search = Search(text)
        search.add_number(InvitationEmail)
        named = InvitationEmail.objects.named(search.text)
        if named is not None:
            search.pks.add(named.pk)
        search.add_of(InvitationEmail, search_invitations(text, seen & {INVITATION}))
        return search

    @admin.display(description=_("Message-ID"))
    def header_id(self, row: InvitationEmail) -> str:
        """Return the Message-ID."""
        return row.header_id or NOBODY

    @admin.display(description=_("invitation"))
    def invitation_number(self, row: InvitationEmail) -> str:
        """Return the number of the invitation, for readers who may not see the recipient."""
        return number_of(row.invitation)

    @admin.display(description=_("email address"), ordering="invitation__email")
    def address(self, row: InvitationEmail) -> str:
        """Return the recipient of the email, in readable form."""
        if row.kind not in TO_INVITER:
            return invitation_breaks(name_of(row.invitation))
        email = addresses.display(addresses.of_member(row.invitation.from_user))
        return invitation_breaks(email or NOBODY)

    @admin.action(description=_("Resend selected emails"), permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Queue the selected emails again that failed or were stopped."""
        selected = list(queryset)
        done = mail.retry(selected)
        self._report(request, selected, done, _("Queued again."), (RETRIED, NOT_RETRIED))

    @admin.action(description=_("Cancel selected emails"), permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Stop the selected emails that wait."""
        selected = list(queryset)
        done = mail.cancel(selected)
        self._report(request, selected, done, _("Cancelled."), (CANCELLED, NOT_CANCELLED))

    def _report(
        self,
        request: HttpRequest,
        selected: list[Any],
        done: list[InvitationEmail],
        record: Any,
        words: tuple[Any, Any],
    ) -> None:
        """Show how many emails were changed and how many not, and log the changed ones."""
        for row in done:
            self.log_change(request, row, str(record))
        if done:
            self.message_user(request, words[0] % len(done), messages.SUCCESS)
        if left := len(selected) - len(done):
            self.message_user(request, words[1] % left, messages.WARNING)


@admin.register(DeliveryPause)
class DeliveryPauseAdmin(OperatingMixin, BelowMixin, BesideMixin, LookMixin, AnyAdmin):
    """Admin of the delivery pause, which staff can end early."""

    above = InvitationEmail
    actions = ("reopen",)
    list_display = ("queue", "closed", "since", "until", "failures", "reason")
    fields = ("queue", "closed", "since", "until", "failures", "reason")

    def pages_beside(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return the page of the emails, if the reader may see it."""
        if not may_see(self.admin_site, InvitationEmail, request):
            return []
        return [(list_of(self.admin_site, InvitationEmail), gettext("Emails"))]

    @admin.display(description=_("paused"), boolean=True)
    def closed(self, pause: DeliveryPause) -> bool:
        """Return whether no email is tried at the moment.

        After the end of the pause, the next email is tried, whether or not it can be sent.
        """
        return pause.failures > 0 and not pause.is_over(timezone.now())

    @admin.action(description=_("Try again at once"), permissions=["operate"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Let the next sender try now, without waiting for the end of the pause."""
        paused = [pause for pause in queryset if self.closed(pause)]
        if not mail.reopen():
            self.message_user(request, _("Nothing is paused."), messages.WARNING)
            return
        for pause in paused:
            self.log_change(request, pause, str(_("Opened.")))
        self.message_user(request, _("The next email is tried at once."), messages.SUCCESS)
