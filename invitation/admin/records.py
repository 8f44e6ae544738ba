"""Admin pages of the acceptances."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from invitation.admin.base import (
    AnyAdmin,
    LookMixin,
    ReadOnlyMixin,
    inviter_link,
    inviter_name,
    name_of,
    tree_link,
    user_search_fields,
)
from invitation.admin.bounds import BoundedMixin
from invitation.admin.exporting import ExportMixin
from invitation.admin.filters import ActivatedFilter, NewAccountFilter
from invitation.admin.guarding import ACCOUNT, INVITATION, GuardedMixin, number_of
from invitation.admin.searching import Search, SearchMixin, search_invitations
from invitation.admin.trees import TreeMixin
from invitation.models import Acceptance
from invitation.templatetags.invitation_tags import invitation_breaks


@admin.register(Acceptance)
class AcceptanceAdmin(
    SearchMixin,
    GuardedMixin,
    TreeMixin,
    ExportMixin,
    ReadOnlyMixin,
    BoundedMixin,
    LookMixin,
    AnyAdmin,
):
    """Admin of the acceptances: which account accepted which invitation.

    It also has a page for each account that shows who invited whom.
    """

    actions = ("export",)
    export_name = "acceptances"
    export_fields = (
        "claimed_at",
        "user",
        "address",
        "inviter_name",
        "new_account",
        "activated_at",
    )

    guarded: ClassVar = {
        "account": ((ACCOUNT,), "account_number"),
        "user": ((ACCOUNT,), "user_number"),
        "address": ((INVITATION,), "invitation_number"),
        "recipient": ((INVITATION,), "invitation_number"),
        "inviter": ((ACCOUNT,), "inviter_number"),
        "inviter_name": ((ACCOUNT,), "inviter_number_alone"),
    }
    guarded_searches: ClassVar = {
        "user": ACCOUNT,
        "invitation__from_user": ACCOUNT,
        "invitation": INVITATION,
    }

    list_display = ("claimed_at", "account", "recipient", "inviter", "activated_at")
    list_filter = (ActivatedFilter, NewAccountFilter)
    list_select_related = ("user", "invitation__from_user")
    search_fields = ("invitation__email", "invitation__label")
    search_help_text = _(
        "Search by the invited address or its beginning, #number, or the whole login name of the "
        "account or the inviter."
    )
    fields = ("account", "address", "inviter", "claimed_at", "activated_at", "new_account")

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return the fields to search, for the site's own user model.

        Fields that the reader may not search are left out.
        """
        people = [*user_search_fields("user"), *user_search_fields("invitation__from_user")]
        return self.searchable(request, [*self.search_fields, *people])

    def look_up(self, text: str, seen: set[str]) -> Search:
        """Return the acceptances that a text finds."""
        search = Search(text)
        search.add_number(Acceptance)
        if ACCOUNT in seen:
            search.add_accounts(Acceptance, "user")
        search.add_of(Acceptance, search_invitations(text, seen))
        return search

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns that the reader may see."""
        return self.shown(request, super().get_list_display(request))

    @admin.display(description=_("account"), ordering="user")
    def account(self, acceptance: Acceptance) -> str:
        """Return the account that accepted, as a link to its tree page."""
        return tree_link(self.admin_site, acceptance.user)

    @admin.display(description=_("invitation to"), ordering="invitation__email")
    def address(self, acceptance: Acceptance) -> str:
        """Return the address of the invitation, or the label of its shared link."""
        return name_of(acceptance.invitation)

    @admin.display(description=_("invitation to"), ordering="invitation__email")
    def recipient(self, acceptance: Acceptance) -> str:
        """Return the text of ``address``, which breaks after the sign of an address."""
        return invitation_breaks(self.address(acceptance))

    @admin.display(description=_("inviter"), ordering="invitation__from_user")
    def inviter_name(self, acceptance: Acceptance) -> Any:
        """Return the inviter."""
        return inviter_name(acceptance.invitation)

    @admin.display(description=_("inviter"), ordering="invitation__from_user")
    def inviter(self, acceptance: Acceptance) -> str:
        """Return the inviter, as a link to their tree page."""
        return inviter_link(self.admin_site, acceptance.invitation)

    # -- columns for readers who may not see accounts or invitations -----------------------------

    @admin.display(description=_("account"))
    def account_number(self, acceptance: Acceptance) -> str:
        """Return the number of the account, as a link to its tree page."""
        return tree_link(self.admin_site, acceptance.user, number_of(acceptance.user))

    @admin.display(description=_("account"))
    def user_number(self, acceptance: Acceptance) -> str:
        """Return the number of the account."""
        return number_of(acceptance.user)

    @admin.display(description=_("invitation to"))
    def invitation_number(self, acceptance: Acceptance) -> str:
        """Return the number of the invitation."""
        return number_of(acceptance.invitation)

    @admin.display(description=_("inviter"))
    def inviter_number(self, acceptance: Acceptance) -> str:
        """Return the number of the inviter, as a link to their tree page."""
        invitation = acceptance.invitation
        return inviter_link(self.admin_site, invitation, number_of(invitation.from_user))

    @admin.display(description=_("inviter"))
    def inviter_number_alone(self, acceptance: Acceptance) -> str:
        """Return the number of the inviter."""
        invitation = acceptance.invitation
        site = invitation.from_site
        return inviter_name(invitation) if site else number_of(invitation.from_user)
