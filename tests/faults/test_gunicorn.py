"""Gunicorn serves the site with eight processes, and nobody hears that the database is locked."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.sessions.models import Session
from django.db import connection

from invitation.flows import sharing
from invitation.models import InvitationKey
from tests.faults.conftest import PATIENCE, ROOT
from tests.faults.test_crowds import check_newcomers, journal, owner  # noqa: F401 (fixtures)
from tests.races.wire import CSRF, session_of
from tests.scenes import INVITE, LANDING, PASSWORD, REGISTER, answers, link
from tests.workers.conftest import eventually

pytest.importorskip("gunicorn", reason="comes with the extra `test`")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

WORKERS = 8
LOGIN = "/accounts/login/"
#: Hash quickly, and all write at once; or take the real time.
QUICK = "django.contrib.auth.hashers.MD5PasswordHasher"
REAL = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
#: What docs/reference/databases.rst says to set. Whoever connects first switches to WAL.
PATIENT = {"transaction_mode": "IMMEDIATE", "timeout": 20}
OPTIONS = {
    "delete": PATIENT,
    "wal": PATIENT | {"init_command": "PRAGMA journal_mode=WAL"},
}

Step = tuple[str, dict[str, Any] | None]


class Browser:
    """Keep cookies, and count what the site answers."""

    def __init__(self, port: int, cookies: dict[str, str] | None = None) -> None:
        self.port = port
        self.cookies = SimpleCookie({"csrftoken": CSRF, **(cookies or {})})
        self.statuses: list[tuple[str, int]] = []

    def take(self, path: str, form: dict[str, Any] | None = None) -> None:
        """Get a page, or post a form to it."""
        site = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        cookie = self.cookies.output(attrs=[], header="", sep=";").strip()
        headers = {"Host": "example.com", "Cookie": cookie}
        if form is None:
            site.request("GET", path, headers=headers)
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode({"csrfmiddlewaretoken": self.cookies["csrftoken"].value, **form})
            site.request("POST", path, body, headers)
        answer = site.getresponse()
        answer.read()
        site.close()
        for header in answer.headers.get_all("Set-Cookie", []):
            self.cookies.load(header)
        self.statuses.append((path if path.count("/") < 4 else "a link", answer.status))


@contextmanager
def gunicorn(log: Path, urls: str, hasher: str, options: dict[str, Any]) -> Iterator[int]:
    """Serve the site on the port that is given."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    database = {"NAME": str(connection.settings_dict["NAME"])}
    if connection.vendor == "sqlite":
        database |= {"OPTIONS": options}
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings_gunicorn",
        "CROWD_DATABASE": json.dumps(database),
        "CROWD_URLS": urls,
        "CROWD_HASHER": hasher,
    }
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", str(WORKERS)]
    command += ["--timeout", str(PATIENCE), "--bind", f"127.0.0.1:{port}", "--backlog", "512"]
    command.append("django.core.wsgi:get_wsgi_application()")
    with log.open("wb") as written:
        server = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=written, stderr=subprocess.STDOUT
        )
    try:
        eventually(lambda: log.read_text("utf-8").count("Booting worker") == WORKERS)
        yield port
    finally:
        server.terminate()
        server.wait(PATIENCE)


def at_once(number: int, visits: Sequence[Callable[[], None]]) -> None:
    """Let so many threads make these visits."""
    waiting, errors = list(reversed(visits)), []

    def visit() -> None:
        while waiting:
            try:
                waiting.pop()()
            except Exception as error:  # noqa: BLE001 (the test fails by it)
                errors.append(error)

    threads = [threading.Thread(target=visit) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def newcomer(key: str, number: int, *, logs_in: bool) -> list[Step]:
    """Return what somebody does who opens a link, signs up, invites and logs in once more."""
    name = f"newcomer{number}"
    steps: list[Step] = [
        (link(key), None),
        (LANDING, None),
        (REGISTER, answers(f"{name}@example.org", name)),
    ]
    if logs_in:
        steps += [
            (INVITE, {"email": f"q{number}@example.org"}),
            (LOGIN, {"username": name, "password": PASSWORD}),
            ("/accounts/invitations/", None),
        ]
    return steps


SIZES = [
    pytest.param(48, 24, QUICK),
    pytest.param(240, 32, REAL, marks=pytest.mark.stress),
    pytest.param(1000, 24, QUICK, marks=pytest.mark.stress),
]


@pytest.mark.parametrize("patient", [True, False], ids=["options", "no options"])
@pytest.mark.parametrize(("number", "crowd", "hasher"), SIZES)
def test_nobody_hears_that_the_database_is_locked(
    journal: str,  # noqa: F811
    owner: Any,  # noqa: F811
    tmp_path: Path,
    number: int,
    crowd: int,
    hasher: str,
    patient: bool,
) -> None:
    shared = sharing.share(owner, label="all", max_uses=None, expires_at=None)
    staff = session_of(owner)
    log = tmp_path / "gunicorn.log"
    # Without the options, Django's own log-in may give up. What this app writes does not.
    urls = "tests.urls_simple" if patient else "tests.urls"
    options = OPTIONS.get(journal, {}) if patient else {}
    with gunicorn(log, urls, hasher, options) as port:
        browsers = [Browser(port) for _ in range(number)]
        members = [Browser(port, staff) for _ in range(number // 4)]

        def come(n: int) -> None:
            for step in newcomer(shared.key, n, logs_in=patient):
                browsers[n].take(*step)

        def invite(n: int) -> None:
            members[n].take(INVITE, {"email": f"p{n}@example.org"})

        visits = [lambda n=n: come(n) for n in range(number)]  # type: ignore[misc]
        visits[::4] = [lambda n=n: (come(n * 4), invite(n)) for n in range(number // 4)]  # type: ignore[misc]
        at_once(crowd, visits)
    got = Counter(status for browser in (*browsers, *members) for status in browser.statuses)
    assert {status for (_path, status) in got} <= {200, 302}, f"{got}\n{log.read_text('utf-8')}"
    check_newcomers(number)
    shared.refresh_from_db()
    assert shared.uses == number
    invited = InvitationKey.objects.filter(email__regex="^[pq][0-9]+@")
    assert invited.count() == number // 4 + (number if patient else 0)
    if patient:
        # Signing up logs in, and logging in once more makes another session of the same key.
        assert Session.objects.count() >= number + 1
