"""Secrets in a text, and the text without them.

A log line or an error report may be long, and it may quote a page several times. So the one
pattern of all secrets is tried only where a sign of one stands. Such signs are rare and quick to
find. ``tests/keys/test_written.py`` compares the result with that of the pattern alone.
"""

from __future__ import annotations

import re
from functools import cache

from django.utils.safestring import SafeString

from invitation.keys import marks

#: 16 random bytes, 128 bits, as URL-safe base64 (OWASP ASVS 5.0, 11.5.1 asks for 128).
LOCATOR_BYTES = 16
LOCATOR_LENGTH = 22
#: HMAC-SHA256, 32 bytes, as URL-safe base64.
SIGNATURE_LENGTH = 43

#: Pattern of a key, for finding one in a text.
PATTERN = re.compile(rf"[A-Za-z0-9_-]{{{LOCATOR_LENGTH}}}\.[A-Za-z0-9_-]{{{SIGNATURE_LENGTH}}}")

#: What programs and people leave around a link: blanks, punctuation, closing brackets and quotes,
#: also as HTML writes them, and marks that show nothing.
_LEFT_OVER = (
    r"(?:[\s.,;:!?/\\()\[\]{}<>\"'`*|\u2026\u2018-\u201f\u2039\u203a\u00ab\u00b7\u00bb\u3001\u3002"
    r"\u3008-\u3011\uff01\uff08\uff09\uff0c\uff0e\uff1a\uff1b\uff1e\uff1f\u00ad\u061c\u180e\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]|&(?:gt|lt|quot|nbsp|amp|#39|#x27);?)"
)
_WHOLE = re.compile(
    rf"{_LEFT_OVER}*(?P<whole>{PATTERN.pattern}|[A-Za-z0-9_-]{{43}}\.[A-Za-z0-9_-]{{22}})"
    rf"(?:{_LEFT_OVER}(?:_|{_LEFT_OVER})*)?"
)
#: Longest text in which a whole key is looked for.
_WHOLE_LENGTH_MAX = 100

#: Pattern of the text between the symbols of a typed code, also percent-encoded (see ``codes``).
_BETWEEN = (
    r"(?:[\s+\u2010-\u2015\u2212\u30fc\uff0d\uff70\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff-]"
    r"|%(?:25)*2[0Dd]|%(?:25)*[Ee]2%(?:25)*(?:80%(?:25)*(?:9[0-5]|8[BbCcDdEeFf])|81%(?:25)*[Aa]0"
    r"|88%(?:25)*92)|%(?:25)*[Ee]3%(?:25)*8(?:0%(?:25)*80|3%(?:25)*[Bb][Cc])|%(?:25)*[Cc]2%(?:25)*[Aa][Dd]"
    r"|%(?:25)*[Ee][Ff]%(?:25)*[Bb](?:[Cc]%(?:25)*8[Dd]|[Dd]%(?:25)*[Bb]0|8%(?:25)*[89][0-9A-Fa-f]"
    r"|[Bb]%(?:25)*[Bb][Ff]))*"
)
#: Pattern of a symbol as people type it, also full-width.
_SYMBOL = (
    r"(?:[0-9A-TV-Za-tv-z\uff10-\uff19\uff21-\uff34\uff36-\uff3a\uff41-\uff54\uff56-\uff5a]"
    r"|%(?:25)*[Ee][Ff]%(?:25)*[Bb][CcDd]%(?:25)*[89ABab][0-9A-Fa-f])"
)
_SLASH = r"(?:/|%(?:25)*2[Ff])"


#: Secrets in a text, as a browser or a proxy may have rewritten them. In this order: keys, and
#: tokens of unsubscribe links, which have the two parts the other way round (see ``unsubscribe``);
#: codes of shared links as the owner sees them (see ``codes``); QR codes of links (see ``qr``);
#: codes as people type them, and activation keys of a registration backend, both found by the text
#: before them.
_WRITTEN = (
    rf"(?P<key>{PATTERN.pattern}|[A-Za-z0-9_-]{{43}}\.[A-Za-z0-9_-]{{22}})".replace(
        r"\.", r"(?:\.|%(?:25)*2[Ee])"
    )
    + r"|(?:(?<![0-9A-Z-])|(?<=%[0-9A-F]{2}))"
    + r"(?P<code>[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){2})(?![0-9A-Z-])"
    + r"|(?P<drawn><svg\b[^>]*\bsegno\b.*?(?:</svg>|\Z))"
    # As people type it: only what stands before it tells.
    + rf"|(?P<asked>{_SLASH}join{_SLASH}|\b(?:code|word)(?:['\"]: ?\[?['\"]|=['\"]?))"
    + rf"{_BETWEEN}(?P<typed>{_SYMBOL}(?:{_BETWEEN}{_SYMBOL}){{11}})"
    + r"(?![0-9A-Za-z_])"
    + rf"|(?P<before>{_SLASH}activate{_SLASH}|activation_key['\"]?\s*[:=]\s*\[?['\"]?)"
    + r"(?P<activation>[\w.:%-]{20,})"
)
#: Name that registration backends give to an activation key. It has no pattern of its own.
ACTIVATION = "activation_key"
#: Text shown in place of a code. It contains no part of the code, because a code is short.
CODE_MASK = "****-****-****"

#: Characters of keys and codes, of their points and hyphens, and of what stands around them.
_OF_KEYS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.%-")
#: Sign of a key or a code: the point or the first hyphen, with enough on both sides.
_POINT = re.compile(
    r"\.(?<=[A-Za-z0-9_-]{22}\.)[A-Za-z0-9_-]{22}"
    r"|%(?<=[A-Za-z0-9_-]{22}%)(?:25)*2[Ee][A-Za-z0-9_-]{22}"
    r"|-(?<=[0-9A-HJKMNP-TV-Z]{4}-)[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}"
)
#: Beginning of a QR code, and of what stands before a typed code or an activation key.
_OPENING = re.compile("<svg|join|code|word|activate|activation_key")
#: Length of the shortest secret: a code.
_LENGTH_MIN = 14


class Secret(str):
    """Text that opens something: pages and emails print it, but ``repr`` hides it.

    Messages such as those of ``NoReverseMatch`` quote the values of a template. With this class,
    they do not write a secret into a log.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(conceal(str(self)))


class SecretMarkup(SafeString):
    """HTML whose ``repr`` hides the secrets in it, as ``Secret`` does."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(conceal(str.__str__(self)))


def mask(locator: str) -> str:
    """Return the part of a locator that people and logs may see."""
    return f"{locator[:6]}…"


def trim(text: str) -> str:
    """Return the whole key or unsubscribe token in a text, without what a program left around it.

    An email program may add the full stop or the bracket after a link to the link. Any other text
    is returned unchanged.
    """
    found = _WHOLE.fullmatch(text) if len(text) <= _WHOLE_LENGTH_MAX else None
    return text if found is None else found["whole"]


def conceal(text: str) -> str:
    """Return the text with every secret in it cut to the part that people may see.

    Secrets are keys, tokens of unsubscribe links, codes of shared links, QR codes of links, and
    activation keys. A custom code stays: it is public. A secret is also found with marks inside
    that show nothing, however a program writes them.
    """
    bare, places = marks.without_marks(text) if len(text) >= _LENGTH_MIN else (text, [])
    return _conceal(_without_marked(text, bare, places) if places else text)


def _without_marked(text: str, bare: str, places: list[int]) -> str:
    """Return the text without the secrets that are found without its marks."""
    parts, end = [], 0
    for one in _pattern().finditer(bare) if _may_hold(bare) else ():
        parts += [text[end : places[one.start()]], _cut(one)]
        end = places[one.end() - 1] + 1
    return "".join([*parts, text[end:]])


def _may_hold(text: str) -> bool:
    return bool(_POINT.search(text) or _OPENING.search(text))


def _conceal(text: str) -> str:
    if len(text) < _LENGTH_MIN or not _may_hold(text):
        return text
    found = _in_order(_keys_and_codes(text), _others(text))
    if found is None:
        return _pattern().sub(_cut, text)
    parts, end = [], 0
    for one in found:
        parts += [text[end : one.start()], _cut(one)]
        end = one.end()
    return "".join([*parts, text[end:]])


@cache
def _pattern() -> re.Pattern[str]:
    """Return the pattern of all secrets, which takes long to compile."""
    return re.compile(_WRITTEN, re.DOTALL)


def _keys_and_codes(text: str) -> list[re.Match[str]]:
    """Return what the pattern finds in each word with the sign of a key or a code."""
    found: list[re.Match[str]] = []
    end = 0
    for sign in _POINT.finditer(text):
        if sign.start() < end:
            continue
        start, end = sign.start(), sign.end()
        while start and text[start - 1] in _OF_KEYS:
            start -= 1
        while end < len(text) and text[end] in _OF_KEYS:
            end += 1
        found.extend(_pattern().finditer(text, start, end))
    return found


def _others(text: str) -> list[re.Match[str]]:
    """Return the QR codes, the typed codes and the activation keys."""
    found: list[re.Match[str]] = []
    end = 0
    for opening in _OPENING.finditer(text):
        start = opening.start()
        if opening[0] in ("join", "activate"):
            start = _slash_before(text, start)
        one = _pattern().match(text, start) if start >= end else None
        if one is not None and not _is_key_or_code(one):
            found.append(one)
            end = one.end()
    return found


def _slash_before(text: str, place: int) -> int:
    """Return where a slash before this place begins, perhaps percent-encoded several times."""
    start = place - 1
    if start > 0 and text[start] in "Ff":
        start -= 1
        while start and text[start] in "25":
            start -= 1
    return max(start, 0)


def _is_key_or_code(one: re.Match[str]) -> bool:
    return one["key"] is not None or one["code"] is not None


def _in_order(keys: list[re.Match[str]], others: list[re.Match[str]]) -> list[re.Match[str]] | None:
    """Return all of these from left to right, without keys and codes inside of others.

    Returns ``None`` if two overlap in another way. Then only the pattern knows which one counts.
    """
    if not all(map(_is_key_or_code, keys)):
        return None
    if not (keys and others):
        return keys or others
    found: list[re.Match[str]] = []
    for one in sorted([*keys, *others], key=lambda one: one.start()):
        if found and one.start() < found[-1].end():
            if one.end() > found[-1].end() or _is_key_or_code(found[-1]):
                return None
        else:
            found.append(one)
    return found


def _cut(found: re.Match[str]) -> str:
    if found["code"]:
        return CODE_MASK
    if found["typed"]:
        return found["asked"] + CODE_MASK
    if found["drawn"]:
        return "<svg…>"
    if found["activation"]:
        return found["before"] + mask(found["activation"])
    return mask(found["key"])
