"""Parser for lists of people to invite: pasted text, or a table saved as CSV.

This module does not check the addresses. The rows contain the text as written, in the same order.
The size is checked first. Reading stops at the row after the last allowed one. Every step reads the
text once.

A table has rows of cells (see ``tables``). Any other text is a list of entries (see ``people``). An
entry is ``ann@example.org`` or ``Ann <ann@example.org>``.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from invitation.addresses import cells, people, tables
from invitation.addresses.headings import plain
from invitation.conf import conf
from invitation.exceptions import ListRefused

#: Rows by which the mark between the cells is found.
_SAMPLE = 200
_ANNOUNCEMENT = re.compile('"?sep=([,;\t|])"?[,;\t|]*(?:\r\n|\r|\n)', re.IGNORECASE)

#: First bytes of workbooks, and first words of address cards.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_CARDS = re.compile(r"\s*BEGIN:VCARD", re.IGNORECASE)
#: First words of other formats.
_FORMATS = (
    (
        "HTML",
        re.compile(r"\s*<(?:!doctype html|html|head|body|meta|style|table)[\s>]", re.IGNORECASE),
    ),
    ("XML", re.compile(r"\s*<\?xml\b", re.IGNORECASE)),
    ("JSON", re.compile(r'\s*(?:\[\s*)?\{\s*"')),
    ("RTF", re.compile(r"\s*\{\\rtf")),
    ("LDIF", re.compile(r"\s*(?:version: 1\s+)?dn::? ")),
)

#: Decimals of a round number: "1.0 MB".
_ROUND = re.compile(r"[.,]0(?=\s)")

#: Marks of a UTF-16 file. Spreadsheets write one with "Unicode text".
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Recipient(NamedTuple):
    """One row of the list, as it was written."""

    #: Number of the row in the table, with headings and blank rows counted, or of the entry in the
    #: list.
    number: int
    email: str
    name: str = ""
    note: str = ""
    language: str = ""
    groups: tuple[str, ...] = ()
    #: Whether the quotation marks of the row do not match, so that it has no cells.
    broken: bool = False


class Reading(NamedTuple):
    """What a list says, and in which column of a table its addresses are."""

    recipients: list[Recipient]
    #: Headings of the columns that may be meant; empty unless there are several.
    columns: list[str]
    #: Heading of the column that was read.
    column: str


def decode(data: bytes) -> str:
    """Return the text of a file.

    Raises ``ListRefused`` if it is too large or not text.
    """
    check_size(len(data))
    if data.startswith(_WORKBOOKS):
        message = _("This is a workbook. Save the table as “CSV UTF-8”, then try again.")
        raise ListRefused(message, code="list_workbook")
    encoding = "utf-16" if data.startswith(_UTF_16) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _no_text() from error
    if "\0" in text:  # UTF-16 without its mark, or not a text file
        raise _no_text()
    return text


def parse(text: str, *, pasted: bool = True, email_column: str = "") -> list[Recipient]:
    """Return the rows of a text; see ``read``."""
    return read(text, pasted=pasted, email_column=email_column).recipients


def read(text: str, *, pasted: bool = True, email_column: str = "") -> Reading:
    """Return the rows of a text, and the columns of its addresses.

    Raises ``ListRefused`` if it is too large, empty or of another kind. ``pasted`` means that the
    text comes from a form. Commas then separate people. In a file, they separate cells.
    ``email_column`` is the heading of the column with the addresses. Without it, the column is
    found by what is in it.
    """
    check_size(len(text))  # A character has at least one byte. This saves encoding a huge text.
    check_size(len(text.encode("utf-8", "surrogatepass")))
    text = people.unescaped(text.lstrip("\ufeff"))
    if _CARDS.match(text):
        message = _("These are address cards (vCard). Export your contacts as CSV, then try again.")
        raise ListRefused(message, code="list_cards")
    for name, beginning in _FORMATS:
        if beginning.match(text):
            message = _("This is %(format)s. Save the table as “CSV UTF-8”, then try again.")
            raise ListRefused(message, code="list_format", params={"format": name})
    most = conf.list_limit("rows")
    found: list[Recipient] = []
    columns = _columns(text, pasted, email_column)
    for recipient in _list(_announced(text)[1]) if columns is None else _recipients(columns):
        if len(found) == most:
            message = _("The list has more than %(limit)d rows. Divide it.")
            raise ListRefused(message, code="too_many_rows", params={"limit": most})
        found.append(recipient)
    if not found:
        raise ListRefused(_("This list is empty."), code="list_empty")
    choices = [] if columns is None else columns.choices()
    chosen = "" if columns is None else columns.heading(columns.main)
    chosen = next((one for one in choices if plain(one) == plain(chosen)), chosen)
    return Reading(found, choices if len(choices) > 1 else [], chosen)


def check_size(size: int) -> None:
    """Raise ``ListRefused`` for a list with more bytes than the site reads."""
    limit = conf.list_limit("bytes")
    if limit is not None and size > limit:
        message = _("The list is too large. It may have %(size)s. Divide it.")
        written = _ROUND.sub("", filesizeformat(limit))
        params = {"limit": limit, "size": written}
        raise ListRefused(message, code="list_too_large", params=params)


def _no_text() -> ListRefused:
    message = _("This file cannot be read as text. Save the table as “CSV UTF-8”, then try again.")
    return ListRefused(message, code="list_encoding")


def _columns(text: str, pasted: bool, email_column: str) -> tables.Columns | None:
    """Return the columns of a text that is a table, or ``None`` if it is a list."""
    separator, text = _announced(text)
    delimiter = _delimiter(text, separator or tables.DELIMITERS, pasted, email_column)
    if not delimiter:
        return None
    most = conf.list_limit("rows")
    rows = cells.rows(text, delimiter)
    table = list(rows if most is None else islice(rows, most + tables.TOP + 1))
    return tables.Columns(table, email_column)


def _announced(text: str) -> tuple[str, str]:
    """Return the separator from a spreadsheet's ``sep=`` line, and the text after it."""
    found = _ANNOUNCEMENT.match(text)
    return (found.group(1), text[found.end() :]) if found else ("", text)


def _delimiter(text: str, delimiters: str, pasted: bool, email_column: str) -> str:
    """Return the mark between the cells of a table, or an empty text if the text is a list.

    Raises ``ListRefused`` if no heading of the table is ``email_column``.
    """
    pasted = pasted and len(delimiters) > 1
    best, found = "", None
    headings: list[str] = []
    for delimiter in delimiters:
        columns = tables.Columns(list(islice(cells.rows(text, delimiter), _SAMPLE)), email_column)
        if email_column and columns.main is None:
            headings = max(headings, columns.headings, key=len)
            continue
        score = columns.score(pasted and delimiter != "\t")
        if score is not None and (found is None or score > found):
            best, found = delimiter, score
    if email_column and not best:
        message = _("The table has no column “%(name)s”. Its columns: %(columns)s.")
        columns_found = ", ".join(filter(None, map(str.strip, headings))) or "-"
        params = {"name": email_column, "columns": columns_found}
        raise ListRefused(message, code="list_column", params=params)
    return best


def _recipients(columns: tables.Columns) -> Iterator[Recipient]:
    for number, row in columns.above:
        yield Recipient(number, people.one(" ".join(row))[1])
    for number, row in columns.body:
        name, email = columns.person(row)
        yield Recipient(
            number=number,
            email=email,
            name=name,
            note=columns.get(row, "note"),
            language=columns.get(row, "language"),
            groups=columns.groups(row),
            broken=isinstance(row, cells.Broken) and email == row.record,
        )


def _list(text: str) -> Iterator[Recipient]:
    """Yield the entries of a list."""
    for number, (name, email) in enumerate(people.entries(text), start=1):
        yield Recipient(number, email, name)
