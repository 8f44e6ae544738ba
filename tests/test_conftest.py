"""What the other tests rely on: the shared fixtures do what they say."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.test import Client

from tests.conftest import Sink


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
