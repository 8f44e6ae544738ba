"""People in a text: where one address ends and the next person begins.

No person is dropped, and nobody gets an address with the name of another person. Where that is not
clear, the text stays one entry, which is no address. The page then says so.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from invitation.addresses import headings, names

#: Marks between two people in a list, in any script, and every kind of line break.
BREAKS = "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"
SEPARATORS = ",;\t\uff0c\uff1b\u3001\u060c\u061b\ufe50\ufe54"
_MARKS = re.compile(f'["<>{SEPARATORS}{BREAKS}]')
#: Blanks, and invisible marks that programs put around an address (zero-width, direction).
_INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_BLANK = re.compile(rf"[\s{_INVISIBLE}]")
_MARGIN = "".join(filter(_BLANK.match, map(chr, range(0x10000))))
#: Marks that change the sign before them. A name may need them (flags, emoji), an address never.
_SELECTORS = "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0000, 0xE01F0))))
#: Marks and words between two addresses in one entry.
_BETWEEN = f"{_MARGIN}{SEPARATORS}|/&+>\u00b7\u2022"
_DASHES = "\u2010-\u2015\\-"
_BEFORE_NAME = re.compile(rf"[{re.escape(_BETWEEN)}{_DASHES}.:*~#=\u2192\u21d2]*")
_AFTER_NAME = re.compile(rf"(?:\s[{_DASHES}|=]+|[:\uff1a])\s*$")
#: Runs of what an address may be made of, up to the marks that end it. Each is read once.
_RUN = re.compile(rf"[^\s<>()\[\]|/\"{SEPARATORS}{_INVISIBLE}]+")
#: Mark of an item in a list, and cells that have only such a mark (Word's are letters).
_BULLET = re.compile(
    r"(?:(?:[-*+\u2013\u2014]|\d{1,4}[.)]|\(\d{1,4}\))\s+|[\u2022\u00b7\u2023\u25a0-\u25ff\u2713-"
    r"\u2718\u27a2-\u27a4]\s*)(?:\[[ xX]?\]\s+)?"
)
_MARK_ALONE = re.compile(r"\(?\d{1,4}[.)]?|[^\w@]|[o§üØ]")
#: Lines that divide a list, or the heading of a table from its rows.
_RULE = re.compile(rf"[{_DASHES}=_*.|:+~#\u2022\u00b7\s]*")
#: What stands between an address without brackets and the name of the next person.
_NEXT = re.compile(rf"\s*(?:[{SEPARATORS}/|&+\u00b7\u2022\u2192]|(\w+)\s)")
#: What may follow the last entry of a line.
_REST = re.compile(rf"[ {SEPARATORS}]*(?:[{BREAKS}]|$)")
_LOCAL_QUOTED = re.compile(r'"[^"@]*"@')
_MAILTO = re.compile("mailto:", re.IGNORECASE)
_QUOTED = re.compile(
    "[\"'\u00ab\u201c-\u201e\u2018\u201a\u2039](.*)[\"'\u00bb\u201c-\u201e\u2019\u203a]"
)
_QUOTED_TWICE = re.compile(
    "[\"\u00ab\u00bb\u201c-\u201e\u2039\u203a]|(?<!\\w)['\u2018-\u201a]|['\u2018-\u201a](?!\\w)"
)
#: Signs that web pages write for marks.
_ESCAPED = re.compile("&(?:lt|gt|amp|quot|apos|nbsp|commat|#0?39|#x27|#64);", re.IGNORECASE)
_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
#: A link in Markdown, and the second form of an address that Outlook writes.
_LINK = re.compile(r"\[([^\[\]]*)\]\((?:mailto:)?([^\s()<>@]+@[^\s()<>@]+)\)")
_AGAIN = re.compile(r"<mailto:([^\s<>@]+@[^\s<>@]+)>", re.IGNORECASE)
_BRACKETS = str.maketrans("\uff1c\uff1e", "<>")
_DOUBLED = re.compile("<{2,}|>{2,}")
#: Words before an address that may be no name, such as "To:".
_LABEL = re.compile("[\"']?([^:=@<>\"'\uff1a]{1,40})[\"']?\\s*[:=\uff1a]\\s*")
_DASH_MARKS = "-\u2013\u2014|"
_DASHED = re.compile(rf"\s[{_DASHES}|]+\s*$")
_OPENING, _CLOSING = "([{\uff08\u3010", ")]}\uff09\u3011"
#: Mark between the addresses of one person in exports of Google Contacts.
SEVERAL = ":::"


class _Piece(NamedTuple):
    """Text between two marks of a list, the mark after it, and whether it is alone in its line."""

    entry: str
    end: str
    alone: bool


def entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and address of each entry of a list; an entry that is no address has no name."""
    text = _rewritten(_BREAK_TAG.sub("\n", unescaped(text, quotes=True)))
    part: list[_Piece] = []
    before = "\n"
    for piece, end, at in _pieces(text):
        entry = piece.strip(_MARGIN)
        mark = end == "\t" and _MARK_ALONE.fullmatch(entry)
        alone = before == "\n" and bool(_REST.match(text, at))
        part.append(_Piece("" if mark or _RULE.fullmatch(entry) else entry, end, alone))
        before = end
        if end in "\n;":
            yield from _part(part)
            part = []


def _part(part: list[_Piece]) -> Iterator[tuple[str, str]]:
    """Yield the entries between two line breaks or semicolons."""
    half = ""
    part = _joined(_without_group(part))
    divided = _have_family_names_first(part)
    for piece in part:
        entry = piece.entry
        if divided and entry and not set("@<").intersection(entry):
            half = entry
        elif entry:
            if half:
                entry = f"{half}{' ' if entry[0] == '<' else ', '}{entry}"
            bullet = _BULLET.match(entry)
            yield from people(
                _without_and(entry[bullet.end() :] if bullet else entry), alone=piece.alone
            )
            half = ""


def _without_group(part: list[_Piece]) -> list[_Piece]:
    """Return a part without the name of a group, as in ``Team: Ann <a@x.org>, Bob <b@x.org>;``."""
    first, *others = part
    label, rest = _divided_by_colon(first.entry)
    several = part[-1].end == ";" and any("@" in piece.entry for piece in others)
    return [first._replace(entry=rest), *others] if label and several else part


def _joined(part: list[_Piece]) -> list[_Piece]:
    """Return a part with "Ann Smith, PhD <a@x.org>" and "Ann Smith, ann.smith@x.org" as pieces."""
    found: list[_Piece] = []
    for piece in part:
        name, mark, _alone = found[-1] if found else _Piece("", "", alone=False)
        named = (
            mark in (",", "\t") and 0 < len(name) <= names.NAME_MAX and not set('"@<') & set(name)
        )
        if named and mark == "," and names.is_suffix(piece.entry.partition("<")[0].strip(_MARGIN)):
            found[-1] = piece._replace(entry=f"{name}, {piece.entry}")
        elif named and is_address(piece.entry) and names.is_of(name, piece.entry):
            bullet = _BULLET.match(name)
            at = bullet.end() if bullet else 0
            found[-1] = piece._replace(entry=f'{name[:at]}"{name[at:]}" <{piece.entry}>')
        else:
            found.append(piece)
    return found


def _have_family_names_first(part: list[_Piece]) -> bool:
    """Return whether each person is written as "Doe, Ann <ann@example.org>", as programs do.

    If only some of them are, a text before a comma may be somebody else.
    """
    pieces = [piece for piece in part if piece.entry]
    halves, persons = pieces[::2], pieces[1::2]
    if len(halves) != len(persons):
        return False
    for half, (entry, _end, _alone) in zip(halves, persons, strict=True):
        first, _mark, address = entry.partition("<")
        comma = half.end == "," or (half.end == "\t" and not first.strip(_MARGIN))
        if not comma or set("@<").intersection(half.entry) or entry.count("@") != 1:
            return False
        if not names.is_in_reverse(half.entry, first, address):
            return False
    return True


def is_rule(text: str) -> bool:
    """Return whether a text is blank or only a line between rows."""
    return bool(_RULE.fullmatch(text))


def unescaped(text: str, *, quotes: bool = False) -> str:
    """Return a text with the marks that a web page has escaped, such as ``&lt;``."""

    def mark(found: re.Match[str]) -> str:
        kept = not quotes and "quot" in found.group().lower()
        return found.group() if kept else html.unescape(found.group().lower())

    return _ESCAPED.sub(mark, text)


def _rewritten(text: str) -> str:
    """Return a text with other ways to write ``Name <address>`` in this form."""

    def again(found: re.Match[str]) -> str:
        same = found.string.endswith(found.group(1), 0, found.start())
        return "" if same else found.group()

    text = _LINK.sub(r"\1 <\2>", _AGAIN.sub(again, text.translate(_BRACKETS)))
    return _DOUBLED.sub(lambda found: found.group()[0], text)


def _without_and(entry: str) -> str:
    """Return an entry without the word that the last one of a list begins with."""
    word, _blank, rest = entry.partition(" ")
    between = len(word) > 1 and names.is_between(word, word.lower())
    return rest.strip(_MARGIN) if "@" in rest and between else entry


def people(entry: str, *, alone: bool = True) -> list[tuple[str, str]]:
    """Return name and address of each person in an entry, or the entry as no address.

    ``alone`` means that nobody else is in its line, so that a text beside an address is the name of
    its owner.
    """
    entry = _unlabelled(_rewritten(entry))
    label, rest = _divided_by_colon(entry)
    return [("", label), *_people(rest, alone)] if label else _people(entry, alone)


def _people(entry: str, alone: bool) -> list[tuple[str, str]]:
    found = _addresses(entry)
    beside = _beside(entry, found[0], alone) if len(found) == 1 else None
    if len(found) < 2 or _LOCAL_QUOTED.search(entry):
        return [beside or one(entry)]
    name, address = one(entry)
    if name and clean(name).lower() == address.lower():
        return [("", address)]  # an address as its own name
    persons: list[tuple[str, str]] = []
    at, bracketed = 0, False
    for address_run in found:
        between = entry[at : address_run.start()]
        clear = not persons or bracketed or between[:1] == ">" or _is_next(between)
        name, bracketed = _name_before(between, first=not persons)
        at = address_run.end()
        quoted = f'"{name}"' in between
        mixed = "\\" in between or bool(set("@<>").intersection(name))
        mixed |= not quoted and (name.count('"') == 1 or names.may_be_two(name))
        sign = between.rstrip(f"{_MARGIN}<")[-1:]
        mixed |= bool(name and sign and sign in "/&+")
        ends = sign in "|>\u00b7\u2022"
        mixed |= bool(persons and name) and (not clear or ends or ("," in name and not quoted))
        if mixed or (name and not bracketed):
            return [("", entry)]
        persons.append((name, clean(address_run.group())))
    return [("", entry)] if _name_before(entry[at:].strip('"'), first=False)[0] else persons


def _is_next(between: str) -> bool:
    """Return whether a text after an address begins with the next person."""
    found = _NEXT.match(between)
    return bool(found and (not found.group(1) or names.is_between(found.group(1), between)))


def _name_before(text: str, *, first: bool) -> tuple[str, bool]:
    """Return the name between two addresses, and whether a bracket follows it."""
    name = text.rstrip(_MARGIN)
    bracketed = name.endswith("<")
    name = name.removesuffix("<").strip(_BETWEEN)
    if not first:
        name = names.without_mark(_BEFORE_NAME.sub("", name, count=1))
        bullet = _BULLET.match(name)
        name = name[bullet.end() :] if bullet else name
    return _AFTER_NAME.sub("", name).strip('"').strip(_MARGIN), bracketed


def _unlabelled(entry: str) -> str:
    """Return an entry without a word that says what follows, such as ``To:`` or ``Email:``."""
    found = _LABEL.match(entry)
    if not found or "@" not in entry[found.end() :]:
        return entry
    return entry[found.end() :] if headings.is_label(found.group(1).strip(_MARGIN)) else entry


def _divided_by_colon(entry: str) -> tuple[str, str]:
    """Return "Team" and the rest of ``Team: Ann <ann@example.org>``, or two empty texts.

    Before the colon may be somebody else.
    """
    found = _LABEL.match(_unlabelled(entry))
    if not found or not re.search("[:\uff1a]\\s+$", found.group()):
        return "", ""
    rest = found.string[found.end() :]
    name, bracket, _address = rest.partition("<")
    divided = bracket and name.strip(_MARGIN)
    return (found.group(1).strip(_MARGIN), rest) if divided else ("", "")


def _beside(entry: str, found: re.Match[str], alone: bool) -> tuple[str, str] | None:
    """Return name and address of ``Ann Smith (ann@example.org)`` and the like, or ``None``.

    The address must be whole: beside it are only marks that belong to no address. What is on one
    side must look like a name.
    """
    before, after = entry[: found.start()], entry[found.end() :]
    whole = not before or before[-1] in f"{_OPENING}{_MARGIN}'\"*_"
    whole = whole and (not after or after[0] in f"{_CLOSING}{_MARGIN}'\"*_")
    if not whole or set("<>").intersection(entry):
        return None
    address = clean(found.group())
    if not any(map(str.isalnum, before + after)):
        return "", address
    left, right = before.strip(_MARGIN), after.strip(f"{_MARGIN}.")
    name, words, clear = "", 2, False
    if left and not right:
        name = _AFTER_NAME.sub("", before)
        words, clear = 1 if _DASHED.search(before) else 2, left[-1] in ":\uff1a"
    elif left and right in _CLOSING and left[-1] in _OPENING:
        name, words, clear = left[:-1], 1, True
    elif right and not left:
        name = right.lstrip(f"{_OPENING}{_DASH_MARKS}").rstrip(_CLOSING)
        words = 1 if right[0] in f"{_OPENING}{_DASH_MARKS}" else 2
        clear = right[0] in _OPENING and right[-1] in _CLOSING
    name = name.strip(_MARGIN)
    good = (clear or alone) and _is_name(name, words) and not names.may_be_of_two(name, address)
    good = good and name.count("(") == name.count(")") and not (right and found.group()[-1] == ".")
    return (name, address) if good else None


def _is_name(text: str, least: int) -> bool:
    """Return whether a text of at least so many words looks like a name, not like a sentence."""
    words = [word for word in text.split() if word.lower() not in names.PARTICLES]
    written = all(word[0].isalpha() and not word[0].islower() for word in words)
    return (
        len(words) >= least
        and written
        and len(text) <= names.NAME_MAX
        and not set("@:").intersection(text)
    )


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
    found = _QUOTED.fullmatch(name)
    quoted = found and not _QUOTED_TWICE.search(found.group(1))
    if found and quoted:
        name = found.group(1).strip(_MARGIN)  # as Outlook writes it
    elif name.count('"') == 1:
        name = name.strip('"')  # the other one is lost
    name = _AFTER_NAME.sub("", name)
    address = clean(text[start + 1 : -1])
    unclear = name.count("(") != name.count(")") or ("@" in name and "@" not in address)
    if not quoted and not unclear and clean(name).lower() != address.lower():
        unclear = names.may_be_of_two(name, address)
    return ("", text) if unclear else (name, address)


def clean(address: str) -> str:
    """Return an address without what programs put around it.

    That is ``mailto:``, quotation marks, a full stop or a separator after it, and invisible marks.
    """
    address = address.strip(f"{_MARGIN}{_SELECTORS}{SEPARATORS}").rstrip(".")
    quoted = _QUOTED.fullmatch(address)
    if quoted:
        address = quoted.group(1).strip(_MARGIN)
    while address and unicodedata.category(address[0]) == "So":
        address = address[1:].lstrip(f"{_MARGIN}{_SELECTORS}")
    found = _MAILTO.match(address)
    if found:
        bare, _mark, rest = address[found.end() :].partition("?")
        address = address if "@" in rest else unquote(bare).strip(_MARGIN)
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


def _pieces(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield the pieces of a list, each with the mark that ends it, and where that is.

    Marks inside quotation marks or pointed brackets end nothing. A line break always ends a piece.
    So a missing closing mark breaks one line only.
    """
    start, inside = 0, ""
    for found in _MARKS.finditer(text):
        mark = found.group()
        if mark in BREAKS or (mark in SEPARATORS and not inside):
            yield text[start : found.start()], "\n" if mark in BREAKS else mark, found.start()
            start, inside = found.end(), ""
        elif inside:
            inside = "" if mark == inside else inside
        elif mark in '"<':
            inside = '"' if mark == '"' else ">"
    yield text[start:], "\n", len(text)
