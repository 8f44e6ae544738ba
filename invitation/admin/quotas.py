"""Show what members have spent, and grant them more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from invitation import flows
from invitation.admin.base import AnyAdmin, LookMixin, WithMemberMixin, user_search_fields
from invitation.admin.exporting import ExportMixin
from invitation.admin.guarding import ACCOUNT, ENTRY, NOTHING, number_of, readable
from invitation.admin.ledger import LedgerMixin
from invitation.conf import conf
from invitation.models import InvitationQuota

#: What the action says.
NO_AMOUNT = _("Please enter how many invitations to grant, from 1 to %(most)s.")
GRANTED = ngettext_lazy(
    "Invitations were granted to %d member.", "Invitations were granted to %d members."
)


class QuotaActionForm(ActionForm):
    """Ask for a number beside the action."""

    # A text, looked at by the action: of a number that is none, Django would say something else.
    amount = forms.CharField(
        label=_("Invitations to grant:"),
        required=False,
        max_length=10,
        widget=forms.NumberInput(attrs={"min": 1, "max": flows.GRANT_MAX}),
    )


@admin.register(InvitationQuota)
class InvitationQuotaAdmin(LedgerMixin, ExportMixin, WithMemberMixin, LookMixin, AnyAdmin):
    """Show what members have spent, and grant them more.

    A quota is not deleted: that would give back all that was spent, and the ledger would not know.
    """

    action_form = QuotaActionForm
    actions = ("grant", "export")
    export_name = "quotas"
    export_fields = ("inviter", "granted", "unlimited", "spent", "remaining", "ledger_total")

    guarded: ClassVar = {
        "inviter": ((ACCOUNT,), "inviter_number"),
        "ledger_sum": ((ENTRY,), NOTHING),
        "ledger_total": ((ENTRY,), NOTHING),
    }
    guarded_searches: ClassVar = {"inviter": ACCOUNT}

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
    readonly_fields = ("spent", "remaining", "ledger", "ledger_sum", "inviter_number")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field of the form; what can be granted has an end."""
        if db_field.name == "granted":
            words = _("At most %(limit_value)s can be granted: for more, tick “unlimited”.")
            kwargs |= {"max_value": self.granted_max, "error_messages": {"max_value": words}}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field for the member's number, which shows the name to who may see it."""
        if ACCOUNT not in readable(self.admin_site, request):
            kwargs["widget"] = forms.TextInput()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the fields that cannot be changed; a quota stays with its member."""
        return self.readonly_fields if obj is None else ("inviter", *self.readonly_fields)

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return where to search, in whichever user model the site has."""
        return self.searchable(request, user_search_fields("inviter"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the quotas, with the groups of their members where the limit depends on these."""
        rows = super().get_queryset(request)
        by_group = isinstance(conf.quota_rule, Mapping) and hasattr(get_user_model(), "groups")
        return rows.prefetch_related("inviter__groups") if by_group else rows

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what was granted, and its entry in the ledger; something may have been spent.

        What was not changed here may have been changed elsewhere, and stays as it is.
        """
        granted = obj.granted if not change or "granted" in form.changed_data else None
        flows.correct_quota(obj.inviter, granted, obj.unlimited)
        obj.pk = InvitationQuota.objects.get(inviter=obj.inviter).pk

    @admin.action(description=_("Grant invitations to selected members"), permissions=["change"])
    def grant(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Grant so many invitations to each as stands beside the action."""
        typed = request.POST.get("amount", "")
        amount = int(typed) if typed.isdecimal() and len(typed) <= len(str(flows.GRANT_MAX)) else 0
        if not 1 <= amount <= flows.GRANT_MAX:
            self.message_user(request, NO_AMOUNT % {"most": flows.GRANT_MAX}, messages.ERROR)
            return
        quotas = list(queryset)
        members = get_user_model()._default_manager.filter(
            pk__in=[quota.inviter_id for quota in quotas]
        )
        granted = flows.grant_all(members, amount)
        for quota in quotas:
            self.log_change(request, quota, f"+{amount}")
        self.message_user(request, GRANTED % granted, messages.SUCCESS)

    @admin.display(description=_("inviter"))
    def inviter_number(self, quota: InvitationQuota) -> str:
        """Return the number of the member, for who may not see accounts."""
        return number_of(quota.inviter)

    @admin.display(description=_("remaining"))
    def remaining(self, quota: InvitationQuota) -> Any:
        """Return how many invitations the member has left, without asking the database."""
        limit = conf.invitations_per_user(quota.inviter)
        left = quota.remaining(limit, conf.INVITATION_QUOTA_PERIOD)
        return _("unlimited") if left is None else left
