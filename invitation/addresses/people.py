"""People in a text: where one address ends and the next person begins.

No person is dropped, and nobody gets an address with the name of another person. Where that is not
clear, the text stays one entry, which is no address. The page then says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Marks between two people in a list, in any script, and every kind of line break.
BREAKS = "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"
SEPARATORS = ",;\t\uff0c\uff1b\u3001\u060c\u061b\ufe50\ufe54"
_MARKS = re.compile(f'["<>{SEPARATORS}{BREAKS}]')
#: Blanks, and invisible marks that programs put around an address (zero-width, direction).
_INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_BLANK = re.compile(rf"[\s{_INVISIBLE}]")
_MARGIN = "".join(filter(_BLANK.match, map(chr, range(0x10000))))
#: Marks and words between two addresses in one entry.
_BETWEEN = f"{_MARGIN}{SEPARATORS}|/&+>\u00b7\u2022"
_AND = frozenset(
    ("and", "und", "et", "y", "e", "en", "och", "og", "i", "oraz", "и", "و", "和", "と")
)
#: Runs of what an address may be made of, up to the marks that end it. Each is read once.
_RUN = re.compile(rf"[^\s<>()\[\]|/\"{SEPARATORS}{_INVISIBLE}]+")
#: Mark of an item in a list.
_BULLET = re.compile(r"(?:[-*\u2022\u00b7\u2013]|\d{1,4}[.)])\s+")
_LOCAL_QUOTED = re.compile(r'"[^"@]*"@')
_MAILTO = re.compile("mailto:", re.IGNORECASE)
#: Mark between the addresses of one person in exports of Google Contacts.
SEVERAL = ":::"


def entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and address of each entry of a list; an entry that is no address has no name."""
    half = ""
    for piece, end in _pieces(text):
        entry = piece.strip(_MARGIN)
        if half and "<" in entry:
            entry = f"{half} {entry}" if entry[0] == "<" else f"{half}, {entry}"
        elif half:
            yield "", half
        half = ""
        if end in SEPARATORS and end not in ";\t" and not set("@<").intersection(entry):
            half = entry  # perhaps "Doe, Ann <ann@example.org>", which some programs write
        elif entry:
            bullet = _BULLET.match(entry)
            yield from people(entry[bullet.end() :] if bullet else entry)


def people(entry: str) -> list[tuple[str, str]]:
    """Return name and address of each person in an entry, or the entry as no address."""
    found = _addresses(entry)
    if len(found) < 2 or _LOCAL_QUOTED.search(entry):
        return [one(entry)]
    name, address = one(entry)
    if name and clean(name).lower() == address.lower():
        return [("", address)]  # an address as its own name
    persons: list[tuple[str, str]] = []
    at = 0
    for address_run in found:
        name, bracketed = _name_before(entry[at : address_run.start()], first=not persons)
        at = address_run.end()
        if set("@<>").intersection(name) or (name and not bracketed):
            return [("", entry)]
        persons.append((name, clean(address_run.group())))
    return [("", entry)] if _name_before(entry[at:].strip('"'), first=False)[0] else persons


def _name_before(text: str, *, first: bool) -> tuple[str, bool]:
    """Return the name between two addresses, and whether a bracket follows it."""
    name = text.rstrip(_MARGIN)
    bracketed = name.endswith("<")
    name = name.removesuffix("<").strip(_BETWEEN)
    word, _blank, rest = name.partition(" ")
    if not first and (word in _AND or (len(word) > 1 and word.lower() in _AND)):
        name = rest.strip(_BETWEEN)
    return name.strip('"').strip(_MARGIN), bracketed


def _addresses(text: str) -> list[re.Match[str]]:
    """Return where the addresses of a text are."""
    if text.count("@") == 0:
        return []
    return [run for run in _RUN.finditer(text) if "@" in run.group()[1:-1]]


def one(text: str) -> tuple[str, str]:
    """Return name and address of ``Name <address>``, or an empty name and the text.

    A name that has pointed brackets of its own is that of another person, who lost a mark.
    """
    text = text.strip(f"{_MARGIN}{SEPARATORS}")
    start = text.rfind("<")
    if start < 0 or not text.endswith(">"):
        return "", clean(text)
    name = text[:start].strip(_MARGIN).rstrip(SEPARATORS)
    inner = name[1:-1].replace('\\"', "")
    if len(name) > 1 and name[0] == name[-1] == '"' and '"' not in inner:
        return name[1:-1].replace('\\"', '"'), clean(text[start + 1 : -1])
    if "<" in name or ">" in name:
        return "", text
    if len(name) > 1 and name[0] == name[-1] == "'":
        name = name[1:-1]  # as Outlook writes it
    elif name.count('"') == 1:
        name = name.strip('"')  # the other one is lost
    return name, clean(text[start + 1 : -1])


def clean(address: str) -> str:
    """Return an address without what programs put around it.

    That is ``mailto:``, quotation marks, a full stop or a separator after it, and invisible marks.
    """
    address = address.strip(f"{_MARGIN}{SEPARATORS}").rstrip(".")
    if len(address) > 1 and address[0] == address[-1] and address[0] in "\"'":
        address = address[1:-1].strip(_MARGIN)
    found = _MAILTO.match(address)
    if found:
        bare, _mark, rest = address[found.end() :].partition("?")
        address = address if "@" in rest else bare.strip(_MARGIN)
    return address


def count(text: str, but: str = "") -> int:
    """Return how many addresses are in a text, without those that are ``but``."""
    other = but.lower()  # once: both may be a megabyte
    return sum(clean(run.group()).lower() != other for run in _addresses(text))


def is_address(text: str) -> bool:
    """Return whether a text looks like just one address."""
    local, _at, domain = text.partition("@")
    good = local and "." in domain and "@" not in domain
    return bool(good and _RUN.fullmatch(text))


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a list, each with the mark that ends it.

    Marks inside quotation marks or pointed brackets end nothing. A line break always ends a piece.
    So a missing closing mark breaks one line only.
    """
    start, inside = 0, ""
    for found in _MARKS.finditer(text):
        mark = found.group()
        if mark in BREAKS or (mark in SEPARATORS and not inside):
            yield text[start : found.start()], "\n" if mark in BREAKS else mark
            start, inside = found.end(), ""
        elif inside:
            inside = "" if mark == inside else inside
        elif mark in '"<':
            inside = '"' if mark == '"' else ">"
    yield text[start:], "\n"
