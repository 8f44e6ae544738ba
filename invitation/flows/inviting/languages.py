"""The language in which an invited person gets emails."""

from __future__ import annotations

from typing import Any

from django.utils.translation import get_language, get_supported_language_variant
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
