"""Write tables as CSV that a spreadsheet opens and does not execute."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

#: What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection"), the
#: full-width forms included.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")
#: Where a spreadsheet of another country divides the line again, before such a character.
_WITHIN = re.compile('([;|\t][\\s"]*)([=+@\uff1d\uff0b\uff0d\uff20-])')


class _Echo:
    """Give back what is written: a file for the ``csv`` module that holds nothing."""

    def write(self, line: str) -> str:
        """Return the line."""
        return line


def cell(value: Any) -> Any:
    """Return a value as a cell that is shown and never executed; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return value
    # Of no use to anybody, and Python 3.10 cannot write it.
    text = str(value).replace("\0", "")
    text = _WITHIN.sub(r"\1'\2", text)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield the rows as lines of CSV (RFC 4180), one at a time: memory does not grow with them.

    The first line begins with a byte order mark, by which spreadsheets recognise UTF-8.
    """
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_MINIMAL)
    mark = "\ufeff"
    for row in rows:
        # The writer returns what the file's write() does, whatever its type says.
        line: Any = writer.writerow([cell(value) for value in row])
        yield f"{mark}{line}"
        mark = ""
