"""Search for a part of a text, whatever its letters' case and however they are composed.

Databases disagree about that. LIKE ignores case only for ASCII on SQLite, and by the locale or the
collation elsewhere. None of them finds ``é`` as one character in ``é`` as two. So a text with other
letters becomes a regular expression that names the spellings of each letter: those of Unicode's
case folding, composed (NFC) and decomposed (NFD). All databases read it the same way.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache, reduce
from itertools import product
from operator import or_

from django.db.models import Q

from invitation import addresses

#: Maximum number of characters of a text that a column can contain.
LENGTH_MAX = 254
#: Code points that are looked at for letters with case: those of Unicode's first two planes.
_PLANES = range(0x80, 0x20000)


def alike(text: str, *columns: str) -> Q:
    """Return the condition that one of these columns contains the text.

    The domain of an address is also found in its other form: ``bücher`` is ``xn--bcher-kva``.
    """
    forms = dict.fromkeys((text, addresses.to_ascii(text), addresses.to_unicode(text)))
    found = [_contains(column, form) for form, column in product(forms, columns)]
    return reduce(or_, found)


def _contains(column: str, text: str) -> Q:
    folded = fold(text)
    if folded.isascii() and "ss" not in folded:
        return Q(**{f"{column}__icontains": text})
    if len(folded) > LENGTH_MAX:
        return Q(pk__in=())
    return Q(**{f"{column}__regex": pattern(folded)})


def fold(text: str) -> str:
    """Return a text without case, composed. Texts that differ in these alone have the same form."""
    folded = unicodedata.normalize("NFC", text).casefold()
    return unicodedata.normalize("NFC", folded)


@lru_cache(maxsize=64)
def pattern(folded: str) -> str:
    """Return a regular expression of all spellings of a folded text.

    It has no character classes, because MariaDB compares bytes.
    """
    return "".join(_group(unit) for unit in _units(folded))


def _units(folded: str) -> Iterator[str]:
    """Yield the characters of a text, and those together that one letter is folded to (``ss``)."""
    known, start = _spellings(), 0
    while start < len(folded):
        sizes = (size for size in (3, 2) if folded[start : start + size] in known)
        size = next(sizes, 1)
        yield folded[start : start + size]
        start += size


def _group(unit: str) -> str:
    found = {form for one in (unit, *_spellings().get(unit, ())) for form in _forms(one)}
    if len(unit) > 1:
        each = (_group(char) for char in unit)
        return f"(?:{'|'.join(sorted(map(re.escape, found)))}|{''.join(each)})"
    found.update(unit.upper() if len(unit.upper()) == 1 else ())
    written = sorted(map(re.escape, found))
    return written[0] if len(written) == 1 else f"(?:{'|'.join(written)})"


def _forms(text: str) -> set[str]:
    """Return a text, composed and decomposed."""
    return {text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)}


@cache
def _spellings() -> dict[str, list[str]]:
    """Return the characters outside ASCII that are folded to a text, by this text.

    It takes a few hundredths of a second, once.
    """
    found: dict[str, list[str]] = {}
    for char in map(chr, _PLANES):
        if (folded := fold(char)) != char:
            found.setdefault(folded, []).append(char)
    return found
