r"""Marks that show nothing, in plain and in escaped text.

Somebody may paste a key with a zero-width space inside. A log line quotes it with ``repr``, which
writes ``\u200b``; a path is percent-encoded; bytes are printed as ``\xe2\x80\x8b``. Whoever
reads the line takes the mark out and has the key. So secrets are looked for without the marks.
"""

from __future__ import annotations

import re
import unicodedata

#: Characters that show nothing and are no format characters.
_UNSEEN = frozenset(map(chr, (0x34F, *range(0xFE00, 0xFE10))))

#: Beginning of a byte, as percent-encoding and ``repr`` write it, perhaps several times.
_BYTE = r"(?:%(?:25)*|\\+x)"
_NEXT = rf"{_BYTE}[89ABab][0-9A-Fa-f]"
_CHARACTERS = (
    r"\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    r"\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff"
)
#: Where a mark may begin. A pattern of single characters is quick to search for in a long text.
_SIGN = re.compile(rf"[\\%&\xc2-\xf4{_CHARACTERS}]")
#: What may be a mark: the character, its number, its bytes in UTF-8, or its name in HTML.
_CANDIDATE = re.compile(
    r"(?P<bytes>[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})"
    rf"|(?P<char>[{_CHARACTERS}])"
    rf"|(?P<hex>{_BYTE}(?:[Cc][2-9A-Fa-f]|[Dd][0-9A-Fa-f]){_NEXT}"
    rf"|{_BYTE}[Ee][0-9A-Fa-f](?:{_NEXT}){{2}}|{_BYTE}[Ff][0-4](?:{_NEXT}){{3}})"
    r"|\\+u[Dd][Bb]40\\+u(?P<tag>[Dd][C-Fc-f][0-9A-Fa-f]{2})"
    r"|(?:\\+u\{?0{0,4}|\\+U0{0,3}|\\+x|&(?:amp;)*\#[xX]0*)(?P<number>[0-9A-Fa-f]{2,5})[;}]?"
    r"|&(?:amp;)*\#0*(?P<decimal>[0-9]{3,6});?"
    r"|&(?:amp;)*(?P<name>shy|zwnj|zwj|lrm|rlm|ZeroWidthSpace|NoBreak);?"
)
_HEX = re.compile(r"(?:%(?:25)*|\\+x)([0-9A-Fa-f]{2})")
#: Digits of a number in an escape, by its letter. More digits would belong to the text after it.
_DIGITS = {"x": 2, "u": 4}


def without_marks(text: str) -> tuple[str, list[int]]:
    """Return a text without its marks, and the place of each of its characters in the text.

    Without any mark, the list is empty.
    """
    places: list[int] = []
    end = 0
    for sign in _SIGN.finditer(text):
        found = _CANDIDATE.match(text, sign.start()) if sign.start() >= end else None
        span = _span(found) if found is not None else None
        if span is not None:
            places.extend(range(end, span[0]))
            end = span[1]
    if not end:
        return text, []
    places.extend(range(end, len(text)))
    return "".join(text[place] for place in places), places


def _span(found: re.Match[str]) -> tuple[int, int] | None:
    """Return the place of a mark, or ``None`` for anything else."""
    if found["name"] or found["tag"]:
        return found.span()
    if found["number"]:
        return _span_of_number(found)
    if found["char"]:
        is_mark = True
    elif found["decimal"]:
        is_mark = _is_mark(int(found["decimal"]))
    else:
        raw = found["bytes"]
        code = raw.encode("latin-1") if raw else bytes.fromhex("".join(_HEX.findall(found["hex"])))
        char = code.decode("utf-8", "replace")
        is_mark = len(char) == 1 and _is_mark(ord(char))
    return found.span() if is_mark else None


def _span_of_number(found: re.Match[str]) -> tuple[int, int] | None:
    """Return the place of an escaped mark. Its digits end where its escape ends."""
    digits, (start, end) = found["number"], found.span()
    escape = found[0][: found.start("number") - start]
    if escape[0] == "\\" and "{" not in escape:
        letter = escape.lstrip("\\")[0]
        zeros = escape.count("0")
        wanted = _DIGITS.get(letter, 8) - zeros
        if len(digits) < wanted:
            return None
        digits, end = digits[:wanted], found.start("number") + wanted
    return (start, end) if digits and _is_mark(int(digits, 16)) else None


def _is_mark(number: int) -> bool:
    char = chr(number) if number < 0x110000 else "x"
    return unicodedata.category(char) == "Cf" or char in _UNSEEN
