"""Show what members have spent, and grant them more."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from invitation import flows
from invitation.admin.base import AnyAdmin, LookMixin, WithMemberMixin, user_search_fields
from invitation.admin.exporting import ExportMixin
from invitation.admin.ledger import LedgerMixin
from invitation.conf import conf
from invitation.models import InvitationQuota


@admin.register(InvitationQuota)
class InvitationQuotaAdmin(LedgerMixin, ExportMixin, WithMemberMixin, LookMixin, AnyAdmin):
    """Show what members have spent, and grant them more.

    A quota is not deleted: that would give back all that was spent, and the ledger would not know.
    """

    actions = ("export",)
    export_name = "quotas"
    export_fields = ("inviter", "granted", "unlimited", "spent", "remaining", "ledger_sum")

    #: The most that a form takes: whoever needs more needs no limit.
    granted_max = 1_000_000
    list_display = ("inviter", "granted", "unlimited", "spent", "remaining")
    list_filter = ("unlimited",)
    list_select_related = ("inviter",)
    raw_id_fields = ("inviter",)
    search_help_text = _("Search by the member's login name or e-mail address.")
    show_full_result_count = False
    fields = ("inviter", "granted", "unlimited", "spent", "remaining")
    #: A count of what has happened, which goes on while the page is open: grant more instead.
    readonly_fields = ("spent", "remaining", "ledger", "ledger_sum")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field of the form; what can be granted has an end."""
        if db_field.name == "granted":
            words = _("At most %(limit_value)s can be granted: for more, tick “unlimited”.")
            kwargs |= {"max_value": self.granted_max, "error_messages": {"max_value": words}}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

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
