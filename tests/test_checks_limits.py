"""Checks of the limits of mails, and of who may write notes."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from invitation.checks import limits

LIMITS = [f"INVITATION_LIMIT_PER_{name}" for name in ("INVITER", "RECIPIENT", "DOMAIN", "SITE")]
BAD = {name: ("E049", [-1, True, "5", 2.5]) for name in LIMITS} | {
    "INVITATION_NOTE_PERMISSION": ("E050", ["", "note", "invitation.", ".note", "a b.c", 7, True]),
    "INVITATION_NOTE_MAX_LENGTH": ("E052", [0, -1, 501, None, "500", True, 2.5]),
}
GOOD = {name: [None, 0, 1, 10**9] for name in LIMITS} | {
    "INVITATION_NOTE_PERMISSION": [None, "invitation.link_in_note", "auth.view_user"],
    "INVITATION_NOTE_MAX_LENGTH": [1, 300, 500],
}


def ids(messages: list[Any]) -> list[str]:
    return [message.id.removeprefix("invitation.") for message in messages]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [(name, value, code) for name, (code, bad) in BAD.items() for value in bad],
)
def test_a_bad_value_is_reported_once(settings: Any, name: str, value: Any, expected: str) -> None:
    setattr(settings, name, value)
    [message] = limits.check_limits(None) + limits.check_note_permission(None)
    assert ids([message]) == [expected]
    assert message.msg.startswith(f"{name} is {value!r}, but it must be ")
    assert message.hint


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, good in GOOD.items() for value in good]
)
def test_a_good_value_is_not_reported(settings: Any, name: str, value: Any) -> None:
    setattr(settings, name, value)
    assert limits.check_limits(None) + limits.check_note_permission(None) == []


@pytest.mark.parametrize("value", ["no_such_app.note", "invitation.note", "auth.add_usr"])
def test_a_permission_that_nobody_has_is_reported(settings: Any, value: str) -> None:
    settings.INVITATION_NOTE_PERMISSION = value
    assert ids(limits.check_note_permission(None)) == ["W018"]


def test_a_permission_needs_a_user_model_that_knows_permissions(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Model:
        _meta = get_user_model()._meta

    settings.INVITATION_NOTE_PERMISSION = "invitation.link_in_note"
    monkeypatch.setattr(limits, "get_user_model", lambda: Model)
    assert ids(limits.check_note_permission(None)) == ["E051"]
