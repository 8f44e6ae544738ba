"""Checks of what the emails say, of reminders and of news."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils.translation import gettext_lazy

from invitation.checks import writing
from invitation.conf import conf

BAD: dict[str, tuple[str, list[Any]]] = {
    "INVITATION_SITE_NAME": ("E074", [None, 7, "a\nb", " Club", "x" * 61, b"Club", ["Club"]]),
    "INVITATION_SITE_BLURB": ("E075", [None, 7, "a\r\nb", "We swap. ", "x" * 201, b"We swap."]),
    "INVITATION_SUBJECT_PREFIX": (
        "E053",
        [None, 7, "a\nb", "a\r", "\t", "a\u2028b", "x" * 61, b"[Club]"],
    ),
    "INVITATION_REMINDER_DAYS": ("E054", [0, -1, True, "2", 1.5, 36501]),
    "INVITATION_NOTIFY_INVITER": (
        "E055",
        [None, True, "accepted", "", "no.such.path", ["revoked"], [["accepted"]], {"accepted": 1}],
    ),
}


def news_of(user: Any) -> list[str]:
    """Stand for a site on which each member says what they want."""
    return ["expired"] if user == "ann" else []


GOOD: dict[str, list[Any]] = {
    "INVITATION_SITE_NAME": ["", "Gärten & Söhne", "x" * 60, gettext_lazy("Club")],
    "INVITATION_SITE_BLURB": ["", "We swap seeds.", "x" * 200, gettext_lazy("We swap.")],
    "INVITATION_SUBJECT_PREFIX": ["", "[Club] ", "Größe: ", "x" * 60],
    "INVITATION_REMINDER_DAYS": [None, 1, 36500],
    "INVITATION_NOTIFY_INVITER": [
        (),
        [],
        ["accepted"],
        ["declined"],
        ("accepted", "expired"),
        {"expired"},
        frozenset(),
        news_of,
        f"{__name__}.news_of",
    ],
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [(name, value, code) for name, (code, bad) in BAD.items() for value in bad],
)
def test_a_bad_value_is_reported(settings: Any, name: str, value: Any, expected: str) -> None:
    setattr(settings, name, value)
    [message] = writing.check_writing(None)
    assert message.id == f"invitation.{expected}"
    assert message.msg.startswith(f"{name} is ")
    assert message.hint


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, good in GOOD.items() for value in good]
)
def test_a_good_value_is_not(settings: Any, name: str, value: Any) -> None:
    setattr(settings, name, value)
    assert writing.check_writing(None) == []


@pytest.mark.parametrize("rule", [news_of, f"{__name__}.news_of"])
def test_a_rule_is_asked_about_each_inviter(settings: Any, rule: Any) -> None:
    settings.INVITATION_NOTIFY_INVITER = rule
    assert [list(conf.notify_inviter(name)) for name in ("ann", "ben")] == [["expired"], []]


def test_a_list_holds_for_every_inviter(settings: Any) -> None:
    settings.INVITATION_NOTIFY_INVITER = ["accepted"]
    assert conf.notify_inviter("ben") == ["accepted"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no.such.path", " Importing it failed with ModuleNotFoundError: No module named 'no'"),
        ("accepted", " Importing it failed with ImportError: accepted doesn't look like a module"),
        (f"{__name__}.BAD", "the dotted path of one."),
        (["revoked"], "the dotted path of one."),
    ],
    ids=["no module", "no path", "nothing to call", "no news"],
)
def test_it_is_said_why_a_path_cannot_be_imported(settings: Any, value: Any, reason: str) -> None:
    settings.INVITATION_NOTIFY_INVITER = value
    [message] = writing.check_writing(None)
    assert reason in message.msg
    assert ("Importing" in message.msg) is ("Importing" in reason)
