"""Admin pages of the members' quotas: what they have spent, and granting more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from invitation.admin.base import (
    NOBODY,
    AnyAdmin,
    BesideMixin,
    LookMixin,
    WithMemberMixin,
    list_of,
    may_see,
    user_search_fields,
)
from invitation.admin.exporting import ExportMixin
from invitation.admin.filters import UnlimitedFilter
from invitation.admin.guarding import ACCOUNT, ENTRY, NOTHING, number_of, readable
from invitation.admin.ledger import LedgerMixin
from invitation.admin.searching import Search, SearchMixin
from invitation.conf import conf
from invitation.flows import quota
from invitation.models import InvitationQuota, QuotaEntry

#: Messages of the action ``grant``.
NO_AMOUNT = _("Enter how many invitations to grant, from 1 to %(most)s.")
GRANTED = ngettext_lazy(
    "Invitations were granted to %d member.", "Invitations were granted to %d members."
)


class QuotaActionForm(ActionForm):
    """Form of the actions, with a field for the number of invitations to grant."""

    # A text field, so that the action checks the number. A number field would show Django's own
    # message.
    amount = forms.CharField(
        label=_("Invitations to grant:"),
        required=False,
        max_length=10,
        widget=forms.NumberInput(attrs={"min": 1, "max": quota.GRANT_MAX}),
    )


@admin.register(InvitationQuota)
class InvitationQuotaAdmin(
    SearchMixin, LedgerMixin, ExportMixin, WithMemberMixin, BesideMixin, LookMixin, AnyAdmin
):
    """Admin of the quotas: what members have spent, and granting more.

    A quota cannot be deleted. Deleting it would give back all that was spent, without an entry in
    the ledger.
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

    #: Maximum number that the form grants. A member who needs more needs no limit.
    granted_max = 1_000_000
    #: The columns can be read as an equation.
    list_display = ("inviter", "base", "and_granted", "less_spent", "left")
    list_filter = (UnlimitedFilter,)
    list_select_related = ("inviter",)
    raw_id_fields = ("inviter",)
    search_help_text = _("Search by the member's whole login name, or #number.")
    fields = ("inviter", "granted", "unlimited", "equation")
    #: Counts can change while the page is open, so they are not edited. Grant more instead.
    readonly_fields = ("equation", "ledger", "ledger_sum", "inviter_number")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form field. The field ``granted`` has an upper limit."""
        if db_field.name == "granted":
            words = _("At most %(limit_value)s can be granted: for more, tick “unlimited”.")
            kwargs |= {"max_value": self.granted_max, "error_messages": {"max_value": words}}
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field for the member.

        A reader who may not see accounts gets a plain text field, which shows no name.
        """
        if ACCOUNT not in readable(self.admin_site, request):
            kwargs["widget"] = forms.TextInput()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the fields that cannot be changed. A quota keeps its member."""
        return self.readonly_fields if obj is None else ("inviter", *self.readonly_fields)

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return the fields to search, for the site's own user model.

        Fields that the reader may not search are left out.
        """
        return self.searchable(request, user_search_fields("inviter"))

    def look_up(self, text: str, seen: set[str]) -> Search:
        """Return the quotas that a text finds."""
        search = Search(text)
        search.add_number(InvitationQuota)
        if ACCOUNT in seen:
            search.add_accounts(InvitationQuota, "inviter")
        return search

    def with_details(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the quotas, with their members' groups if the limit depends on groups."""
        rows = super().with_details(queryset)
        by_group = isinstance(conf.quota_rule, Mapping) and hasattr(get_user_model(), "groups")
        return rows.prefetch_related("inviter__groups") if by_group else rows

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what was granted, and its entry in the ledger.

        If ``granted`` was not changed here, it is not written. It may have changed elsewhere since.
        """
        granted = obj.granted if not change or "granted" in form.changed_data else None
        quota.correct_quota(obj.inviter, granted, obj.unlimited)
        obj.pk = InvitationQuota.objects.get(inviter=obj.inviter).pk

    @admin.action(description=_("Grant invitations to selected members"), permissions=["change"])
    def grant(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Grant each selected member the number of invitations typed beside the action."""
        typed = request.POST.get("amount", "")
        amount = int(typed) if typed.isdecimal() and len(typed) <= len(str(quota.GRANT_MAX)) else 0
        if not 1 <= amount <= quota.GRANT_MAX:
            self.message_user(request, NO_AMOUNT % {"most": quota.GRANT_MAX}, messages.ERROR)
            return
        quotas = list(queryset)
        members = get_user_model()._default_manager.filter(
            pk__in=[row.inviter_id for row in quotas]
        )
        granted = quota.grant_all(members, amount)
        for row in quotas:
            self.log_change(request, row, f"+{amount}")
        self.message_user(request, GRANTED % granted, messages.SUCCESS)

    @admin.display(description=_("inviter"))
    def inviter_number(self, row: InvitationQuota) -> str:
        """Return the number of the member, for readers who may not see accounts."""
        return number_of(row.inviter)

    def pages_beside(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return the page of the whole ledger, if the reader may see it."""
        if not may_see(self.admin_site, QuotaEntry, request):
            return []
        return [(list_of(self.admin_site, QuotaEntry), gettext("Ledger"))]

    @admin.display(description=_("left"))
    def remaining(self, row: InvitationQuota) -> Any:
        """Return how many invitations the member has left, without a database query."""
        left = row.remaining(_base(row), conf.INVITATION_QUOTA_PERIOD)
        return _("unlimited") if left is None else left

    @admin.display(description=_("base"))
    def base(self, row: InvitationQuota) -> Any:
        """Return the site's own limit for the member."""
        return _("unlimited") if (limit := _base(row)) is None else limit

    @admin.display(description=_("+ granted"), ordering="granted")
    def and_granted(self, row: InvitationQuota) -> Any:
        """Return the number of granted invitations, on top of the site's limit."""
        return _("unlimited") if row.unlimited else row.granted

    @admin.display(description=_("− spent"), ordering="spent")
    def less_spent(self, row: InvitationQuota) -> int:
        """Return the number of spent invitations, without those of a period that is over."""
        over = row.is_over(conf.INVITATION_QUOTA_PERIOD, timezone.now())
        return row.spent - (row.refillable(_base(row)) if over else 0)

    @admin.display(description=_("= left"))
    def left(self, row: InvitationQuota) -> Any:
        """Return how many invitations the member has left, and how many too many were spent."""
        limit = _base(row)
        if limit is None or row.unlimited:
            return _("unlimited")
        left: int = limit + row.granted - self.less_spent(row)
        # The site's limit was lowered, or grants were taken back.
        return left if left >= 0 else _("0 (%(number)d too many spent)") % {"number": -left}

    @admin.display(description=_("Invitations left"))
    def equation(self, row: InvitationQuota) -> Any:
        """Return the invitations left, and how they are counted."""
        if row._state.adding:  # It has no member yet.
            return NOBODY
        if _base(row) is None or row.unlimited:
            return _("unlimited")
        return _("%(base)s base + %(granted)s granted − %(spent)s spent = %(left)s left") % {
            "base": self.base(row),
            "granted": row.granted,
            "spent": self.less_spent(row),
            "left": self.left(row),
        }


def _base(row: InvitationQuota) -> int | None:
    """Return the site's own limit for the member of a quota; ``None`` is unlimited."""
    return conf.invitations_per_user(row.inviter)
