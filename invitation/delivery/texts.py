r"""Checks that make names and notes safe for emails that the site sends.

Email programs turn words into links. A name or a note is thus enough for a phishing email. Such an
email comes from the site's own address and passes SPF, DKIM and DMARC. A link here is text that the
common programs turn into a link, and a little more. Every Unicode spelling counts (NFKC):

- ``://`` and ``//server``, ``mailto:``, ``tel:`` and similar, ``\\server`` and ``www.``;
- ``name.tld``: a dot between two characters, with two or more letters after it. ``e.g.``,
  ``v2.0``, ``U.S.A.`` and ``wait...what`` are not links. Two sentences without a blank between
  them are a link, because ``soon.Bye`` looks like a domain;
- the ideographic full stop, if Latin letters or a country in Chinese or Korean follow it;
- ``a@b``, and an IPv4 address;
- a phone number: seven or more digits, with at most three of blank, ``.``, ``-``, ``(``, ``)``
  and ``/`` between two of them. A date or two years alone are not a phone number.

``check_text`` refuses links, so that the writer can change the text. ``plain_name`` refuses
nothing, because the name may come from an account. It takes the links apart.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from invitation.exceptions import TextRefused

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

NAME_LENGTH_MAX = 60
TEXT_LENGTH_MAX = 500
#: Factor by which a text may be longer before invisible characters are removed. The length is
#: always checked first, because normalising is quadratic in a run of combining marks.
_SLACK = 4

_LINE_BREAK = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
#: Control characters, format characters (bidi, zero-width), lone surrogates.
_UNSEEN_CATEGORIES = frozenset(("Cc", "Cf", "Cs"))
#: Letters, marks and symbols that are displayed as nothing.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")

_SCHEMES = (
    "https?|ftps?|sftp|file|mailto|tel|callto|sms|smsto|mms|sips?|xmpp|skype|facetime"
    "|facetime-audio|whatsapp|tg|zoommtg|msteams|magnet|bitcoin|geo|news|data|javascript|vbscript"
)
_COUNTRIES = "中国|中國|香港|台湾|台灣|澳門|澳门|新加坡|한국"
#: Anything in a piece without blanks that may become a link. Each alternative needs one of _JOINTS,
#: so a piece without them is not a link.
_LINK = re.compile(
    r"://|//\S|\\\\"
    rf"|(?<!\w)(?:{_SCHEMES}):\S"
    r"|(?<!\w)www[.。]\S"
    r"|[^\s.]\.[^\W\d_]{2}"
    r"|[^\s.]\.+(?:com|edu|gov|int|mil|net|org)(?!\w)"  # some programs accept empty labels
    rf"|[^\s.。]。(?:[a-z]{{2,}}|{_COUNTRIES})(?!\w)"
    r"|\S@\S"
    r"|\d\.\d{1,3}\.\d{1,3}\.\d",
    re.IGNORECASE,
)
_JOINTS = str.maketrans(dict.fromkeys(r"./\:@。", " "))

_DASHES = "\u2010-\u2015\u2212-"
_BETWEEN_DIGITS = re.compile(rf"(?<=\d)[ .()/{_DASHES}]{{1,3}}(?=\d)")
_SEVEN_DIGITS = re.compile(r"\d{7}")
_NUMBER = re.compile(rf"[+(]?\d[\d .()/{_DASHES}]*")
_DAY, _MONTH = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])"
_YEAR = "(?:19|20)[0-9]{2}"
_DATE = re.compile(
    rf"(?<![\d+./-])(?:{_YEAR}[./-]{_MONTH}[./-]{_DAY}|{_DAY}[./-] ?{_DAY}[./-] ?{_YEAR}"
    rf"|{_YEAR}[/{_DASHES}]{_YEAR})(?!\d|[./-]\d)"
)
#: The part of an email address that a name must not show. A leading @ begins a user name instead.
_DOMAIN_PART = re.compile("(?!^)[@\ufe6b\uff20]\\S*")

_REGIONAL_INDICATORS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_TAGS = frozenset(map(chr, range(0xE0020, 0xE0080)))
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))


#: Marks without a look of their own that scripts and emoji need: joiners and selectors of a form.
_JOINER, _NON_JOINER = "\u200d", "\u200c"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
#: Letters and marks of the scripts in which a joiner changes a word: Arabic and its like, those of
#: India and Sri Lanka, Tibetan, Burmese, Khmer and Mongolian.
_JOINING = (
    "\u0620-\u065f\u066e-\u06d3\u06d5-\u06dc\u06df-\u06ef\u06fa-\u07f5\u0840-\u085b\u08a0-\u08ff"
    "\u0900-\u0963\u0971-\u09e3\u09f0-\u0a65\u0a70-\u0ae5\u0af9-\u0b65\u0b71-\u0be5\u0c00-\u0c65"
    "\u0c80-\u0ce5\u0cf1-\u0d65\u0d7a-\u0de5\u0df2\u0df3\u0f40-\u0fbc\u1000-\u103f\u1050-\u108f"
    "\u1780-\u17b3\u17b6-\u17d3\u1820-\u18aa\ufb50-\ufdfb\ufe70-\ufefc"
)
_EMOJI = (
    "\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2900-\u2bff\u3030\u303d"
    "\u3297\u3299\xa9\xae\U0001f000-\U0001faff"
)
#: A mark that is needed where it stands, with what stands around it.
_NEEDED = re.compile(
    rf"(?<=[{_JOINING}])[{_JOINER}{_NON_JOINER}](?=[{_JOINING}])"
    rf"|(?<=[{_EMOJI}])[\ufe0e\ufe0f]?{_JOINER}(?=[{_EMOJI}])"
    rf"|(?<=[{_EMOJI}])[\ufe0e\ufe0f]"
    r"|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    rf"|(?<=[\u2e80-\u2fdf\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])[{_SELECTORS}]"
    r"|(?<=\U0001f3f4)[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"
)
_SELECTOR = re.compile(f"[{_SELECTORS}]")


def plain_name(text: str, limit: int = NAME_LENGTH_MAX) -> str:
    """Return a name that is safe in an email and its headers: one short line without links.

    The result is composed (NFC) and has at most ``limit`` characters. It has no control, bidi or
    zero-width characters, except joiners where a script or an emoji needs them. It has nothing that
    an email program would link: dots, slashes, colons and @ of such words become blanks, and the
    digits of a phone number are removed. It has no encoded word (RFC 2047), which an email program
    would decode in a header. The result can be empty. It is stable:
    ``plain_name(plain_name(text)) == plain_name(text)``.
    """
    return _plain_name(str(text or "")[: _SLACK * limit], limit)


@lru_cache(maxsize=256)
def _plain_name(text: str, limit: int) -> str:
    """Return the name; cached, because the emails of one inviter all have theirs."""
    name = " ".join(_visible(text).split())
    while (safe := _cut(_visible(_defang(name)), limit)) != name:
        name = safe
    return name


def check_text(text: str, limit: int = TEXT_LENGTH_MAX, *, links: bool = False) -> str:
    r"""Return the text in a form that is safe in an email, or raise ``TextRefused``.

    The result is composed (NFC), without control, bidi and zero-width characters, except joiners
    where a script or an emoji needs them. Line breaks
    become ``\n``. Codes: ``text_too_long`` (more than ``limit`` characters) and ``link_in_text``
    (anything like a link, an address or a phone number). With ``links``, the second code is never
    raised.
    """
    text = str(text or "")
    cleaned = _visible(text).strip() if len(text) <= _SLACK * limit else text
    if len(cleaned) > limit:
        message = _("Write at most %(limit)d characters.")
        raise TextRefused(message, code="text_too_long", params={"limit": limit})
    if links:
        return cleaned
    for piece in cleaned.split():
        if _is_link(piece):
            message = _(
                "“%(piece)s” would become a link in the email. Leave out links and addresses, and "
                "put a space after each full stop."
            )
            raise TextRefused(message, code="link_in_text", params={"piece": piece[:40]})
    if _holds_phone_number(cleaned):
        message = _("Leave out phone numbers and other long numbers.")
        raise TextRefused(message, code="link_in_text")
    return cleaned


def inviter_name(user: AbstractBaseUser | AnonymousUser | None) -> str:
    """Return the inviter's name for emails and pages: the full name, else the username.

    It never shows an email address: only the part before the @ stays. The result is empty without a
    user, or without a name that can be shown.
    """
    if user is None:
        return ""
    full_name = getattr(user, "get_full_name", str)  # not every custom user model has it
    name = plain_name(_DOMAIN_PART.sub(" ", str(full_name() or "")))
    return name or plain_name(_DOMAIN_PART.sub(" ", str(user.get_username() or "")))


def _visible(text: str) -> str:
    """Return the text in NFC, with line breaks as newlines and without invisible characters."""
    text = _LINE_BREAK.sub("\n", text).replace("\t", " ")
    kept, end = [], 0
    for needed in _NEEDED.finditer(text):
        kept += [_seen(text[end : needed.start()]), needed[0]]
        end = needed.end()
    return unicodedata.normalize("NFC", "".join([*kept, _seen(text[end:])]))


def _seen(text: str) -> str:
    """Return the text without characters that are not displayed."""
    seen = (
        char
        for char in text
        if char == "\n"
        or (char not in _UNSEEN and unicodedata.category(char) not in _UNSEEN_CATEGORIES)
    )
    return _SELECTOR.sub("", "".join(seen))


def _bare(text: str) -> str:
    """Return the text without the marks on and between its letters."""
    return "".join(
        char
        for char in text
        if not unicodedata.category(char).startswith("M") and unicodedata.category(char) != "Cf"
    )


def _is_link(piece: str) -> bool:
    """Return whether a program could link the piece: unchanged, normalised, or without marks."""
    folded = unicodedata.normalize("NFKC", piece)
    return any(map(_LINK.search, (piece, folded, _bare(folded))))


def _holds_phone_number(text: str) -> bool:
    """Return whether seven digits belong together, after dates were removed."""
    folded = _bare(unicodedata.normalize("NFKC", text))
    return bool(_SEVEN_DIGITS.search(_BETWEEN_DIGITS.sub("", _DATE.sub("x", folded))))


def _defang(name: str) -> str:
    """Return the name with links, phone numbers and encoded words taken apart."""
    pieces = (
        unicodedata.normalize("NFKC", piece).translate(_JOINTS) if _is_link(piece) else piece
        for piece in name.replace("=?", "= ?").split()
    )
    name = " ".join(pieces)
    if _holds_phone_number(name):
        name = _NUMBER.sub(" ", unicodedata.normalize("NFKC", name))
    return " ".join(name.split())


def _cut(text: str, limit: int) -> str:
    """Return at most ``limit`` characters, and never half of a visible character at the end."""
    end = limit
    while 0 < end < len(text) and _continues(text, end):
        end -= 1
    return text[: end or limit]


def _continues(text: str, index: int) -> bool:
    """Return whether the character at ``index`` belongs to the one before (UAX #29, simplified)."""
    char = text[index]
    if char in _REGIONAL_INDICATORS:
        before = text[:index]
        return (len(before) - len(before.rstrip(_REGIONAL_INDICATORS))) % 2 == 1
    if char == _JOINER or text[index - 1] == _JOINER or char in _TAGS:
        return True
    jamo = "\u1160" <= char <= "\u11ff"
    return jamo or char in _SKIN_TONES or unicodedata.category(char).startswith("M")
