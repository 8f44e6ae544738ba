"""What is wrong with the quotation marks of a row is said in true words, beside its number."""

from __future__ import annotations

from typing import Any

import pytest

from invitation.addresses import recipients
from invitation.flows import lists

pytestmark = pytest.mark.django_db

UNMATCHED = "unmatched_quotes", "The quotation marks in this row do not match."
LEAVE_OUT = "quoted_local_part", "Leave out the quotation marks."
MORE = "several_addresses", "There is more than one address here."

#: Row 3 of a table, with the code and the words beside it.
ROWS: dict[str, tuple[str, tuple[str, str]]] = {
    "lost at the end": ('"Bob,bob@example.org', UNMATCHED),
    "lost at the beginning": ('Bob",bob@example.org', UNMATCHED),
    "lost before the address": ('Bob,"bob@example.org', UNMATCHED),
    "lost behind the address": ('Bob,bob@example.org"', UNMATCHED),
    "one inside": ('Bo"b,bob@example.org', UNMATCHED),
    "two people": ('"Bob,bob@example.org Eve eve@example.org', UNMATCHED),
    "Japanese": ("Bob,\u300cbob@example.org\u300d", LEAVE_OUT),
    "matched": ('Bob,"bob@example.org, eve@example.org"', MORE),
}


@pytest.mark.parametrize(("row", "said"), ROWS.values(), ids=ROWS)
def test_it_says_what_is_wrong_and_costs_that_row_alone(
    member: Any, row: str, said: tuple[str, str]
) -> None:
    text = f"name,email\nAnn,ann@example.org\n{row}\nCarol,carol@example.org\n"
    rows = lists.check_list(member, recipients.parse(text, pasted=False)).rows
    assert [(one.number, one.verdict) for one in rows] == [(2, "new"), (3, "invalid"), (4, "new")]
    assert rows[1].code == said[0]
    assert str(rows[1].reason).startswith(said[1])


@pytest.mark.parametrize("marks", ['""{}""', "\u201c{}\u201d", "\u201e{}\u201c", "\u00ab{}\u00bb"])
def test_marks_around_a_whole_address_are_left_out(member: Any, marks: str) -> None:
    text = f"name,email\nBob,{marks.format('bob@example.org')}\nCarol,carol@example.org\n"
    rows = lists.check_list(member, recipients.parse(text, pasted=False)).rows
    assert [(one.email, one.verdict) for one in rows] == [
        ("bob@example.org", "new"),
        ("carol@example.org", "new"),
    ]


def test_a_row_that_is_understood_needs_no_words(member: Any) -> None:
    text = 'name,email\n"Smith, ""Annie"" Ann",ann@example.org\n"O\'Hara","""x"" <o@example.org>"\n'
    rows = lists.check_list(member, recipients.parse(text, pasted=False)).rows
    assert [(one.email, one.verdict) for one in rows] == [
        ("ann@example.org", "new"),
        ("o@example.org", "new"),
    ]
