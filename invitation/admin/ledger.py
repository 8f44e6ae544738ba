"""Admin pages of the ledger: each change of a member's invitations left, and its reason."""

from __future__ import annotations

from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import IntegerField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invitation.admin.base import (
    NOBODY,
    AnyAdmin,
    BelowMixin,
    BesideMixin,
    LookMixin,
    ReadOnlyMixin,
    WithMemberMixin,
    list_of,
    may_see,
    name_of,
    page_of,
    user_search_fields,
)
from invitation.admin.bounds import BoundedMixin
from invitation.admin.exporting import ExportMixin
from invitation.admin.filters import ReasonFilter
from invitation.admin.guarding import ACCOUNT, INVITATION, GuardedMixin, number_of
from invitation.admin.searching import Search, SearchMixin
from invitation.models import InvitationKey, InvitationQuota, QuotaEntry


@admin.register(QuotaEntry)
class QuotaEntryAdmin(
    SearchMixin,
    GuardedMixin,
    ExportMixin,
    WithMemberMixin,
    ReadOnlyMixin,
    BoundedMixin,
    BelowMixin,
    BesideMixin,
    LookMixin,
    AnyAdmin,
):
    """Admin of the ledger: whose quota changed, when, why, and by which invitation."""

    above = InvitationQuota
    actions = ("export",)
    export_name = "quota-entries"
    export_fields = ("created_at", "inviter", "change", "reason", "invited")

    guarded: ClassVar = {
        "inviter": ((ACCOUNT,), "inviter_number"),
        "invited": ((INVITATION,), "invitation_number"),
    }
    guarded_searches: ClassVar = {"inviter": ACCOUNT}

    list_display = ("created_at", "inviter", "signed", "reason", "invited")
    list_filter = (ReasonFilter,)
    list_select_related = ("inviter", "invitation")
    search_help_text = _("Search by the member's whole login name, or #number.")
    fields = list_display

    def pages_beside(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return the page of the quotas, if the reader may see it."""
        if not may_see(self.admin_site, InvitationQuota, request):
            return []
        return [(list_of(self.admin_site, InvitationQuota), gettext("Quotas"))]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return the fields to search, for the site's own user model.

        Fields that the reader may not search are left out.
        """
        return self.searchable(request, user_search_fields("inviter"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the entries with their invitations; ``None`` for those that were deleted."""
        return super().get_queryset(request).select_related(*self.list_select_related)

    def look_up(self, text: str, seen: set[str]) -> Search:
        """Return the entries that a text finds."""
        search = Search(text)
        search.add_number(QuotaEntry)
        if ACCOUNT in seen:
            search.add_accounts(QuotaEntry, "inviter")
        return search

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns. The invitation is a link if the reader may see it."""
        columns = self.shown(request, self.list_display)
        linked = may_see(self.admin_site, InvitationKey, request)
        return ["invited_link" if name == "invited" and linked else name for name in columns]

    @admin.display(description=_("change"), ordering="change")
    def signed(self, entry: QuotaEntry) -> str:
        """Return the change with its sign."""
        return f"{entry.change:+d}"

    @admin.display(description=_("invitation"), ordering="invitation")
    def invited(self, entry: QuotaEntry) -> str:
        """Return the address or label of the invitation; its number if it was deleted."""
        return name_of(entry.invitation) if entry.invitation else self.invitation_number(entry)

    @admin.display(description=_("inviter"))
    def inviter_number(self, entry: QuotaEntry) -> str:
        """Return the number of the member, for readers who may not see accounts."""
        return number_of(entry.inviter)

    @admin.display(description=_("invitation"))
    def invitation_number(self, entry: QuotaEntry) -> str:
        """Return the number of the invitation, for readers who may not see invitations."""
        return NOBODY if entry.invitation_id is None else f"#{entry.invitation_id}"

    @admin.display(description=_("invitation"), ordering="invitation")
    def invited_link(self, entry: QuotaEntry) -> str:
        """Return the text of ``invited`` as a link to the invitation."""
        if entry.invitation is None:
            return self.invitation_number(entry)
        address = page_of(self.admin_site, entry.invitation)
        return format_html('<a href="{}">{}</a>', address, name_of(entry.invitation))


class LedgerMixin(GuardedMixin, BoundedMixin):
    """Admin with a column for the sum of the ledger, and a link to its entries."""

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns. The ledger is a link if the reader may see it."""
        return self.shown(request, [*super().get_list_display(request), self._ledger(request)])

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields. The ledger is a link if the reader may see it."""
        # The field for the member of a new quota stays: it shows no name. They have no ledger yet.
        fields = super().get_fields(request, obj)
        return [*fields, *self.shown(request, [] if obj is None else [self._ledger(request)])]

    def _ledger(self, request: HttpRequest) -> str:
        """Return the column for the sum of the ledger, with a link if the reader may follow it."""
        return "ledger" if may_see(self.admin_site, QuotaEntry, request) else "ledger_sum"

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Return a quota with the sum of its member's entries, or ``None``."""
        quota = super().get_object(request, *args, **kwargs)
        return quota and self.with_details(self.get_queryset(request)).get(pk=quota.pk)

    def with_details(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the quotas, each with the sum of its member's entries."""
        entries = QuotaEntry.objects.filter(inviter=OuterRef("inviter")).order_by()
        sums = entries.values("inviter").annotate(sum=Sum("change")).values("sum")
        total = Coalesce(Subquery(sums), Value(0), output_field=IntegerField())
        quotas: Any = super().with_details(queryset)
        return cast("QuerySet[Any]", quotas.annotate(entries_sum=total))

    @admin.display(description=_("ledger"))
    def ledger_total(self, quota: Any) -> int:
        """Return the sum of the ledger as a number, for exported files."""
        return int(quota.entries_sum)

    @admin.display(description=_("ledger"))
    def ledger_sum(self, quota: Any) -> Any:
        """Return the sum of the ledger. If the counters differ, return both."""
        # A quota on the page for a new one has no entries yet.
        entries, counters = getattr(quota, "entries_sum", 0), quota.granted - quota.spent
        if entries == counters:
            return f"{entries:+d}"
        return _("%(entries)+d, but the counters say %(counters)+d") % {
            "entries": entries,
            "counters": counters,
        }

    @admin.display(description=_("ledger"))
    def ledger(self, quota: InvitationQuota) -> Any:
        """Return the text of ``ledger_sum`` as a link to the entries."""
        entries = list_of(self.admin_site, QuotaEntry)
        query = urlencode({"inviter": quota.inviter_id})
        return format_html('<a href="{}?{}">{}</a>', entries, query, self.ledger_sum(quota))
