"""Tables as CSV files whose cells a spreadsheet never executes."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.utils.formats import get_format
from django.utils.translation import get_language

#: Characters that make a spreadsheet read a cell as a formula (OWASP, "CSV Injection"), with their
#: full-width forms.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")
#: Separators of spreadsheets in other countries, followed by such a character. There a cell could
#: be split again.
_WITHIN = re.compile('([,;|\t][\\s"]*)([=+@\uff1d\uff0b\uff0d\uff20-])')


class _Echo:
    """File for the ``csv`` module that stores nothing and returns each line."""

    def write(self, line: str) -> str:
        """Return the line."""
        return line


def cell(value: Any) -> Any:
    """Return a value as a cell that is shown and never executed; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return value
    # NUL has no meaning in a table, and Python 3.10 cannot write it.
    text = str(value).replace("\0", "")
    text = _WITHIN.sub(r"\1'\2", text)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def labelled(label: str, column: str) -> str:
    """Return a heading of an export: in other languages, with the plain name of its column."""
    from invitation.addresses.headings import plain  # only reading and writing tables need it

    english = (get_language() or "en").partition("-")[0] == "en"
    return label if english or plain(label) == plain(column) else f"{label} ({column})"


def delimiter() -> str:
    """Return the mark between cells that spreadsheets expect in the active language.

    Where the comma is in numbers, as in German, French and Spanish, it is the semicolon.
    """
    return ";" if get_format("DECIMAL_SEPARATOR", use_l10n=True) == "," else ","


def lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Return the rows as lines of CSV (RFC 4180), made one at a time, to save memory.

    The first line begins with a byte order mark: spreadsheets recognise UTF-8 by it. The language
    that is active now decides the mark between the cells.
    """
    return _lines(rows, delimiter())


def _lines(rows: Iterable[Iterable[Any]], mark_between: str) -> Iterator[str]:
    writer = csv.writer(_Echo(), delimiter=mark_between, quoting=csv.QUOTE_MINIMAL)
    mark = "\ufeff"
    for row in rows:
        # The writer returns the result of the file's write(), although its type says otherwise.
        line: Any = writer.writerow([cell(value) for value in row])
        yield f"{mark}{line}"
        mark = ""
