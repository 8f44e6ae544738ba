"""Search in the lists of the admin: by indexes in all rows, by parts of words in the newest rows.

No search reads a whole table, whatever its text is. Each index is asked for ``MOST`` rows at the
most. If it has more, the page says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db.models import F, Q, QuerySet, Value
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from invitation import addresses
from invitation.admin.base import account_fields
from invitation.admin.bounds import LIMIT, among_newest
from invitation.admin.guarding import ACCOUNT, INVITATION, GuardedMixin, readable
from invitation.delivery.base import get_delivery
from invitation.delivery.members import INDEXES, declared_index
from invitation.exceptions import AddressRefused
from invitation.models import InvitationKey
from invitation.models.alike import alike
from invitation.models.querysets import begins

if TYPE_CHECKING:
    Base = GuardedMixin
else:
    Base = object

#: Maximum number of rows that a search takes from each index.
MOST = 1_000
#: Text that is the number of a row. The number is not larger than a database allows.
_NUMBER = re.compile(r"#?([0-9]{1,18})")
#: Part of a key that the admin shows, or a whole key.
_HINT = re.compile(r"([\w-]{6})(?:\u2026|[\w.-]{16,})?", re.ASCII)

CUT = _("More than %(most)d rows were found. Type more to find the others.")


class Search:
    """Search for one text, and the primary keys of the rows that it finds."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.pks: set[Any] = set()
        #: Whether an index had more rows than were taken.
        self.is_cut = False

    def add(self, rows: QuerySet[Any], column: str = "pk") -> None:
        """Take rows that an index finds and sorts."""
        found = list(rows.values_list(column, flat=True)[: MOST + 1])
        self.is_cut = self.is_cut or len(found) > MOST
        self.pks.update(found[:MOST])

    def add_number(self, model: Any) -> None:
        """Take the row that the text is the number of."""
        if number := _NUMBER.fullmatch(self.text):
            self.add(model._default_manager.filter(pk=int(number.group(1))))

    def add_newest(self, model: Any, condition: Q) -> None:
        """Take those of the newest rows that meet a condition without an index."""
        rows = model._default_manager.filter(among_newest(model), condition)
        self.add(rows.order_by("-pk"))

    def add_accounts(self, model: Any, relation: str) -> None:
        """Take the rows of the accounts that the text names."""
        exact, others = accounts_named(self.text)
        for account in exact:
            self.add(model._default_manager.filter(**{relation: account}).order_by("-pk"))
        if others:
            self.add_newest(model, Q(**{f"{relation}__in": others}))

    def add_of(self, model: Any, invitations: Search) -> None:
        """Take the rows of the invitations that another search has found."""
        self.is_cut = self.is_cut or invitations.is_cut
        rows = model._default_manager.filter(invitation__in=list(invitations.pks))
        self.add(rows.order_by("-invitation_id"))


def accounts_named(text: str) -> tuple[list[Any], list[Any]]:
    """Return the accounts whose name or address is the text, and others that contain it.

    The address counts only if the user table has an index that finds it. The others are looked for
    only if there are at most ``LIMIT`` accounts: no index serves that.
    """
    model: Any = get_user_model()
    rows = model._default_manager.order_by("pk").values_list("pk", flat=True)
    name, *address = account_fields()
    exact = list(rows.filter(**{name: text})[:MOST])
    index = get_delivery().email_index or declared_index(model)
    if address and index is not None:
        function = INDEXES[index] or (lambda one: one)
        written = rows.annotate(invitation_address=function(F(address[0])))
        exact += written.filter(invitation_address=function(Value(text)))[:MOST]
    if rows[: LIMIT + 1].count() > LIMIT:
        return exact, []
    return exact, list(rows.filter(alike(text, name, *address))[:MOST])


def search_invitations(text: str, seen: set[str]) -> Search:
    """Return the invitations that a text finds, by what the reader may see."""
    search = Search(text)
    if ACCOUNT in seen:
        search.add_accounts(InvitationKey, "from_user")
    if INVITATION not in seen:
        return search
    rows = InvitationKey.objects.get_queryset()
    search.add_number(InvitationKey)
    if address := _beginning_of_address(search.text):
        search.add(begins(rows, "email_key", address))
    if hint := _HINT.fullmatch(search.text):
        search.add(begins(rows, "locator", hint.group(1)))
    parts = alike(search.text, "email", "recipient_name", "word")
    search.add_newest(InvitationKey, parts | alike(search.text, "label") & Q(shared=True))
    return search


def _beginning_of_address(text: str) -> str:
    """Return a text in the form of ``addresses.canonical``; empty if no address begins so."""
    try:
        return addresses.canonical(text)
    except AddressRefused:
        lowered = addresses.to_ascii(text).lower()
    return lowered if lowered.isascii() and len(lowered) <= addresses.LENGTH_MAX else ""


class SearchMixin(Base):
    """Admin whose search reads indexes, and no whole table."""

    if TYPE_CHECKING:

        def look_up(self, text: str, seen: set[str]) -> Search:
            """Return the rows that a text finds. ``seen``: the models that the reader may see."""
            raise NotImplementedError  # for the type checker alone; each admin has its own

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return those of the rows that a text finds."""
        if not search_term.strip():
            return queryset, False
        search = self.look_up(search_term, readable(self.admin_site, request))
        if search.is_cut and request.method == "GET":
            self.message_user(request, CUT % {"most": MOST}, messages.WARNING)
        return queryset.filter(pk__in=search.pks), False
