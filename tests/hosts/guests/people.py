"""Who signs up in the tests of guests."""

from __future__ import annotations

from typing import Any

#: Headers of a browser that a person uses.
PERSON = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"}
PASSWORD = "correct-horse-battery"


def answers(**more: Any) -> dict[str, Any]:
    """Return what a guest types into the form."""
    return {
        "username": "newcomer",
        "email": "new@example.com",
        "password1": PASSWORD,
        "password2": PASSWORD,
    } | more
