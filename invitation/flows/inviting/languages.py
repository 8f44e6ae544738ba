"""The language in which an invited person gets emails."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.conf.locale import LANG_INFO
from django.utils.translation import get_language, get_supported_language_variant, gettext
from django.utils.translation import gettext_lazy as _

from invitation.delivery.base import get_delivery
from invitation.exceptions import TextRefused

#: Length of the database column.
_LENGTH_MAX = 35


def language_for(inviter: Any, chosen: str = "") -> str:
    """Return the language of an invitation: the inviter's choice, or their own language.

    Their own language is the one of their account. If the account has none, it is the active
    language. That is the language of the page, or of the site for a command.
    """
    return chosen or get_delivery().language_of(inviter) or get_language() or ""


def named_language(text: str) -> str:
    """Return the code of a site language that a person has written; empty if the text is empty.

    The text is a code, or the name of a language: its own one, the English one, or the one in the
    active language. Raises ``TextRefused`` if the site has no such language.
    """
    if not text:
        return ""
    code = text.lower().replace("_", "-")
    try:
        return get_supported_language_variant(code[:_LENGTH_MAX])
    except LookupError as error:
        languages = tuple((str(code), str(name)) for code, name in settings.LANGUAGES)
        named = _names(languages, get_language()).get(_folded(text[:_LENGTH_MAX]))
        if named is not None:
            return named
        message = _("This site has no language “%(language)s”.")
        params = {"language": text[:_LENGTH_MAX]}
        raise TextRefused(message, code="unknown_language", params=params) from error


@lru_cache(maxsize=64)
def _names(languages: tuple[tuple[str, str], ...], active: str | None) -> dict[str, str]:
    """Return the code of each language by its names; the cache serves lists with many rows."""
    codes: dict[str, str] = {}
    for code, name in languages:
        known = LANG_INFO.get(code, {})
        english = known.get("name") or name
        for one in (name, english, known.get("name_local") or name, gettext(english)):
            codes.setdefault(_folded(one), code)
    return codes


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()
