"""Names beside addresses, and what stands between two people.

Nobody may be greeted with the name of somebody else. So a text with a mark or a word that divides
people is not the name of one person.
"""

from __future__ import annotations

import re
import unicodedata

#: Words between two people, and those of them that are never part of a name.
_ALWAYS = frozenset(("and", "und", "och", "oraz", "oder", "eller", "sowie"))
_BETWEEN = _ALWAYS.union(
    ("et", "y", "e", "en", "og", "i", "a", "ja", "ve", "și", "si", "és", "và", "dan"),
    # RUF001: the Cyrillic letters that look like Latin ones are meant.
    ("и", "та", "і", "й", "και", "و", "和", "与", "と", "및"),  # noqa: RUF001 (Ukrainian)
    ("or", "ou", "o", "u", "lub", "или", "або"),  # noqa: RUF001 (Ukrainian)
    ("with", "via", "mit", "avec", "con", "com", "plus"),
)
#: Punctuation that divides people, also without a blank beside it.
_DIVIDERS = frozenset(
    "/\\|\u00a6;:*!?%#@\u2020\u2021\u2022\u2023\u2027\u2026\u203b\u203c\u3002\uff0c\u3001\uff1b\uff1a\uff0f"
    "\uff3c\uff5c\uff0a\uff01\uff1f\uff03\uff20\ufe50\ufe54\u060c\u061b\u061f\u06d4\u0964"
)
_HYPHENS = "\\-\u2010\u2011\u2013\u058a\u05be\u30a0"
#: Letters of "Ann-Marie", "AT&T", "Marcel·lí" and Japanese names belong to one, these do not.
_APART = re.compile(
    rf"\s[{_HYPHENS}&+]|[{_HYPHENS}&+]\s|[{_HYPHENS}]{{2}}|[^\W_]{{3}}[&+][^\W_]{{3}}|\.\."
    r"|[^\w\s&+][&+]|[&+][^\w\s&+]"
    r"|(?<![lL])\u00b7|\u00b7(?![lL])|[\x00-\u02ff\s][\u30fb\uff65]|[\u30fb\uff65]\s"
)
_NARROW = str.maketrans("\uff06\uff0b\ufe60\ufe62", "&+&+")
#: Most characters of a name that is looked at closely.
NAME_MAX = 80
#: Words of a family name that may begin with a small letter.
PARTICLES = frozenset(
    (
        *("al", "bin", "da", "de", "del", "den", "der", "di", "dos", "du", "el", "la", "le"),
        *("van", "von"),
    )
)
#: What may follow a name after a comma. Each is written so by nobody who has it as a name.
_SUFFIXES = frozenset(
    (
        *("Jr", "Jr.", "Sr", "Sr.", "II", "III", "IV", "Esq", "Esq.", "Dr.", "Prof.", "PhD", "PHD"),
        *("Ph.D", "Ph.D.", "MD", "M.D.", "DDS", "D.D.S.", "DVM", "JD", "J.D.", "EdD", "Ed.D."),
        *("MBA", "M.B.A.", "MSc", "M.Sc.", "MPH", "M.A.", "M.Ed.", "LLM", "LL.M.", "B.A."),
        *("BSc", "B.Sc.", "RN", "CPA", "S.J.", "Inc", "Inc.", "Ltd", "Ltd.", "LLC", "GmbH"),
        *("R.N.", "C.P.A.", "P.E.", "PMP", "CFA", "PsyD", "PharmD", "LLB", "LL.B.", "Dipl.-Ing."),
    )
)
#: Full stop after a word that is no abbreviation, in the middle of a text.
_STOP = re.compile(r"(?:^|\s)[^\W\d_]+\s+[^\W\d_]{5,}\.\s")
_QUOTES = ('"', "'", "\u00ab", "\u201c", "\u201e", "\u2018", "\u201a", "\u2039")
_QUOTED = ('"', "'", "\u00bb", "\u201d", "\u201c", "\u2019", "\u2018", "\u203a")
#: Signs after which the name of the other one is missing.
_ENDS = ("/", "\\", "|", "&", "+", "\u00b7", "\u2022")
#: Pronouns that people add to their name: "Ann Smith (she/her)". It matches what they write.
_PRONOUN = "(?:she|hers?|he|him|his|they|theirs?|them|sie|ihr|er|ihm|ihn|elle|il|lui|iel|ella|él)"
_PRONOUNS = re.compile(rf"\s[(\[]{_PRONOUN}(?:\s?/\s?{_PRONOUN})+[)\]]\s*$", re.IGNORECASE)
_INNER = re.compile(r"[^\W_](?:.*[^\W_])?", re.DOTALL)


def is_between(word: str, name: str) -> bool:
    """Return whether a word of a text stands between two people, such as "and"."""
    plain = word.lower()
    loud = len(word) > 1 and word.isupper() and not name.isupper()
    return plain in _ALWAYS or (plain in _BETWEEN and (loud or word == plain))


def may_be_two(name: str) -> bool:
    """Return whether a text may be the names of two people."""
    found = _INNER.search(_PRONOUNS.sub("", name).translate(_NARROW))
    if not found:
        return False
    inner = found.group()
    words = inner.split()
    return (
        any(map(_divides, set(inner)))
        or bool(_APART.search(inner) or _STOP.search(inner))
        or not _ALWAYS.isdisjoint(map(str.lower, (words[0], words[-1])))
        or (not name.islower() and words[-1].islower() and words[-1] in _BETWEEN)
        or any(is_between(word, name) or not any(map(str.isalnum, word)) for word in words[1:-1])
    )


def may_be_of_two(name: str, address: str) -> bool:
    """Return whether a text beside an address may be the names of two people."""
    half, comma, first = _without_suffixes(name).partition(",")
    divided = comma and ("," in first or not is_in_reverse(half, first, address))
    return bool(divided) or _ends_with_quoted(name) or name.endswith(_ENDS) or may_be_two(name)


def is_suffix(text: str) -> bool:
    """Return whether a text only follows a name, such as "PhD"."""
    return bool(text) and _SUFFIXES.issuperset(text.split())


def is_in_reverse(half: str, first: str, address: str) -> bool:
    """Return whether "Doe" and "Ann" beside a comma are the names of one person.

    They may be if the family name is one word, or the address has a part of both. A first name in
    quotation marks is a whole one. So are both in the marks of any language.
    """
    if len(half) > NAME_MAX:  # Each word is looked for in the address.
        return False
    if half.startswith(_QUOTES) and first.rstrip().endswith(_QUOTED):
        return True
    if first.lstrip().startswith(_QUOTES):
        return False
    words = [_plain(word) for word in half.split() if word.lower() not in PARTICLES]
    local = rest = _plain(address.partition("@")[0])
    for word in words:
        rest = rest.replace(word, "", 1) if len(word) > 2 else rest
    known = rest != local and _plain(first.strip())[:1] in rest
    return (len(words) == 1 or known or not first.strip()) and not may_be_two(f"{half} {first}")


def is_of(name: str, address: str) -> bool:
    """Return whether an address has all words of a name, and no other one."""
    words = [word for part in name.split() if (word := _letters(part))]
    local = _letters(address.partition("@")[0].partition("+")[0])
    orders = ("".join(words), "".join((*words[-1:], *words[:-1])))
    return len(local) > 2 and local in orders and not may_be_two(name)


def may_be_name(text: str) -> bool:
    """Return whether a text of a cell may be the name of somebody."""
    return any(map(str.isalpha, text)) and not any(map(str.isdigit, text))


def without_mark(name: str) -> str:
    """Return a text without the marks and the word before the name of the next person."""
    name = _without_signs(name)
    word, _blank, rest = name.partition(" ")
    return _without_signs(rest) if is_between(word, name) else name


def _divides(char: str) -> bool:
    """Return whether a character inside a text divides people."""
    if char in "&+":  # see above
        return False
    kind = unicodedata.category(char)
    dash = kind == "Pd" and char not in _HYPHENS
    return dash or char in _DIVIDERS or kind in ("Cc", "Sc", "Sm", "So", "Zl", "Zp")


def _ends_with_quoted(name: str) -> bool:
    """Return whether a name such as ``"Bob Doe"`` is in quotation marks after another text."""
    if not name.endswith(('"', "\u201d")):
        return False
    start = max(name.rfind(mark, 0, -1) for mark in '"\u201c\u201e')
    return start > 0 and len(name[start + 1 : -1].split()) > 1


def _without_suffixes(name: str) -> str:
    """Return "Ann Smith" for "Ann Smith, MD, PhD"."""
    parts = name.split(",")
    while len(parts) > 1 and is_suffix(parts[-1].strip()):
        parts.pop()
    return ",".join(parts)


def _without_signs(text: str) -> str:
    kinds = ("Pd", "Po", "Sc", "Sm", "So", "Zs", "Cc", "Cf", "Mn")
    at = next((at for at, char in enumerate(text) if unicodedata.category(char) not in kinds), 0)
    return text[at:]


def _plain(text: str) -> str:
    """Return a text in small letters without accents."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, _plain(text)))
