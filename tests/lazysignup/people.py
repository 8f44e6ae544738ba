"""People of the tests: what their browsers send, and what they answer."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model

PERSON = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"}
PASSWORD = "correct-horse-battery"
NAME_FIELD = get_user_model().USERNAME_FIELD
#: Login name of a newcomer, and that of a member.
NEWCOMER, MEMBER = (
    ("new@example.com", "member@example.com") if NAME_FIELD == "email" else ("newcomer", "member")
)


def answers(**more: Any) -> dict[str, Any]:
    """Return what a newcomer writes into the form."""
    names = {"email": "new@example.com"} | {NAME_FIELD: NEWCOMER}
    return names | {"password1": PASSWORD, "password2": PASSWORD} | more


def make_member(**more: Any) -> Any:
    """Return somebody with an account."""
    fields = {NAME_FIELD: MEMBER} | ({} if NAME_FIELD == "email" else {"email": "m@example.com"})
    return get_user_model()._default_manager.create_user(**fields, password=PASSWORD, **more)
