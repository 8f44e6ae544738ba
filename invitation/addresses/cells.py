"""Records of a table: its rows and their cells, also where quotation marks do not match."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from invitation.addresses import people

#: Most lines of one record, and the longest one, so that a lost quotation mark costs one row.
_LINES_MAX, _RECORD_MAX = 50, 20_000
_LINE = re.compile("\r\n|\r|\n")
#: Blank rows. Spreadsheets export thousands of them.
_BLANKS = re.compile(r"(?:[ ,;|\t]*(?:\r\n|\r|\n))+")

Row = tuple[int, list[str]]


class Broken(list[str]):
    """Row whose quotation marks do not match, cut where they may be meant to."""

    record: str


def rows(text: str, delimiter: str) -> Iterator[Row]:
    """Yield number and cells of each row that is not blank."""
    for number, record, whole in _records(text, delimiter):
        cells = _broken(record, delimiter) if whole is None else whole
        if not people.is_rule("".join(cells)):
            yield number, cells


def _records(text: str, delimiter: str) -> Iterator[tuple[int, str, list[str] | None]]:
    """Yield number, text and cells of each record that is not blank.

    The cells are ``None`` if the quotation marks do not match.
    """
    at, width, number = 0, 0, 0
    while at < len(text):
        blank = _BLANKS.match(text, at)
        if blank:
            rows_of = (text.count(mark, at, blank.end()) for mark in ("\n", "\r", "\r\n"))
            line_feeds, returns, both = rows_of
            number += line_feeds + returns - both
            at = blank.end()
            continue
        number += 1
        first_end, first_stop = end, stop = _line(text, at)
        quotes, lines = text.count('"', at, end), 1
        while quotes % 2 and lines < _LINES_MAX and stop < len(text) and stop - at <= _RECORD_MAX:
            start = stop
            end, stop = _line(text, start)
            quotes += text.count('"', start, end)
            lines += 1
        record = text[at:end]
        cells = None if quotes % 2 else cells_of(record, delimiter)
        if cells and lines > 1 and _swallowed(record, cells, delimiter, width):
            cells = None
        if cells is None:
            record, stop = text[at:first_end], first_stop
        elif lines == 1:
            width = max(width, len(cells))
        yield number, record, cells
        at = stop


def _line(text: str, at: int) -> tuple[int, int]:
    """Return the end of a line, and the start of the next one."""
    found = _LINE.search(text, at)
    return found.span() if found else (len(text), len(text))


def _swallowed(record: str, cells: list[str], delimiter: str, width: int) -> bool:
    """Return whether a cell of several lines has the row of another person in it."""
    others = _LINE.split(record)[1:]
    alike = width > 1 and any("@" in line and line.count(delimiter) + 1 == width for line in others)
    long = (cell for cell in cells if _LINE.search(cell))
    return alike and (len(cells) != width or any("@" in cell for cell in long))


def cells_of(record: str, delimiter: str) -> list[str] | None:
    """Return the cells of a record, or ``None`` if its quotation marks do not match."""
    # Strict: otherwise a missing quotation mark would turn the rest of the text into one cell.
    if '"' not in record:
        return [cell.lstrip(" ") for cell in record.split(delimiter)]
    lines = io.StringIO(record, newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        found = list(reader)
    except csv.Error:
        return None
    # Quotation marks in the middle of a cell have a meaning for people, but none for the reader.
    whole = len(found) == 1 and len(found[0]) == len(_divided(record, delimiter))
    return found[0] if whole else None


def _divided(record: str, delimiter: str) -> list[str]:
    """Return a record, divided by the marks that are outside quotation marks."""
    cells, start, inside = [], 0, False
    for found in re.finditer(f'["{re.escape(delimiter)}]', record):
        if found.group() == '"':
            inside = not inside
        elif not inside:
            cells.append(record[start : found.start()])
            start = found.end()
    return [*cells, record[start:]]


def _broken(record: str, delimiter: str) -> Broken:
    """Return a record such as ``"Doe, Ann" <ann@example.org>,7b`` with its marks as written."""
    divided = record.count('"') % 2 == 0 and len(record) <= _RECORD_MAX
    cells = _divided(record, delimiter) if divided else [record]
    broken = Broken(map(str.strip, cells))
    for place, cell in enumerate(broken):
        if len(cell) > 1 and cell[0] == cell[-1] == '"' and cell.count('"') == 2:
            broken[place] = cell[1:-1]
    broken.record = record
    return broken
