"""Checks of the limits of emails, and of who may write notes."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth import views as auth_views
from django.contrib.auth.models import Group
from django.db import DatabaseError
from django.urls import path

from invitation.checks import limits
from invitation.conf import LIMITS

BAD = {
    "INVITATION_NOTE_PERMISSION": ("E050", ["", "note", "invitation.", ".note", "a b.c", 7, True]),
    "INVITATION_NOTE_MAX_LENGTH": ("E052", [0, -1, 501, None, "500", True, 2.5]),
    "INVITATION_LIMITS": ("E049", [None, 5, "site", ["site"]]),
    "INVITATION_LISTS": ("E035", [None, 5, "rows", ["rows"]]),
}
GOOD = {
    "INVITATION_NOTE_PERMISSION": [None, "invitation.link_in_note", "auth.view_user"],
    "INVITATION_NOTE_MAX_LENGTH": [1, 300, 500],
    "INVITATION_LIMITS": [
        {},
        *({name: number} for name in LIMITS for number in (None, 0, 1, 10**9)),
        dict.fromkeys(LIMITS),
    ],
    "INVITATION_LISTS": [{}, {"rows": 1}, {"rows": 10_000, "bytes": 10**7}, {"bytes": None}],
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


@pytest.mark.parametrize(
    ("setting", "name", "number", "expected"),
    [
        *(("INVITATION_LIMITS", name, bad, "E049") for name in LIMITS for bad in (-1, True, "5")),
        *(("INVITATION_LISTS", "rows", bad, "E035") for bad in (0, -1, 2.5, "1000", True)),
        *(("INVITATION_LISTS", "bytes", bad, "E035") for bad in (0, -1, 1e6, "1MB", True)),
    ],
)
def test_a_wrong_number_in_a_mapping_is_reported(
    settings: Any, setting: str, name: str, number: Any, expected: str
) -> None:
    setattr(settings, setting, {name: number})
    [message] = limits.check_limits(None)
    assert ids([message]) == [expected]
    assert message.msg.startswith(f'{setting}["{name}"] is {number!r}, but it must be ')
    assert message.hint


@pytest.mark.parametrize(
    ("setting", "name"),
    [("INVITATION_LIMITS", "members"), ("INVITATION_LIMITS", 5), ("INVITATION_LISTS", "row")],
)
def test_an_unknown_name_in_a_mapping_is_reported(settings: Any, setting: str, name: Any) -> None:
    setattr(settings, setting, {name: 5})
    [message] = limits.check_limits(None)
    assert ids([message]) == ["E073"]
    assert message.msg == f"{setting} has the unknown key {name!r}."
    assert '"rows", "bytes"' in message.hint or '"inviter", "recipient"' in message.hint


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


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, ["W027"]),
        ({"USE_X_FORWARDED_HOST": True}, ["W027"]),
        ({"USE_X_FORWARDED_HOST": True, "INVITATION_CLIENT_ADDRESS": print}, []),
    ],
)
def test_a_site_behind_a_proxy_is_to_say_how_clients_are_told_apart(
    settings: Any, changes: dict[str, Any], found: list[str]
) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    assert ids(limits.check_client_address(None)) == found


def test_a_page_that_resets_passwords_without_limit_is_found(settings: Any) -> None:
    assert ids(limits.check_password_reset(None)) == []
    settings.ROOT_URLCONF = "tests.urls_ungated"
    assert ids(limits.check_password_reset(None)) == ["W028"]
    settings.ROOT_URLCONF = (path("reset/", auth_views.PasswordResetView.as_view()),)
    [message] = limits.check_password_reset(None)
    assert '"/reset/"' in message.msg
    # What gets no requests does no harm.
    settings.ROOT_URLCONF = "tests.urls_before_redux"
    assert ids(limits.check_password_reset(None)) == []


@pytest.mark.django_db
def test_a_group_that_does_not_exist_is_named(settings: Any) -> None:
    Group.objects.create(name="Editors")
    settings.INVITATIONS_PER_USER = {"Edtors": 20, "Editors": 30, "Board": None, None: 5}
    near, none = limits.check_groups(None, databases=["default"])
    assert ids([near, none]) == ["W037", "W037"]
    assert '"Edtors"' in near.msg
    assert near.hint.endswith('Did you mean "Editors"?')
    assert '"Board"' in none.msg
    assert none.hint == "Check the spelling, or add the group."


@pytest.mark.django_db
@pytest.mark.parametrize("value", [5, None, "some.path", {"Editors": -1}, {None: 5}, {}])
def test_a_quota_without_names_of_groups_asks_for_none(settings: Any, value: Any) -> None:
    settings.INVITATIONS_PER_USER = value
    assert limits.check_groups(None, databases=["default"]) == []


def test_groups_are_looked_up_only_where_the_database_may_be_asked(settings: Any) -> None:
    settings.INVITATIONS_PER_USER = {"Edtors": 20}
    assert limits.check_groups(None) == limits.check_groups(None, databases=["other"]) == []


def test_before_the_first_migration_no_group_is_missed(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*args: Any, **kwargs: Any) -> Any:
        raise DatabaseError("no such table")

    settings.INVITATIONS_PER_USER = {"Edtors": 20}
    monkeypatch.setattr(Group.objects, "values_list", missing)
    assert limits.check_groups(None, databases=["default"]) == []
