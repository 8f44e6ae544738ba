"""Pages of a long list: each begins at a row, so the last one costs as much as the first.

The URL of a page names the row before it, by ``before`` or ``after`` and its primary key. New rows
do not move the others to another page. A row that is gone or a text that is no number is no error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db.models import F, QuerySet

#: Most digits of a primary key in a URL. Each database can compare it.
DIGITS_MAX = 18


class Page(NamedTuple):
    """Primary keys of the rows on a page, the newest first, and what leads to its neighbours."""

    pks: list[int]
    #: Parameters of the pages with newer and with older rows; empty if there is none.
    newer: dict[str, int]
    older: dict[str, int]


def find_page(rows: QuerySet[Any], asked: Mapping[str, str], size: int) -> Page:
    """Return the page that the parameters of a URL ask for.

    Returns the first page if they name no row, or if no page begins there any more.
    """
    # The sum keeps PostgreSQL from reading the whole table by its primary key, which it does for a
    # member whose rows are old. It sorts the rows of the member instead.
    own_order = F("pk") + 0
    newest = rows.order_by(own_order.desc()).values_list("pk", flat=True)
    after, before = _number(asked.get("after", "")), _number(asked.get("before", ""))
    if after is not None:
        oldest = rows.filter(pk__gt=after).order_by(own_order).values_list("pk", flat=True)
        found = list(oldest[: size + 1])
        if len(found) > size:
            pks = found[size - 1 :: -1]
            return Page(pks, {"after": pks[0]}, {"before": pks[-1]})
    elif before is not None:
        found = list(newest.filter(pk__lt=before)[: size + 1])
        if found:
            return Page(found[:size], {"after": found[0]}, _older(found, size))
    found = list(newest[: size + 1])
    return Page(found[:size], {}, _older(found, size))


def _older(found: list[int], size: int) -> dict[str, int]:
    return {"before": found[size - 1]} if len(found) > size else {}


def _number(text: str) -> int | None:
    plain = text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX
    return int(text) if plain else None
