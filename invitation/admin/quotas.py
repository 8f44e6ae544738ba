"""Show what members have spent, and grant them more."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from invitation import flows
from invitation.admin.base import AnyAdmin, user_search_fields
from invitation.conf import conf
from invitation.models import InvitationQuota


@admin.register(InvitationQuota)
class InvitationQuotaAdmin(AnyAdmin):
    """Show what members have spent, and grant them more."""

    list_display = ("inviter", "granted", "unlimited", "spent", "remaining")
    list_filter = ("unlimited",)
    list_select_related = ("inviter",)
    raw_id_fields = ("inviter",)
    search_help_text = _("Search by the member's login name or e-mail address.")
    show_full_result_count = False
    fields = ("inviter", "granted", "unlimited", "spent", "remaining")
    #: A count of what has happened, which goes on while the page is open: grant more instead.
    readonly_fields = ("spent", "remaining")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the fields that cannot be changed; a quota stays with its member."""
        return self.readonly_fields if obj is None else ("inviter", *self.readonly_fields)

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return where to search, in whichever user model the site has."""
        return user_search_fields("inviter")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what was granted, and its entry in the ledger; something may have been spent."""
        flows.correct_quota(obj.inviter, obj.granted, obj.unlimited)
        obj.pk = InvitationQuota.objects.get(inviter=obj.inviter).pk

    @admin.display(description=_("remaining"))
    def remaining(self, quota: InvitationQuota) -> Any:
        """Return how many invitations the member has left, without asking the database."""
        limit = conf.invitations_per_user(quota.inviter)
        left = quota.remaining(limit, conf.INVITATION_QUOTA_PERIOD)
        return _("unlimited") if left is None else left
