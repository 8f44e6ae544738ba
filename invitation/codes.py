"""Make, recognise and compare what opens a shared link without its address: codes and words.

    code = 12 symbols of Crockford's base32, shown as XXXX-XXXX-XXXX: 60 bits

A code is derived from the row's locator with a signing key, as a key's signature is, and stands
nowhere; the row has a keyed hash of it, by which it is found. So a copy of the database opens
nothing, and the owner can be shown the same code again. The salts bind both to the site.

A word is the owner's own choice in place of the code. Anybody may guess it: it is public.
"""

from __future__ import annotations

import re
import unicodedata

from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from invitation import keys
from invitation.conf import conf
from invitation.exceptions import WordRefused

#: Crockford's base32 (https://www.crockford.com/base32.html): no I, L, O and U.
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 12
#: How a code is shown: in groups that can be said and remembered one by one.
GROUP = 4

WORD_LENGTH_MIN = 3
WORD_LENGTH_MAX = 64

_CODE = re.compile(f"[{SYMBOLS}]{{{LENGTH}}}")
#: What people say, read or write in place of a symbol.
_MISREAD = str.maketrans("OIL", "011")
_BETWEEN = re.compile(r"[\s\u2010-\u2015\u2212-]+")
#: Far more than a code with blanks around every symbol has.
_TYPED_LENGTH_MAX = 64


@sensitive_variables()
def normalise(text: object) -> str | None:
    """Return the code that a text means, in any case and grouping, or ``None`` if it is none."""
    if not isinstance(text, str) or len(text) > _TYPED_LENGTH_MAX:
        return None
    symbols = _BETWEEN.sub("", text)
    if not symbols.isascii():  # upper() makes ASCII letters of some others
        return None
    code = symbols.upper().translate(_MISREAD)
    return code if _CODE.fullmatch(code) else None


@sensitive_variables()
def new_digest(locator: str, site_id: int) -> str:
    """Return what the row of this locator has to keep: the hash by which its code is found."""
    secret = conf.INVITATION_SIGNING_KEYS[0]
    return _digest(secret, _make(secret, locator, site_id), site_id)


@sensitive_variables()
def digests(code: str, site_id: int) -> list[str]:
    """Return the hashes by which this normalised code may be found, one for each signing key."""
    return [_digest(secret, code, site_id) for secret in conf.INVITATION_SIGNING_KEYS]


@sensitive_variables()
def show(locator: str, site_id: int, digest: str | None) -> str:
    """Return the code of a row in its groups, a ``Secret``; empty if its key is lost."""
    for secret in conf.INVITATION_SIGNING_KEYS:
        code = _make(secret, locator, site_id)
        if digest and constant_time_compare(_digest(secret, code, site_id), digest):
            groups = (code[start : start + GROUP] for start in range(0, LENGTH, GROUP))
            return keys.Secret("-".join(groups))
    return ""


def check_word(text: str) -> str:
    """Return a word in the form in which it is kept and compared, or raise ``WordRefused``.

    Codes: ``invalid_word`` (too short, too long, or with other characters than letters, digits
    and hyphens) and ``word_like_code``.
    """
    word = plain_word(text)
    if word is None:
        raise WordRefused()
    if normalise(word) is not None:
        message = _("This word could be mistaken for a code. Please choose another one.")
        raise WordRefused(message, code="word_like_code")
    return word


def plain_word(text: object) -> str | None:
    """Return the word that a text means, in letters of any case, or ``None`` if it is none.

    A blank is taken for a hyphen: nobody hears the difference.
    """
    if not isinstance(text, str) or len(text) > WORD_LENGTH_MAX:
        return None
    joined = _BETWEEN.sub("-", text.strip())
    # Twice, as a folded letter may be composed in another way.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", joined).casefold())
    if not WORD_LENGTH_MIN <= len(folded) <= WORD_LENGTH_MAX:
        return None
    fits = all(char == "-" or _is_of_words(char) for char in folded)
    return folded if fits and _is_of_words(folded[0]) and folded[-1] != "-" else None


def _is_of_words(char: str) -> bool:
    """Tell whether this is a letter, a mark on one, or a digit."""
    category = unicodedata.category(char)
    return category[0] in "LM" or category == "Nd"


@sensitive_variables()
def _make(secret: str, locator: str, site_id: int) -> str:
    mac = salted_hmac(f"invitation:code:{site_id}", locator, secret=secret, algorithm="sha256")
    number = int.from_bytes(mac.digest(), "big")
    return "".join(SYMBOLS[number >> 5 * place & 31] for place in range(LENGTH))


@sensitive_variables()
def _digest(secret: str, code: str, site_id: int) -> str:
    salt = f"invitation:code digest:{site_id}"
    return salted_hmac(salt, code, secret=secret, algorithm="sha256").hexdigest()
