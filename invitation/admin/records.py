"""Show what has happened: who came through which invitation, and which mails left."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from invitation import addresses
from invitation.admin.base import NOBODY, AnyAdmin, ReadOnlyMixin, user_search_fields
from invitation.models import Acceptance, InvitationEmail


@admin.register(Acceptance)
class AcceptanceAdmin(ReadOnlyMixin, AnyAdmin):
    """Show who came through which invitation."""

    list_display = ("user", "address", "inviter", "claimed_at", "activated_at")
    list_filter = ("claimed_at", ("activated_at", admin.EmptyFieldListFilter))
    list_select_related = ("user", "invitation__from_user")
    date_hierarchy = "claimed_at"
    search_fields = ("invitation__email",)
    search_help_text = _("Search by the account, the invited address, or the inviter.")
    show_full_result_count = False
    fields = list_display

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return where to search, in whichever user model the site has."""
        people = [*user_search_fields("user"), *user_search_fields("invitation__from_user")]
        return [*self.search_fields, *people]

    @admin.display(description=_("invited address"), ordering="invitation__email")
    def address(self, acceptance: Acceptance) -> str:
        """Return whom the invitation was for."""
        return addresses.display(acceptance.invitation.email) or NOBODY

    @admin.display(description=_("inviter"), ordering="invitation__from_user")
    def inviter(self, acceptance: Acceptance) -> Any:
        """Return who had invited."""
        return acceptance.invitation.from_user or NOBODY


@admin.register(InvitationEmail)
class InvitationEmailAdmin(ReadOnlyMixin, AnyAdmin):
    """Show the outbox: which mails left, which wait, and why."""

    list_display = ("address", "kind", "state", "attempts", "created_at", "sent_at", "last_error")
    list_filter = ("kind", "state", "created_at", "sent_at")
    list_select_related = ("invitation__from_user",)
    date_hierarchy = "created_at"
    search_fields = ("invitation__email", "message_id")
    search_help_text = _("Search by the invited address or the Message-ID.")
    show_full_result_count = False
    fields = (
        "address",
        "kind",
        "state",
        "attempts",
        "created_at",
        "not_before",
        "lease_until",
        "sent_at",
        "message_id",
        "last_error",
    )

    @admin.display(description=_("e-mail address"), ordering="invitation__email")
    def address(self, mail: InvitationEmail) -> str:
        """Return whom the mail is for: the invited person, or the inviter."""
        email = mail.invitation.email
        if mail.kind == InvitationEmail.Kind.RENEWAL:
            email = addresses.of_member(mail.invitation.from_user)
        return addresses.display(email) or NOBODY
