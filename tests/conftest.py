"""What the tests share: a member, a real mail server, on-commit callbacks, and no network."""

from __future__ import annotations

import email
import email.policy
import gc
import os
import socket
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from email.message import EmailMessage
from functools import partial
from typing import Any

import django
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.signals import setting_changed
from django.db import connection
from django.dispatch import receiver
from django.test import Client
from django.test.signals import root_urlconf_changed
from django.urls import set_urlconf
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests import emptying
from tests.examples import examples

#: The database is shared by the examples of one test, which clean up after themselves.
#: No deadline: a busy machine is not a fault of the code. CI tries the same examples each time.
hypothesis_settings.register_profile(
    "invitation",
    max_examples=examples(100),
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
hypothesis_settings.load_profile("invitation")


emptying.install()

# Django forgets every URLconf whenever a test chooses one, and reads it again for the next test. It
# keeps each under its own name or object, so nothing needs to be forgotten.
setting_changed.disconnect(root_urlconf_changed)


@receiver(setting_changed)
def choose_urlconf(*, setting: str, **_: Any) -> None:
    """Let the next request use the URLconf that a test has chosen."""
    if setting == "ROOT_URLCONF":
        set_urlconf(None)


#: How many cases of a test with a database `make test` runs.
CASES = 2
#: Marks of tests whose cases are chosen by hand.
LEFT_ALONE = ("each_case", "exhaustive", "long", "stress")
#: A test that has one of these touches the database.
DATABASE_FIXTURES = frozenset({"db", "transactional_db", "django_db_setup", "live_server"})


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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--first-case``, for runs that need each test but not each of its parameters."""
    parser.addoption(
        "--first-case",
        action="append",
        default=[],
        metavar="PATH",
        help="run parametrised tests below this path with the first of their parameters alone",
    )


def touches_database(item: pytest.Item) -> bool:
    """Tell whether a test asks for the database; pytest-django keeps it from all others."""
    if item.get_closest_marker("django_db") or item.get_closest_marker("services"):
        return True
    return not DATABASE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> None:
    """Refuse a database that a test gets on its way: service runs would leave the test out."""
    node = request.node
    asked = request.fixturename in DATABASE_FIXTURES
    if asked and isinstance(node, pytest.Function) and not touches_database(node):
        pytest.fail(f"Mark {node.nodeid} with django_db: it gets the database on its way.")


def is_repeated(item: pytest.Item, seen: set[str]) -> bool:
    """Tell whether this test has been seen with other parameters."""
    name = item.nodeid.partition("[")[0]
    return name in seen or seen.add(name) is not None


def values_of(item: pytest.Function) -> set[Any]:
    """Return what a test is run with: its parameters, and the class that inherits it."""
    values = set(enumerate(item.callspec._idlist)) if hasattr(item, "callspec") else set()
    inherited = item.cls is not None and item.originalname not in vars(item.cls)
    return values | ({("class", item.cls)} if inherited else set())


def mark_further_cases(items: list[pytest.Item]) -> None:
    """Mark as long all but a few cases of each test that has a database.

    A class that inherits a contract is a parameter of its tests. The cases that stay have as many
    values as possible between them; the classes take turns. Other tests are quick: all stay.
    """
    tests = defaultdict(list)
    for item in items:
        marked = any(item.get_closest_marker(name) for name in LEFT_ALONE)
        if not marked and isinstance(item, pytest.Function) and touches_database(item):
            name = (item.function.__module__, item.function.__qualname__)
            tests[name].append((item, values_of(item)))
    for (module, name), cases in tests.items():
        turn = zlib.crc32(f"{module}.{name}".encode()) % len(cases)
        cases = cases[turn:] + cases[:turn]
        missing = set().union(*(values for _, values in cases))
        for _ in range(min(CASES, len(cases))):
            best = max(cases, key=lambda case: len(case[1] & missing))
            missing -= best[1]
            cases.remove(best)
        for item, _ in cases:
            item.add_marker(pytest.mark.long)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs row locks where there are none; leave out what a run does not need."""
    if connection.vendor == "sqlite":
        skip = pytest.mark.skip(reason="SQLite has no row locks; `make test-services` runs it")
        for item in items:
            if item.get_closest_marker("row_locks"):
                item.add_marker(skip)
    mark_further_cases(items)
    places, seen = tuple(config.getoption("--first-case")), set[str]()
    stress = "stress" in config.option.markexpr
    left_out = [
        item
        for item in items
        if (item.get_closest_marker("stress") and not stress)
        or (connection.vendor != "sqlite" and not touches_database(item))
        or (places and item.nodeid.startswith(places) and is_repeated(item, seen))
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def pytest_collection_finish() -> None:
    """Let the garbage collector look less often, and not at what lives as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(autouse=True)
def one_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database have no clock of its own: a test that travels in time moves but one."""
    if not apps.is_installed("invitation"):
        return  # a site with guests alone
    if not request.node.get_closest_marker("two_clocks"):
        monkeypatch.setattr("invitation.flows.upkeep.clocks.SECONDS", {})


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


@pytest.fixture
def no_retention(settings: Any) -> None:
    """Let cleanup delete at once what ended unused."""
    settings.INVITATION_RETENTION_DAYS = 0


class Sink:
    """Take every email, as a mail server does, and keep it.

    ``got`` holds envelope sender, envelope recipients and message. ``refuse`` maps the beginning
    of a recipient's address to the answer that its email gets.
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
