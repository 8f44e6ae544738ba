"""Decide in which language an invited person is written to."""

from __future__ import annotations

from typing import Any

from django.utils.translation import get_language, get_supported_language_variant
from django.utils.translation import gettext_lazy as _

from invitation.delivery.base import get_delivery
from invitation.exceptions import TextRefused

#: As long as the column is.
_LENGTH_MAX = 35


def language_for(inviter: Any, chosen: str = "") -> str:
    """Return the language of an invitation: what the inviter has chosen, else his own.

    His own is the one that his account names, else the one that is active now: that of the page on
    which he invites, or of the site where a command does it for him.
    """
    return chosen or get_delivery().language_of(inviter) or get_language() or ""


def named_language(text: str) -> str:
    """Return the code of the language of the site that somebody has written, or nothing for none.

    Raises ``TextRefused`` if the site has no such language.
    """
    if not text:
        return ""
    code = text.lower().replace("_", "-")
    try:
        return get_supported_language_variant(code[:_LENGTH_MAX])
    except LookupError as error:
        message = _("“%(language)s” is no language of this site.")
        params = {"language": text[:_LENGTH_MAX]}
        raise TextRefused(message, code="unknown_language", params=params) from error
