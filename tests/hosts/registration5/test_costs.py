"""What the gate costs over django-registration alone, and how long a shared link is locked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invitation.backends import passwords
from tests import scenes
from tests.scenes import REGISTER, answers

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]
CONTROL = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "SET ")
#: What counts the activation email (three) and asks whether it is wanted (one).
EMAIL = {"activation": 4, "one_step": 0}


@pytest.fixture(autouse=True, params=EMAIL)
def workflow(request: pytest.FixtureRequest, settings: Any) -> str:
    settings.ROOT_URLCONF = f"tests.hosts.registration5.urls_{request.param}"
    return str(request.param)


def statements(do: Callable[[], Any], commit: Commit) -> int:
    """Return how much is asked of the database, with what is done after the commit."""
    with CaptureQueriesContext(connection) as queries, commit():
        assert do().status_code in (200, 302)
    asked = [query["sql"].upper() for query in queries.captured_queries]
    return len([sql for sql in asked if not sql.startswith(CONTROL)])


def test_the_form_costs_one_query(member: Any, commit: Commit) -> None:
    visitor = scenes.visit(scenes.invite(member))
    visitor.get(REGISTER)
    assert statements(lambda: visitor.get(REGISTER), commit) == 1


def test_registering_costs_four_more_than_the_host_alone(
    settings: Any, member: Any, commit: Commit, workflow: str
) -> None:
    visitor = scenes.visit(scenes.invite(member), channel="copy")
    visitor.get(REGISTER)
    gated = statements(lambda: visitor.post(REGISTER, answers()), commit)
    settings.ROOT_URLCONF = f"tests.hosts.registration5.urls_{workflow}_alone"
    typed = answers("alone@example.com", "alone")
    alone = statements(lambda: Client().post(REGISTER, typed), commit)
    assert gated - alone <= 4 + EMAIL[workflow]


def test_the_password_is_hashed_before_the_transaction(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher = type(passwords.get_hasher())
    encode, inside = hasher.encode, []

    def noted(*args: Any) -> Any:
        inside.append(len(connection.savepoint_ids))
        return encode(*args)

    outside = len(connection.savepoint_ids)
    monkeypatch.setattr(hasher, "encode", noted)
    scenes.visit(scenes.invite(member)).post(REGISTER, answers())
    assert inside
    assert set(inside) == {outside}
