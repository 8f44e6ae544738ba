"""What the tests share: a member, a real mail server, on-commit callbacks, and no network."""

from __future__ import annotations

import email
import email.policy
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from email.message import EmailMessage
from functools import partial
from typing import Any

import django
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

#: The database is shared by the examples of one test, which clean up after themselves.
#: No deadline: a busy machine is not a fault of the code. CI tries the same examples each time.
hypothesis_settings.register_profile(
    "invitation",
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
hypothesis_settings.load_profile("invitation")


def refuse_network(event: str, args: tuple[Any, ...]) -> None:
    """Refuse every address but this machine's own: no test depends on the network."""
    if event in ("socket.connect", "socket.sendto"):
        address = args[1]
        host = address[0] if isinstance(address, tuple) else ""  # else a Unix socket
    elif event == "socket.getaddrinfo":
        host = args[0] or ""
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name not in ("", "localhost", "::1") and not name.startswith("127."):
        raise RuntimeError(f"A test must not reach {name}.")


sys.addaudithook(refuse_network)


def pytest_report_header() -> list[str]:
    """Say what the tests run on."""
    database = os.environ.get("INVITATION_TEST_DB", "sqlite")
    return [f"Django {django.get_version()}, database {database}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs row locks where the database has none."""
    if connection.vendor != "sqlite":
        return
    skip = pytest.mark.skip(reason="SQLite has no row locks; `make test-services` runs it")
    for item in items:
        if item.get_closest_marker("row_locks"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def one_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database have no clock of its own: a test that travels in time moves but one."""
    if not request.node.get_closest_marker("two_clocks"):
        monkeypatch.setattr("invitation.flows.clocks.SECONDS", {})


@pytest.fixture
def member(db: None) -> Any:
    """Return a signed-up member, of whichever user model the site has; the password is "secret"."""
    model = get_user_model()
    fields = {model.USERNAME_FIELD: "member@example.com"}
    if model.USERNAME_FIELD != "email":
        fields = {model.USERNAME_FIELD: "member", "email": "member@example.com"}
    return model._default_manager.create_user(password="secret", **fields)


@pytest.fixture
def member_client(member: Any) -> Client:
    """Return a browser in which the member is logged in."""
    client = Client()
    client.force_login(member)
    return client


@pytest.fixture
def commit(
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[list[Any]]],
) -> Callable[..., AbstractContextManager[list[Any]]]:
    """Use as ``with commit(): ...``: what waits for the commit is done at the end of the block."""
    return partial(django_capture_on_commit_callbacks, execute=True)


class Sink:
    """Take every mail, as a mail server does, and keep it.

    ``got`` holds envelope sender, envelope recipients and message. ``refuse`` maps the beginning
    of a recipient's address to the answer that its mail gets.
    """

    def __init__(self) -> None:
        self.got: list[tuple[str, list[str], EmailMessage]] = []
        self.refuse = {"full@": "452 4.2.2 mailbox full", "gone@": "550 5.1.1 no such user"}
        self.port = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        for start, answer in self.refuse.items():
            if any(address.startswith(start) for address in envelope.rcpt_tos):
                return answer
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.got.append((envelope.mail_from or "", envelope.rcpt_tos, message))
        return "250 OK"


@pytest.fixture
def smtp(settings: Any) -> Iterator[Sink]:
    """Start a mail server on this machine, let Django send to it, and return what it takes."""
    # The controller connects to its own port to see that it is up, so it cannot be told "any".
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sink = Sink()
    sink.port = port
    backend = "django.core.mail.backends.smtp.EmailBackend"
    if hasattr(settings, "MAILERS"):
        options = {"host": "127.0.0.1", "port": port}
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
    else:
        settings.EMAIL_BACKEND = backend
        settings.EMAIL_HOST = "127.0.0.1"
        settings.EMAIL_PORT = port
    controller = Controller(sink, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield sink
    finally:
        controller.stop()
