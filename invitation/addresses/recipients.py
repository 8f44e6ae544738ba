"""Parser for lists of people to invite: pasted text, or a table saved as CSV.

This module does not check the addresses. The rows contain the text as written, in the same order.
The size is checked first. Reading stops at the row after the last allowed one. Every step reads the
text once.

A table has a line of headings. The columns are in any order: email address, name, note, language,
groups. They may have the names that address books use. Commas, semicolons or tabs are between the
cells. Without headings, only the addresses are read. Any other text is a list, with commas,
semicolons or line breaks between the entries. An entry is ``ann@example.org`` or
``Ann <ann@example.org>``.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

from invitation.conf import conf
from invitation.exceptions import ListRefused

#: Names of the columns, with only the letters and digits of the heading. "notes" is not one of
#: them: address books keep private notes about a person there.
HEADINGS: dict[str, tuple[str, ...]] = {
    "email": (
        "email",
        "mail",
        "emailaddress",
        "emailaddresses",
        "mailaddress",
        "email1",
        "email1value",
        "primaryemail",
        "emailadresse",
        "mailadresse",
        "adressemail",
        "adresseemail",
        "courriel",
        "correo",
        "correoelectronico",
    ),
    "name": ("name", "fullname", "displayname", "recipientname", "recipient"),
    "first": ("firstname", "givenname", "vorname", "prenom"),
    "last": ("lastname", "familyname", "surname", "nachname"),
    "note": ("note", "message", "personalnote"),
    "language": ("language", "lang", "locale", "sprache", "langue", "idioma"),
    "groups": ("groups", "group"),
}
_COLUMN_OF = {heading: column for column, names in HEADINGS.items() for heading in names}
_HEADING_LENGTH_MAX = 64

_DELIMITERS = ",;\t"
_ANNOUNCEMENT = re.compile("sep=([,;\t|])(?:\r\n|\r|\n)", re.IGNORECASE)
_LINE_END = re.compile("[\r\n]")
#: Marks that end or quote an entry of a list.
_MARKS = re.compile('["<>,;\t\r\n]')
_GROUP_MARKS = re.compile("[,;|]")

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


def decode(data: bytes) -> str:
    """Return the text of a file.

    Raises ``ListRefused`` if it is too large or not text.
    """
    check_size(len(data))
    encoding = "utf-16" if data.startswith(_UTF_16) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _no_text() from error
    if "\0" in text:  # UTF-16 without its mark, or not a text file
        raise _no_text()
    return text


def parse(text: str, *, pasted: bool = True) -> list[Recipient]:
    """Return the rows of a text.

    Raises ``ListRefused`` if it is too large, empty or broken. ``pasted`` means that the text comes
    from a form. Commas then separate people. In a file, they separate cells.
    """
    check_size(len(text))  # A character has at least one byte. This saves encoding a huge text.
    check_size(len(text.encode("utf-8", "surrogatepass")))
    text = text.removeprefix("\ufeff")
    most = conf.INVITATION_BULK_MAX_ROWS
    found: list[Recipient] = []
    for recipient in _read(text, pasted):
        if len(found) == most:
            message = _("The list has more than %(limit)d rows. Please divide it.")
            raise ListRefused(message, code="too_many_rows", params={"limit": most})
        found.append(recipient)
    if not found:
        raise ListRefused(_("There is nobody in this list."), code="list_empty")
    return found


def check_size(size: int) -> None:
    """Raise ``ListRefused`` for a list with more bytes than the site reads."""
    limit = conf.INVITATION_BULK_MAX_BYTES
    if size > limit:
        message = _("The list is too large: at most %(limit)d bytes can be read. Please divide it.")
        raise ListRefused(message, code="list_too_large", params={"limit": limit})


def _no_text() -> ListRefused:
    message = _(
        "This file cannot be read as text. Please save the table as “CSV UTF-8” and try again."
    )
    return ListRefused(message, code="list_encoding")


def _read(text: str, pasted: bool) -> Iterator[Recipient]:
    """Return the rows of a text, read as a table or as a list.

    The first line decides.
    """
    separator, text = _announced(text)
    first = _first_line(text)
    by_number = sorted(_DELIMITERS, key=first.count, reverse=True)
    for delimiter in separator or by_number:
        columns = _headings(_cells(first, delimiter))
        if "email" in columns:
            return _table(text, delimiter, columns)
    delimiter = separator or by_number[0]
    addresses = sum("@" in cell for cell in _cells(first, delimiter))
    if separator or (addresses == 1 and (not pasted or "\t" in first)):
        return _table(text, delimiter, {})
    return _list(text)


def _announced(text: str) -> tuple[str, str]:
    """Return the separator from a spreadsheet's ``sep=`` line, and the text after it."""
    found = _ANNOUNCEMENT.match(text)
    return (found.group(1), text[found.end() :]) if found else ("", text)


def _first_line(text: str) -> str:
    """Return the first line that is not blank."""
    rest = text.lstrip(" \r\n")
    end = _LINE_END.search(rest)
    return rest[: end.start()] if end else rest


def _headings(cells: Iterable[str]) -> dict[str, int]:
    """Return the positions of the known columns; of two equal headings, the first counts."""
    columns: dict[str, int] = {}
    for place, cell in enumerate(cells):
        plain = unicodedata.normalize("NFKD", cell[:_HEADING_LENGTH_MAX]).casefold()
        heading = "".join(char for char in plain if char.isascii() and char.isalnum())
        if heading in _COLUMN_OF and "@" not in cell:
            columns.setdefault(_COLUMN_OF[heading], place)
    return columns


def _cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line, or none if it is not a line of a table."""
    try:
        return next(_reader(line, delimiter), [])
    except csv.Error:
        return []


def _reader(text: str, delimiter: str) -> Iterator[list[str]]:
    # Strict: otherwise a missing quotation mark would turn the rest of the text into one cell.
    lines = io.StringIO(text, newline="")
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)


def _table(text: str, delimiter: str, columns: dict[str, int]) -> Iterator[Recipient]:
    """Yield the rows of a table; without ``columns`` it has no headings."""
    headed = bool(columns)
    reader = enumerate(_reader(text, delimiter), start=1)
    while True:
        try:
            number, cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            message = _("The table cannot be read. Perhaps its quotation marks do not match.")
            raise ListRefused(message, code="list_broken") from error
        if not any(map(str.strip, cells)):
            continue
        if headed:
            headed = False  # This row has the headings.
            continue
        if not columns:
            places = [place for place, cell in enumerate(cells) if "@" in cell]
            columns = {"email": places[0]} if places else columns
        yield _recipient(number, cells, columns or {"email": 0})


def _recipient(number: int, cells: list[str], columns: dict[str, int]) -> Recipient:
    row = {name: cells[place].strip() for name, place in columns.items() if place < len(cells)}
    name, email = _entry(row.get("email", ""))
    whole = row.get("name") or " ".join(filter(None, (row.get("first"), row.get("last"))))
    return Recipient(
        number=number,
        email=email,
        name=whole or name,
        note=row.get("note", ""),
        language=row.get("language", ""),
        groups=tuple(filter(None, map(str.strip, _GROUP_MARKS.split(row.get("groups", ""))))),
    )


def _list(text: str) -> Iterator[Recipient]:
    """Yield the entries of a list."""
    number, half = 0, ""
    for piece, end in _pieces(text):
        entry = piece.strip()
        if half and "<" in entry:
            entry = f"{half} {entry}" if entry[0] == "<" else f"{half}, {entry}"
        elif half:
            number += 1
            yield Recipient(number, half)
        half = ""
        if end == "," and not set("@<").intersection(entry):
            half = entry  # perhaps "Doe, Ann <ann@example.org>", which some programs write
        elif entry:
            number += 1
            name, email = _entry(entry)
            yield Recipient(number, email, name)


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a list, each with the mark that ends it.

    Marks inside quotation marks or pointed brackets end nothing. A line break always ends a piece.
    So a missing closing mark breaks one line only.
    """
    start, inside = 0, ""
    for found in _MARKS.finditer(text):
        mark = found.group()
        if mark in "\r\n" or (mark in ",;\t" and not inside):
            yield text[start : found.start()], mark
            start, inside = found.end(), ""
        elif inside:
            inside = "" if mark == inside else inside
        elif mark in '"<':
            inside = '"' if mark == '"' else ">"
    yield text[start:], "\n"


def _entry(text: str) -> tuple[str, str]:
    """Return name and address of ``Name <address>``, or an empty name and the text."""
    text = text.strip()
    start = text.rfind("<")
    if start < 0 or not text.endswith(">"):
        return "", text
    name = text[:start].strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('\\"', '"')
    return name, text[start + 1 : -1].strip()
