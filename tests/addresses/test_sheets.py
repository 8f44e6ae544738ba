"""Tables for spreadsheets: shown as they are, executed never, written while they are sent."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from invitation.addresses import sheets

FORMULAS = [
    "=1+1",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\0=1+1",
    "  =1+1",
    "=cmd|' /C calc'!A0",
    "＝1+1",
    "＋1",
    "－1",
    "＠A1",
]


def read(rows: list[list[object]]) -> list[list[str]]:
    """Return what a spreadsheet finds in the cells."""
    text = "".join(sheets.lines(rows)).removeprefix("\ufeff")
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", FORMULAS, ids=range(len(FORMULAS)))
def test_a_formula_is_text(text: str) -> None:
    assert sheets.cell(text) == "'" + text.replace("\0", "").replace("\t", "\t'")


@pytest.mark.parametrize("text", ["ann@example.org", "1+1", "a=b", "", " ", "'=1", "Ann - Bob"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert sheets.cell(text) == text


@pytest.mark.parametrize("number", [0, -5, 2.5, True])
def test_a_number_stays_a_number(number: float) -> None:
    assert sheets.cell(number) is number


def test_what_python_3_10_cannot_write_is_left_out() -> None:
    assert read([["a\0b", "\0"]]) == [["ab", ""]]


def test_nothing_is_an_empty_cell() -> None:
    assert sheets.cell(None) == ""


def test_the_first_line_says_that_it_is_utf_8() -> None:
    first, second = sheets.lines([["é"], ["ü"]])
    assert (first, second) == ("\ufeffé\r\n", "ü\r\n")


def test_separators_quotes_and_line_breaks_stay_in_their_cell() -> None:
    row = ["a,b", 'say "yes"', "two\r\nlines", "semi;colon"]
    assert read([row, ["next"]]) == [row, ["next"]]


@pytest.mark.parametrize(
    "separator", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"]
)
@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", '"='])
def test_where_a_spreadsheet_cuts_at_another_mark_no_piece_is_a_formula(
    separator: str, start: str
) -> None:
    # In German, French or Spanish, Excel takes the semicolon for the end of a cell.
    # Elsewhere, it takes the comma in a file from one of those.
    with override("de" if separator == "," else "en"):
        [line] = sheets.lines([["ann@example.org", f"Fair{separator}{start}1+1"]])
    for piece in line.removeprefix("\ufeff").split(separator):
        assert not piece.lstrip(' "').startswith(sheets.FORMULA_STARTS)


@pytest.mark.parametrize(
    ("language", "mark"), [("en", ","), ("de", ";"), ("fr", ";"), ("es", ";"), ("ja", ",")]
)
def test_the_mark_between_cells_is_that_of_spreadsheets_in_the_language(
    language: str, mark: str
) -> None:
    with override(language):
        lines = sheets.lines([["a", "b"]])
    assert list(lines) == [f"\ufeffa{mark}b\r\n"]  # also where another language is active now


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1)))
def test_whatever_is_written_can_be_read_and_no_cell_is_a_formula(rows: list[list[str]]) -> None:
    # A line of one empty cell is written as "", which says that it is there.
    found = read(rows)  # type: ignore[arg-type]
    assert [[cell.replace("'", "") for cell in row] for row in found] == [
        [cell.replace("\0", "").replace("'", "") for cell in row] for row in rows
    ]
    for row in found:
        for cell in row:
            assert not cell.lstrip(" ").startswith(sheets.FORMULA_STARTS)


def test_memory_does_not_grow_with_the_table() -> None:
    def rows() -> Iterator[list[str]]:
        for number in range(20_000):
            yield [f"person{number}@example.org", "x" * 100]

    tracemalloc.start()
    written = sum(len(line) for line in sheets.lines(rows()))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert written > 2_000_000
    assert peak < 200_000
