"""What the other tests rely on: the shared fixtures do what they say."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.mail import EmailMultiAlternatives
from django.db import connection, transaction
from django.test import Client

from tests import emptying, scenes
from tests.conftest import Sink, pytest_fixture_setup, touches_database


def make_mail(recipient: str) -> EmailMultiAlternatives:
    mail = EmailMultiAlternatives("Grüße", "Text", "from@example.com", [recipient])
    mail.attach_alternative("<p>Text</p>", "text/html")
    return mail


def test_the_mail_server_takes_a_mail_as_it_was_sent(smtp: Sink) -> None:
    make_mail("to@example.com").send()
    [(sender, recipients, message)] = smtp.got
    assert (sender, recipients) == ("from@example.com", ["to@example.com"])
    assert message["Subject"] == "Grüße"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_the_mail_server_refuses_a_full_mailbox_for_now(smtp: Sink) -> None:
    with pytest.raises(smtplib.SMTPDataError) as refused:
        make_mail("full@example.com").send()
    assert refused.value.smtp_code == 452
    assert smtp.got == []


@pytest.mark.django_db
def test_commit_runs_what_waits_for_it(commit: Callable[..., AbstractContextManager[Any]]) -> None:
    done: list[str] = []
    with commit():
        transaction.on_commit(lambda: done.append("it"))
        assert done == []
    assert done == ["it"]


@pytest.mark.anywhere
def test_the_member_is_logged_in(member: Any, member_client: Client) -> None:
    assert member_client.get("/").content.decode() == f"Home of {member}"


@pytest.mark.parametrize("name", ["example.com", "192.0.2.1", "::2"])
def test_no_test_reaches_the_network(name: str) -> None:
    with pytest.raises(RuntimeError, match="must not reach"):
        socket.create_connection((name, 80), timeout=1)


# -- what the runs on database servers leave out --


def test_what_does_not_ask_for_the_database_is_left_out(request: pytest.FixtureRequest) -> None:
    assert not touches_database(request.node)


@pytest.mark.django_db
def test_what_is_marked_is_not(request: pytest.FixtureRequest) -> None:
    assert touches_database(request.node)


def test_nor_is_what_asks_through_a_fixture(request: pytest.FixtureRequest, member: Any) -> None:
    assert touches_database(request.node)


@pytest.mark.parametrize("fixture", ["db", "transactional_db"])
def test_no_test_gets_the_database_on_its_way(request: pytest.FixtureRequest, fixture: str) -> None:
    # Called by itself: pytest would remember a fixture that failed here, for all later tests.
    asked: Any = SimpleNamespace(node=request.node, fixturename=fixture)
    with pytest.raises(pytest.fail.Exception, match="with django_db"):
        pytest_fixture_setup(asked)


# -- after real commits --


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_of_a_test_with_real_commits() -> None:
    case = SimpleNamespace(
        reset_sequences=False,
        serialized_rollback=False,
        available_apps=None,
        _databases_names=lambda include_mirrors: ["default"],
    )
    emptying.filled.clear()  # so Django does it the first time
    emptying.empty_database(case)
    empty = scenes.dump()
    scenes.invite(scenes.make_user("inviter"))
    emptying.empty_database(case)
    assert scenes.dump() == empty
    # What Django fills is filled again where a test has changed it.
    kinds = ContentType.objects.count()
    ContentType.objects.filter(app_label="sessions").update(model="changed")
    scenes.make_user("inviter")
    emptying.empty_database(case)
    after = scenes.dump()
    assert {table for table in after if after[table] != empty[table]} <= set(emptying.FILLED)
    assert ContentType.objects.filter(app_label="sessions", model="session").exists()
    assert ContentType.objects.count() == kinds
    assert emptying.rows_of_filled(connection) == emptying.filled["default"]
