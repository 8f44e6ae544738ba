"""Codes and custom codes of shared links: how they are made, read and compared.

    code = 12 symbols of Crockford's base32, shown as XXXX-XXXX-XXXX: 60 bits

A code opens a shared link without its address. It is derived from the row's locator with a signing
key, as a key's signature is. It is not stored. The row has a keyed hash of it, and the code is
found by this hash. So a copy of the database opens nothing, and the owner can see the same code
again. The salts bind the code and its hash to the site.

A custom code ("word" in the names here) is the owner's own text in place of the code. Anybody may
guess it: it is public.
"""

from __future__ import annotations

import re
import unicodedata

from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from invitation.conf import conf
from invitation.exceptions import WordRefused
from invitation.keys import written

#: Crockford's base32 (https://www.crockford.com/base32.html): without I, L, O and U.
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 12
#: Symbols in a group. People can say and remember a code group by group.
GROUP = 4

WORD_LENGTH_MIN = 3
WORD_LENGTH_MAX = 64

_CODE = re.compile(f"[{SYMBOLS}]{{{LENGTH}}}")
#: Letters that people mistake for a symbol.
_MISREAD = str.maketrans("OIL", "011")
_BETWEEN = re.compile(r"[\s\u2010-\u2015\u2212-]+")
#: Full-width letters, digits and signs, and what a Japanese keyboard types for a hyphen.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_LONG_MARKS = str.maketrans("\u30fc\uff70", "--")
#: Marks that show nothing and that are no format characters.
_UNSEEN = re.compile("[\u034f\ufe00-\ufe0f]")
#: What a person copies or types around a code.
_AROUND = " \t\r\n.,;:!?()[]<>\"'\u2018\u2019\u201c\u201d\u201e\u3001\u3002\u300c\u300d\xab\xbb"
#: Longest text that is read as a code. A code with blanks around every symbol is much shorter.
_TYPED_LENGTH_MAX = 64


@sensitive_variables()
def normalise(text: object) -> str | None:
    """Return the code that a text means, in any case and grouping, or ``None``."""
    if not isinstance(text, str) or len(text) > _TYPED_LENGTH_MAX:
        return None
    symbols = _BETWEEN.sub("", _plain(text).translate(_LONG_MARKS))
    if not symbols.isascii():  # upper() turns some other letters into ASCII ones
        return None
    code = symbols.upper().translate(_MISREAD)
    return code if _CODE.fullmatch(code) else None


@sensitive_variables()
def new_digest(locator: str, site_id: int) -> bytes:
    """Return the hash of a locator's code, by which the row is found."""
    secret = conf.INVITATION_SIGNING_KEYS[0]
    return _digest(secret, _make(secret, locator, site_id), site_id)


@sensitive_variables()
def digests(code: str, site_id: int) -> list[bytes]:
    """Return the possible hashes of this normalised code, one for each signing key."""
    return [_digest(secret, code, site_id) for secret in conf.INVITATION_SIGNING_KEYS]


@sensitive_variables()
def show(locator: str, site_id: int, digest: bytes | None) -> str:
    """Return the code of a row in its groups, as a ``Secret``.

    The result is empty if the signing key of the code is lost.
    """
    for secret in conf.INVITATION_SIGNING_KEYS:
        code = _make(secret, locator, site_id)
        if digest and constant_time_compare(_digest(secret, code, site_id), digest):
            groups = (code[start : start + GROUP] for start in range(0, LENGTH, GROUP))
            return written.Secret("-".join(groups))
    return ""


def check_word(text: str) -> str:
    """Return a custom code in its stored form, or raise ``WordRefused``.

    Codes of the exception: ``invalid_word`` (too short, too long, or with characters other than
    letters, digits and hyphens) and ``word_like_code``.
    """
    word = plain_word(text)
    if word is None:
        raise WordRefused()
    if normalise(word) is not None:
        message = _("This looks like one of our own codes. Choose another one.")
        raise WordRefused(message, code="word_like_code")
    return word


def plain_word(text: object) -> str | None:
    """Return the custom code that a text means, in case-folded form, or ``None``.

    A blank becomes a hyphen, because both sound the same. Marks that show nothing do not count.
    """
    if not isinstance(text, str) or len(text) > WORD_LENGTH_MAX:
        return None
    joined = _BETWEEN.sub("-", _plain(text).strip())
    # Twice: a folded letter may need to be composed again.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", joined).casefold())
    if not WORD_LENGTH_MIN <= len(folded) <= WORD_LENGTH_MAX:
        return None
    fits = all(char == "-" or _is_of_words(char) for char in folded)
    begins = unicodedata.category(folded[0])[0] in "LN"
    return folded if fits and begins and folded[-1] != "-" else None


def _plain(text: str) -> str:
    """Return what a person means to type, without full-width forms and marks that show nothing."""
    seen = (char for char in text if unicodedata.category(char) != "Cf")
    return _UNSEEN.sub("", "".join(seen).translate(_FULL_WIDTH)).strip(_AROUND)


def _is_of_words(char: str) -> bool:
    """Return whether the character is a letter, a mark on a letter, or a digit."""
    category = unicodedata.category(char)
    return category[0] in "LM" or category == "Nd"


@sensitive_variables()
def _make(secret: str, locator: str, site_id: int) -> str:
    mac = salted_hmac(f"invitation:code:{site_id}", locator, secret=secret, algorithm="sha256")
    number = int.from_bytes(mac.digest(), "big")
    return "".join(SYMBOLS[number >> 5 * place & 31] for place in range(LENGTH))


@sensitive_variables()
def _digest(secret: str, code: str, site_id: int) -> bytes:
    salt = f"invitation:code digest:{site_id}"
    return salted_hmac(salt, code, secret=secret, algorithm="sha256").digest()
