"""Tables of people: which rows there are, and which column has what.

The column of the addresses is found by what is in it: it has the most different addresses, and it
is the first of several. The headings tell the other columns (see ``headings``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from invitation.addresses import headings as words
from invitation.addresses import names, people, sheets
from invitation.addresses.cells import Broken, Row

DELIMITERS = ",;\t|"
#: Rows in which the headings are looked for.
TOP = 10
_GROUP_MARKS = re.compile("[,;|]")
_NAME_LENGTH_MAX, _HEADINGS_MAX = 80, 1000


class Person(NamedTuple):
    """Name and address in a row of a table."""

    name: str
    email: str


class Columns:
    """Places of the columns of a table, and its first row with a person."""

    def __init__(self, table: Sequence[Row], email_column: str = "") -> None:
        table = _with_headings_divided(table)
        main, several = _main_column(table)
        self.first, self.headings = _find_headings(table, main, email_column)
        self.body = table[self.first :]
        #: Rows with an address above the headings, such as the title of an export.
        self.above = [row for row in table[: self.first] if any("@" in cell for cell in row[1])]
        self.by_heading = words.known(self.headings)
        if main is not None and self.headings:
            main, several = _main_column(self.body, self.headings, self.by_heading.get("email"))
        if main is None and not email_column:
            main = self.by_heading.get("email")
        #: Column that is found by what is in it.
        self.found = main
        self.main = main = _place(self.headings, email_column) if email_column else main
        #: Columns with addresses.
        self.several = several
        self.width = len(self.headings) or _usual(len(cells) for _, cells in self.body)
        self._series = [] if main is None else [main]
        if main is not None and main < len(self.headings) and not email_column:
            self._series = words.series(self.headings, main)
        self._names = self._name_columns()

    def choices(self) -> list[str]:
        """Return the headings of the columns whose addresses may be meant, each once."""
        if self.found is None:
            return []
        others = words.series(self.headings, self.found) if self.headings else []
        several = sorted({self.found, *self.several})
        places = [at for at in several if at == self.found or at not in others]
        named = {words.plain(self._heading(at)): self.heading(at) for at in reversed(places)}
        return [heading for heading in reversed(named.values()) if heading]

    def heading(self, place: int | None) -> str:
        """Return the heading of a column in one line, or an empty text."""
        return "" if place is None else " ".join(self._heading(place).split())

    # -- is it a table? ------------------------------------------------------------------------

    def score(self, pasted: bool) -> tuple[int, int, int] | None:
        """Return how well a text is read as a table; ``None`` if it is a list."""
        if self.main is None:
            return None
        crowded = beyond = rows = pure = named = many = 0
        for _, cells in self.body:
            places = [place for place, cell in enumerate(cells) if "@" in cell]
            rows += 1
            crowded += len(places) > 1
            beyond += any(not self._heading(place) for place in places)
            named += len(places) < sum(1 for cell in cells if cell.strip())
            cell = cells[self.main] if self.main < len(cells) else ""
            many += people.count(cell) > 1
            pure += people.is_address(people.one(cell.partition(people.SEVERAL)[0])[1])
        good = (pure, len(self.by_heading), self.width)
        if not self.headings:
            # Without headings, commas separate people in a form, and a name from its address.
            written = sum(1 for _, cells in self.body if "<" in "".join(cells))
            listed = pasted or self.width < 2 or crowded * 2 > rows or written * 2 > rows
            return None if listed else good
        if beyond * 2 > rows or (len(self.headings) == 1 and many * 2 > rows):
            return None
        if self.by_heading:
            return good
        usual = _usual(len(cells) for _, cells in self.body)
        mails = all(words.is_mail(self._heading(place)) for place in self.several)
        unlike = usual != self.width or (crowded * 2 > rows >= named * 2 and not mails)
        return None if unlike else good

    def _heading(self, place: int) -> str:
        return self.headings[place].strip() if place < len(self.headings) else ""

    # -- names ---------------------------------------------------------------------------------

    def _name_columns(self) -> dict[str, int]:
        """Return the places of the names of those whose addresses are in the main column."""
        if self.main is None or not self.headings:
            return {}
        whose = words.whose(self._heading(self.main))
        parts = ("name", "first", "last")
        found = {
            part: self.by_heading[part]
            for part in parts
            if part in self.by_heading
            and words.whose(self._heading(self.by_heading[part])) == whose
        }
        near = self.main - 1
        if not found and near >= 0 and near not in self.by_heading.values():
            mine = [cells for _, cells in self.body if "@" in _cell(cells, self.main)]
            places = [
                place
                for place in range(self.main)
                if words.may_name(self._heading(place))
                and words.whose(self._heading(place)) == whose
                and _are_names([_cell(cells, place) for cells in mine])
                and (place == near or place + 1 not in self.several)
            ]
            if places == [near]:  # of several, nobody knows which
                found["name"] = near
        return found

    def name(self, cells: Sequence[str]) -> str:
        """Return the name in a row."""
        part = {key: _cell(cells, place) for key, place in self._names.items()}
        whole, first, last = (part.get(key, "") for key in ("name", "first", "last"))
        if whole and "last" not in self._names and first and first not in whole:
            return f"{first} {whole}"
        if whole and "first" not in self._names and last and last not in whole:
            return f"{whole} {last}"
        return whole or " ".join(filter(None, (first, last)))

    # -- a row ---------------------------------------------------------------------------------

    def person(self, cells: list[str]) -> Person:
        """Return name and address of a row; what is not understood is no address."""
        if isinstance(cells, Broken) and len(cells) != self.width:
            return Person("", cells.record)
        given = [_cell(cells, place) for place in self._series]
        text = next(filter(None, given), "")
        written = [cell for cell in cells if "@" in cell or cell.strip() == text]
        others = (at for at in range(len(cells)) if at not in self._series and "@" in cells[at])
        if any(self._is_lost(place, cells[place], text) for place in others):
            return Person("", " ".join(filter(str.strip, written)))
        if text.count(people.SEVERAL):
            text = next(filter(None, map(str.strip, text.split(people.SEVERAL))), "")
        found = people.people(text)
        name, email = found[0] if len(found) == 1 else ("", text)
        column = self.name(cells)
        if not column and not text and not any("@" in cell for cell in cells):
            return Person("", " ".join(filter(None, map(str.strip, cells))))
        if not self.headings and (name or not people.is_address(email)):
            return self._whole(cells, Person(name, email))
        if not self.headings:
            column = next((cell.strip() for cell in cells if names.is_of(cell, email)), "")
        if people.count(column, but=email):
            return Person("", text if column == text else f"{column} {text}")
        if people.count(column):
            column = column.replace(f"({email})", "").strip()  # as Outlook writes it
            column = "" if people.count(column) else column
        return Person(column or name, email)

    def _whole(self, cells: Sequence[str], person: Person) -> Person:
        """Return who is in a row without headings, if other cells may be somebody else."""
        others = (cell for at, cell in enumerate(cells) if at not in self._series)
        if not any(names.may_be_name(cell) for cell in others):
            return person
        return Person("", ", ".join(filter(None, map(str.strip, cells))))

    def _is_lost(self, place: int, cell: str, text: str) -> bool:
        """Return whether an address in this cell would not be seen."""
        heading = self._heading(place)
        if not heading:
            return True
        other = place not in self.several and words.is_mail(heading)
        return other and people.count(cell, but=people.one(text)[1]) > 0

    def get(self, cells: Sequence[str], column: str) -> str:
        """Return what a row has in a column that a heading names."""
        place = self.by_heading.get(column)
        return "" if place is None else _cell(cells, place)

    def groups(self, cells: Sequence[str]) -> tuple[str, ...]:
        """Return the groups in a row."""
        return tuple(filter(None, map(str.strip, _GROUP_MARKS.split(self.get(cells, "groups")))))


def _cell(cells: Sequence[str], place: int) -> str:
    """Return a cell as it was before an export made it safe."""
    text = cells[place].strip() if place < len(cells) else ""
    safe = text[:1] == "'" and text[1:].lstrip(" ").startswith(sheets.FORMULA_STARTS)
    return text[1:] if safe else text


def _main_column(
    body: Sequence[Row], headings: Sequence[str] = (), known: int | None = None
) -> tuple[int | None, list[int]]:
    """Return the column of the addresses, and all columns that have any."""
    found: dict[int, set[str]] = {}
    filled: Counter[int] = Counter()
    for _, cells in body:
        for place, cell in enumerate(cells):
            filled[place] += bool(cell.strip())
            if "@" in cell:
                address = people.one(cell.partition(people.SEVERAL)[0])[1]
                addresses = found.setdefault(place, set())
                if people.is_address(address):
                    addresses.add(address.lower())

    def order(place: int) -> tuple[bool, int, bool, int]:
        heading = headings[place] if place < len(headings) else ""
        other = known in found and bool(words.whose(heading))
        return other, -len(found[place]), place != known, place

    several = [place for place in sorted(found) if len(found[place]) * 2 >= filled[place]]
    return (min(found, key=order) if found else None), several


def _find_headings(
    table: Sequence[Row], main: int | None, email_column: str
) -> tuple[int, list[str]]:
    """Return the number of rows up to the headings, and the headings; 0 and none without any."""
    best, most, seen = -1, 0, False
    top: list[list[str]] = []
    for at, (_, cells) in enumerate(table[:TOP]):
        if email_column and _place(cells, email_column) is not None:
            return at + 1, cells
        if any("@" in cell for cell in cells):
            seen = True
            continue
        known = words.known(cells)
        sure = "email" in known and (not seen or len(known) > 1)
        above = main is not None and main < len(cells) and cells[main].strip()
        if len(known) > most and (sure or (above and not seen)):
            best, most = at, len(known)
        if not seen:
            top.append(cells)
    if best < 0 and main is not None and len(top) < len(table):
        # Unknown headings: the first row with the most cells.
        filled = [sum(1 for cell in cells if cell.strip()) for cells in top]
        best = filled.index(max(filled)) if filled else -1
        cells = top[best] if filled else []
        above = cells[main] if main < len(cells) else ""
        alone = sum(1 for cell in cells if cell.strip()) < 2
        named = any(map(str.isalpha, above))
        if not named or (alone and not words.is_mail(above)):  # else it is a person
            best = -1
    return (0, []) if best < 0 else (best + 1, table[best][1])


def _with_headings_divided(table: Sequence[Row]) -> Sequence[Row]:
    """Return a table, with the headings as cells if another mark divides them than its rows."""
    number, cells = table[0] if table else (0, [])
    written = list(filter(str.strip, cells))
    if len(written) != 1 or len(written[0]) > _HEADINGS_MAX:
        return table
    for delimiter in DELIMITERS:
        found = [heading.strip() for heading in written[0].split(delimiter)]
        if len(words.known(found)) > 1 and "email" in words.known(found):
            return [(number, found), *table[1:]]
    return table


def _place(headings: Sequence[str], wanted: str) -> int | None:
    """Return the place of the heading that a person has named."""
    plain = [words.plain(heading) for heading in headings]
    name = words.plain(wanted)
    return plain.index(name) if name in plain else None


def _usual(numbers: Iterator[int]) -> int:
    """Return the most frequent number; 0 if there is none."""
    return next((number for number, _ in Counter(numbers).most_common(1)), 0)


def _are_names(values: Sequence[str]) -> bool:
    """Return whether texts look like the names of different people."""
    values = [value for value in values if value]
    good = [
        value
        for value in values
        if len(value) < _NAME_LENGTH_MAX
        and any(map(str.isalpha, value))
        and not any(char.isdigit() or char == "@" for char in value)
    ]
    return bool(values) and len(good) == len(values) and len(set(good)) * 2 > len(good)
