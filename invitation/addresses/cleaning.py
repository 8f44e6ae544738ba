"""Rules for email addresses: which ones are accepted, and their canonical form.

An address is accepted only if email reaches exactly the mailbox that is written. The mailbox in
``RCPT TO`` must be the stored address, letter by letter. Some software (mail libraries, relays)
decodes, reroutes or rewrites addresses that the standards allow. The rules here refuse such
addresses. email-validator then checks the syntax. Sources: CVE-2023-27043, CVE-2019-19844,
CVE-2026-41259; https://portswigger.net/research/splitting-the-email-atom.

The domain follows IDNA 2008 (RFC 5891), not IDNA 2003: ``straße.de`` and ``strasse.de`` are two
domains with two owners. A domain in its ASCII form (``xn--...``) is accepted unchanged. A domain in
its Unicode form must not look like another one (UTS #39).

Codes of ``AddressRefused``:

- ``not_text``: not a string
- ``blank``: nothing was entered
- ``too_long``: over 254 characters, or over 64 before the @ (RFC 5321, 4.5.3.1)
- ``control_characters``: line break, NUL, bidi or zero-width character, private or unassigned one
- ``encoded_word``: ``=?``, which mail libraries decode (RFC 2047)
- ``quoted_local_part``: a quotation mark of any kind, or a backslash
- ``display_name``: ``Name <address>``
- ``comment``: round brackets (RFC 5322, 3.2.2)
- ``domain_literal``: an IP address in square brackets
- ``several_addresses``: a list, or more than one @
- ``routed_address``: ``%``, ``!``, ``|`` or a backtick; some mail servers reroute these
- ``non_ascii_local_part``: needs SMTPUTF8, which few mail servers offer
- ``invalid_local_part``: other characters, a blank, a misplaced dot, an unusual first character
- ``unreachable_domain``: no dot, or a name outside the public internet (RFC 6761)
- ``lookalike_domain``: letters of several scripts, or letters that imitate Latin ones
- ``unusual_domain``: letters and dots that stand for others (full-width, ligature ...)
- ``invalid_domain``: not a domain name
- ``invalid_address``: no @, another sign that looks like it, or nothing on one side of it
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from invitation.exceptions import AddressRefused

LENGTH_MAX = 254
LOCAL_LENGTH_MAX = 64

#: Second names of a domain: both names lead to the same mailboxes.
_OTHER_NAMES = {"googlemail.com": "gmail.com"}

#: Characters that are removed around an address. Line breaks are not removed: they are refused.
_MARGIN = " \t\u00a0\u3000"
#: Control, format (bidi, zero-width), surrogate, private, unassigned; line and paragraph separator.
_UNSAFE_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))

_SINGLE = _("Enter only one email address.")
_WHOLE = _("Enter a whole address, such as ann@example.org.")
_BARE = _("Enter only the address, such as ann@example.org.")
_SPACES = _("Enter the address without spaces, such as ann@example.org.")
_LOCAL = _("The part before the @ has characters that cannot be used here.")
_DOMAIN = _("The domain after the @ is not valid. Check the spelling.")
_NAMED_DOMAIN = _("Use a domain name after the @.")
_UNQUOTED = _("Leave out the quotation marks.")

#: Quotation marks, also those of word processors, and the backslash.
_QUOTES = re.compile(r'["\\\u00ab\u00bb\u2018-\u201f\u2039\u203a\u300c-\u300f\uff02]')

#: Patterns that an address must not contain. The first match decides the code.
_FORBIDDEN: tuple[tuple[re.Pattern[str], str, Promise], ...] = (
    (re.compile(r"=\?"), "encoded_word", _LOCAL),
    (_QUOTES, "quoted_local_part", _UNQUOTED),
    (re.compile(r"^'"), "invalid_local_part", _UNQUOTED),
    (re.compile(r"[<>]"), "display_name", _BARE),
    (re.compile(r"[()]"), "comment", _BARE),
    (re.compile(r"[\[\]]"), "domain_literal", _NAMED_DOMAIN),
    (re.compile(r"@[^@]*[,;\s][^@]*@"), "several_addresses", _SINGLE),
    (
        re.compile(r"[,;]"),
        "several_addresses",
        _("Enter only one address, without commas or semicolons."),
    ),
    (re.compile(r"@[^@]*@"), "several_addresses", _("Write only one @ in the address.")),
    (re.compile(r"[%!|`].*@"), "routed_address", _LOCAL),
    (re.compile(r"@.*[%!|`]"), "routed_address", _DOMAIN),
    (re.compile(r"[%!|`]"), "routed_address", _WHOLE),
    (re.compile(r":.*@"), "invalid_local_part", _BARE),
    (re.compile(r"\s.*@"), "invalid_local_part", _SPACES),
    (re.compile(r"@.*\s"), "invalid_domain", _SPACES),
    (re.compile(r"@[0-9]+\.[0-9.]*$"), "invalid_domain", _NAMED_DOMAIN),
    (
        re.compile("[\uff20\ufe6b]"),
        "invalid_address",
        _("Type the address with ordinary letters, dots and @."),
    ),
)

#: Parts of a domain with letters outside ASCII, and in their ASCII form, within any text.
_PIECE = re.compile(r"[^\s.@]*[^\x00-\x7f\s][^\s.@]*")
_A_LABEL = re.compile(r"xn--[a-z0-9-]+", re.ASCII | re.IGNORECASE)

#: A dot-atom (RFC 5322, 3.2.3) with a usual first character. Other first characters are dangerous.
#: A mail server can read them as an option or a pipe (-f, /dev/null). A spreadsheet can read them
#: as a formula (=1+1).
_LOCAL_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.#$&'*+/=?^{}~-]*")

#: Scripts that one label may combine (UTS #39, 5.2, "highly restrictive").
_SCRIPTS_TOGETHER = (
    frozenset(("LATIN", "CJK", "HIRAGANA", "KATAKANA")),
    frozenset(("LATIN", "CJK", "HANGUL")),
    frozenset(("LATIN", "CJK", "BOPOMOFO")),
)
#: Characters whose Unicode names do not begin with their script ("" fits every script).
_SCRIPT_OF = {
    **dict.fromkeys("-0123456789\u00b7\u30fc", ""),
    "\u3005": "CJK",
    **{chr(0x6F0 + digit): "ARABIC" for digit in range(10)},
}
_LATIN = re.compile("[\u0000-\u024f\u1e00-\u1eff]")
#: Japanese characters that look like a dot or a slash between Latin letters.
_PUNCTUATION_LIKE = frozenset("\u30fb\u30ce")
#: Letters that look like plain Latin ones, by script (from Chromium's IDN spoof checker).
_LATIN_LIKE = (
    frozenset("abcdefghijklmnopqrstuvwxyz\u0131\u0237\u0185-0123456789"),
    frozenset("асԁеһіјӏорԛѕԝхуъЬҽпгѵѡ-0123456789"),
    frozenset("αικνρυωηοτ-0123456789"),
    frozenset("ագզէլհյոսւօ-0123456789"),
)


def clean(text: object) -> str:
    """Return the address in the form in which it is stored and used.

    The local part stays as typed. The domain becomes its lower-case ASCII form (A-labels). The
    result is stable: ``clean(clean(text)) == clean(text)``. Raises ``AddressRefused``.
    """
    if not isinstance(text, str):
        raise AddressRefused(_BARE, code="not_text")
    return _clean(text)


@lru_cache(maxsize=256)
def _clean(text: str) -> str:
    """Return the cleaned address, or raise ``AddressRefused``.

    The result is cached, because an address is needed several times while it is invited or sent to.
    """
    address = text.strip(_MARGIN)
    if not address:
        raise AddressRefused(_("Enter an email address."), code="blank")
    _check_length(address, LENGTH_MAX)
    if any(unicodedata.category(char) in _UNSAFE_CATEGORIES for char in address):
        message = _("The address has an invisible character. Type it by hand.")
        raise AddressRefused(message, code="control_characters")
    for pattern, code, advice in _FORBIDDEN:
        if pattern.search(address):
            raise AddressRefused(advice, code=code)
    local, _at, domain = address.partition("@")
    if not local or not domain:
        raise AddressRefused(_WHOLE, code="invalid_address")
    _check_local_part(local)
    cleaned = f"{local}@{_clean_domain(domain)}"
    _check_length(cleaned, LENGTH_MAX)  # again: the ASCII form can be longer
    return cleaned


def canonical(email: object) -> str:
    """Return the form for comparing addresses: the cleaned address in lower case, all ASCII.

    Dots and ``+tag`` stay. Only the mail server of the domain knows which spellings are one
    mailbox. Raises ``AddressRefused``.
    """
    return clean(email).lower()


def mailbox(email_key: str) -> str:
    """Return the common form of the spellings that most providers treat as one mailbox.

    It is the canonical address without ``+tag`` and dots. Use it only for limits. Never send an
    email to it. With some providers, two people can have the same result. They then share a limit.
    """
    local, _at, domain = email_key.rpartition("@")
    local = local.partition("+")[0].replace(".", "")
    return f"{local}@{_OTHER_NAMES.get(domain, domain)}"


def domain_of(email: object) -> str:
    """Return the domain of an address, as ``clean_domain`` does.

    The result is empty for a refused address.
    """
    try:
        return canonical(email).rpartition("@")[2]
    except AddressRefused:
        return ""


def clean_domain(text: str) -> str:
    """Return a domain in the form for comparing domains: lower-case A-labels.

    A leading @ is removed. Raises ``AddressRefused``.
    """
    domain = text.strip(_MARGIN).removeprefix("@")
    if "@" in domain:
        raise AddressRefused(_DOMAIN, code="invalid_domain")
    return canonical(f"a@{domain}").rpartition("@")[2]


def same(a: object, b: object) -> bool:
    """Return whether both texts are exactly the same address.

    A blank or refused address is not the same as any other.
    """
    try:
        return canonical(a) == canonical(b)
    except AddressRefused:
        return False


def of_member(user: Any) -> str:
    """Return the address of an account, or an empty string if it cannot receive email."""
    try:
        return clean(getattr(user, user.get_email_field_name(), "")) if user is not None else ""
    except AddressRefused:
        return ""


def display(email: str) -> str:
    """Return the address for people to read, with a Unicode domain where that is safe.

    The Unicode form is used only if ``clean()`` turns it back into the same address. Every other
    address is returned unchanged.
    """
    local, _at, domain = email.rpartition("@")
    if "xn--" not in domain:
        return email
    import idna  # large tables

    try:
        readable = f"{local}@{idna.decode(domain)}"
        return readable if clean(readable) == email else email
    except (idna.IDNAError, AddressRefused):
        return email


def to_ascii(text: str) -> str:
    """Return a part of an address, as somebody types it to find addresses, with A-labels.

    A text is returned unchanged if a part of it between dots can be no part of a domain.
    """
    if text.isascii():
        return text
    import idna  # large tables

    try:
        folded = _PIECE.sub(lambda found: _fold(found[0]), text)
        return _PIECE.sub(lambda found: idna.alabel(found[0]).decode(), folded)
    except (idna.IDNAError, AddressRefused):
        return text


def to_unicode(text: str) -> str:
    """Return a part of an address with U-labels, or unchanged if an A-label in it is none."""
    if "xn--" not in text.lower():
        return text
    import idna  # large tables

    try:
        return _A_LABEL.sub(lambda found: idna.ulabel(found[0].lower()), text)
    except idna.IDNAError:
        return text


def _check_length(text: str, limit: int) -> None:
    """Raise ``AddressRefused`` for a text of more than ``limit`` characters."""
    if len(text) > limit:
        message = _("The address is too long. It may have %(limit)d characters.")
        raise AddressRefused(message, code="too_long", params={"limit": limit})


def _check_local_part(local: str) -> None:
    """Raise ``AddressRefused`` for a local part that some mail server might change or refuse.

    It must be ASCII, at most 64 characters long, and a dot-atom with a usual first character.
    """
    if not local.isascii():
        message = _("Letters such as é, ß or я cannot be used before the @.")
        raise AddressRefused(message, code="non_ascii_local_part")
    if len(local) > LOCAL_LENGTH_MAX:
        message = _("The part before the @ is too long. It may have %(limit)d characters.")
        raise AddressRefused(message, code="too_long", params={"limit": LOCAL_LENGTH_MAX})
    if local.startswith(".") or local.endswith(".") or ".." in local:
        raise AddressRefused(_("Check the dots before the @."), code="invalid_local_part")
    if not _LOCAL_PART.fullmatch(local):
        raise AddressRefused(_LOCAL, code="invalid_local_part")


@lru_cache(maxsize=1024)
def _clean_domain(domain: str) -> str:
    """Return the domain as lower-case A-labels, or raise ``AddressRefused``.

    The result is cached: most addresses share few domains, and each domain is checked several
    times.
    """
    import email_validator  # its patterns take as long as all our own modules

    if not domain.isascii():
        domain = _fold(domain)
    labels = domain.lower().split(".")
    if len(labels) < 2:
        message = _("The domain after the @ needs an ending, such as .org.")
        raise AddressRefused(message, code="unreachable_domain")
    if labels[-1] in email_validator.SPECIAL_USE_DOMAIN_NAMES:
        message = _("Email cannot reach this domain. Check the address.")
        raise AddressRefused(message, code="unreachable_domain")
    try:
        # The local part was checked before. "a" takes its place, so the library does not change it.
        result = email_validator.validate_email(
            f"a@{domain}",
            allow_smtputf8=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            check_deliverability=False,
            globally_deliverable=True,
            test_environment=False,
        )
    except email_validator.EmailNotValidError as error:
        raise AddressRefused(_DOMAIN, code="invalid_domain") from error
    if any(_is_lookalike(label, labels[-1]) for label in labels if not label.isascii()):
        message = _("The domain after the @ imitates another one. Check the spelling.")
        raise AddressRefused(message, code="lookalike_domain")
    return result.ascii_domain.lower()


def _fold(domain: str) -> str:
    """Return the domain in lower case, composed (NFC), or raise ``AddressRefused``.

    Full-width letters and ligatures are refused; UTS #46 would replace them. Each letter is lowered
    alone. For a whole word, ``str.lower()`` makes a final sigma, which is a different letter in
    IDNA 2008. The Kelvin sign is refused: it is the only sign that Unicode lowers to an ASCII
    letter.
    """
    import idna  # large tables

    folded = unicodedata.normalize("NFC", "".join(char.lower() for char in domain))
    try:
        mapped = idna.uts46_remap(folded, std3_rules=False)
    except idna.IDNAError as error:
        raise AddressRefused(_DOMAIN, code="invalid_domain") from error
    if mapped != folded or "\N{KELVIN SIGN}" in domain:
        message = _("Type the domain after the @ with ordinary letters and dots.")
        raise AddressRefused(message, code="unusual_domain")
    return folded


def _is_lookalike(label: str, top_level: str) -> bool:
    """Return whether a Unicode label mixes scripts, or has only Latin-like letters.

    Latin-like letters are allowed under a top-level domain in the same script (``.рф``). Nobody
    expects Latin letters there.
    """
    scripts = {_script(char) for char in label} - {""}
    if "PHONETIC" in scripts:
        return True
    if "LATIN" in scripts and not _PUNCTUATION_LIKE.isdisjoint(label):
        return True
    if len(scripts) > 1 and not any(scripts <= allowed for allowed in _SCRIPTS_TOGETHER):
        return True
    return top_level.isascii() and any(letters.issuperset(label) for letters in _LATIN_LIKE)


def _script(char: str) -> str:
    """Return the script of a character by its Unicode name ("" for digits and hyphens).

    Python has no property for scripts. A character with another kind of name counts as a script of
    its own. Such a character, for example a combining accent, is refused together with others.
    Latin means the letters that languages use: small letters up to Latin Extended-B, and Latin
    Extended Additional (UTS #39, 3.1).
    """
    if char in _SCRIPT_OF:
        return _SCRIPT_OF[char]
    name = unicodedata.name(char, "UNNAMED")
    script = name.partition(" ")[0].partition("-")[0]
    if script == "LATIN" and not (name.startswith("LATIN SMALL") and _LATIN.match(char)):
        return "PHONETIC"
    return script
