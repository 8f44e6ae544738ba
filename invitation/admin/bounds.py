"""Lists of the admin that stay fast in big tables: they count and sort a limited number of rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, cached_property
from django.utils.translation import gettext_lazy as _

from invitation.admin.base import AnyAdmin

if TYPE_CHECKING:
    Base = AnyAdmin
    AnyPaginator = Paginator[Any]
else:
    Base = object
    AnyPaginator = Paginator

#: Maximum number of rows that a list counts, sorts and divides into pages.
LIMIT = 10_000

TOO_MANY = _("The list has more than %(limit)d rows. Narrow the list first.")


def among_newest(model: Any) -> Q:
    """Return the condition to be among the newest ``LIMIT`` rows of a table.

    Use it beside conditions that no index serves.
    """
    pks = model._default_manager.order_by("-pk").values_list("pk", flat=True)
    last = list(pks[LIMIT - 1 : LIMIT])
    return Q(pk__gte=last[0]) if last else Q()


def few(rows: QuerySet[Any], column: str = "pk") -> list[Any] | None:
    """Return this column of the rows, or ``None`` if there are more than ``LIMIT`` rows.

    The order of ``rows`` must be that of an index. Without an order, a database may read the whole
    table, because it expects to find enough rows soon.
    """
    found = list(rows.values_list(column, flat=True)[: LIMIT + 1])
    return found if len(found) <= LIMIT else None


class BoundedPaginator(AnyPaginator):
    """Paginator of the first ``LIMIT`` rows, which it finds with one query."""

    @cached_property
    def pks(self) -> list[Any]:
        """Primary keys of the first rows, and of one more if there are more."""
        rows: Any = self.object_list
        return list(rows.values_list("pk", flat=True)[: LIMIT + 1])

    @cached_property
    def count(self) -> int:
        """Total of the rows on all pages."""
        return min(len(self.pks), LIMIT)

    @property
    def has_more(self) -> bool:
        """Whether there are rows beyond the last page."""
        return len(self.pks) > LIMIT


class BoundedList(ChangeList):
    """List of the admin that shows the first ``LIMIT`` rows, and leads to older ones.

    A longer list is always sorted from the newest row to the oldest.
    """

    #: Whether there are rows beyond the last page.
    has_more = False

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Return the chosen order, or the order of the primary keys if the list is long."""
        if self.params.get(ORDER_VAR) and not self.query and few(queryset.order_by("-pk")) is None:
            return ["-pk"]
        return super().get_ordering(request, queryset)

    def get_results(self, request: HttpRequest) -> None:
        """Find the rows of the page by their primary keys, and then what the page shows of them."""
        super().get_results(request)
        paginator: Any = self.paginator
        self.has_more = paginator.has_more
        if self.has_more:
            self.sortable_by = ()
        whole = not self.multi_page or (self.show_all and self.can_show_all)
        start = 0 if whole else (self.page_num - 1) * self.list_per_page
        end = paginator.count if whole else start + self.list_per_page
        pks = paginator.pks[start : min(end, paginator.count)]
        find = partial(detailed, self.model_admin, self.root_queryset, pks)
        self.result_list: Any = SimpleLazyObject(find)

    @property
    def older_url(self) -> str:
        """Query string of the list that begins after the last page."""
        name = f"{self.lookup_opts.pk.name}__lt"
        paginator: Any = self.paginator
        return self.get_query_string({name: paginator.pks[LIMIT - 1]}, remove=[ORDER_VAR])


def detailed(model_admin: Any, rows: QuerySet[Any], pks: list[Any]) -> list[Any]:
    """Return the rows with these primary keys, in this order, with what a page shows of them."""
    found = {row.pk: row for row in model_admin.with_details(rows.filter(pk__in=pks)).order_by()}
    return [found[pk] for pk in pks if pk in found]


def in_pieces(
    model_admin: Any, rows: QuerySet[Any], pks: list[Any] | None, size: int
) -> Iterator[Any]:
    """Yield these rows with their details, ``size`` at a time.

    ``pks`` is what ``few`` returned. The rows have the same order. Without them, the order is from
    the newest row to the oldest. Unlike ``iterator()``, this needs no cursor that stays open, and
    no memory for all rows.
    """
    if pks is not None:
        for start in range(0, len(pks), size):
            yield from detailed(model_admin, rows, pks[start : start + size])
        return
    rows = rows.order_by("-pk")
    piece = list(rows.values_list("pk", flat=True)[:size])
    while piece:
        yield from detailed(model_admin, rows, piece)
        piece = list(rows.filter(pk__lt=piece[-1]).values_list("pk", flat=True)[:size])


class BoundedMixin(Base):
    """Admin whose list reads a limited number of rows, however many the table has."""

    ordering = ("-pk",)
    paginator = BoundedPaginator
    show_full_result_count = False
    #: Facets count all rows for each choice of each filter.
    show_facets = ShowFacets.NEVER
    #: Actions that may be used on more than ``LIMIT`` rows at once.
    unbounded_actions: ClassVar[tuple[str, ...]] = ("export",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the class of the list."""
        return BoundedList

    def with_details(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows with related rows and columns that a page shows."""
        related: Any = self.list_select_related
        return queryset.select_related(*related) if related else queryset

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Run an action, or refuse one that would change more than ``LIMIT`` rows at once."""
        across = request.POST.get("select_across", "0") not in ("", "0")
        chosen = {action for action in request.POST.getlist("action") if action}
        bounded = not chosen.issubset(self.unbounded_actions)
        if across and bounded and few(queryset) is None:
            self.message_user(request, TOO_MANY % {"limit": LIMIT}, messages.ERROR)
            return None
        return super().response_action(request, queryset, *args, **kwargs)
