"""Many visitors come at once to several processes of a site, and nobody meets an error page."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from invitation.flows import sharing
from invitation.models import Acceptance, InvitationKey
from tests.factories import make_invitation, make_user
from tests.faults.conftest import PATIENCE, ROOT
from tests.races import books
from tests.races.wire import session_of
from tests.scenes import DECLINE, INVITE, LANDING, REGISTER, answers

#: `make test` has the parts: `tests/backends/test_passwords.py` and `test_deadlocks.py`.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

#: Processes of the site: a server has several, and what one thread waits for may be in another.
PROCESSES = 4

Job = tuple[str, dict[str, Any], dict[str, str]]


@pytest.fixture(params=["delete", "wal"])
def journal(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run once with each journal of SQLite, and once on any other database."""
    if connection.vendor != "sqlite":
        if request.param == "wal":
            pytest.skip("a journal of SQLite")
        yield ""
        return
    connection.close()
    _set_journal(request.param)
    yield request.param
    connection.close()
    _set_journal("delete")


def _set_journal(mode: str) -> None:
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as file:
        assert file.execute(f"PRAGMA journal_mode={mode}").fetchone() == (mode,)


def come(jobs: Sequence[Job], at_once: int, urls: str = "tests.urls", **database: Any) -> list[Any]:
    """Let so many visitors post these forms at once; return path, status, target and error."""
    database = {"NAME": str(connection.settings_dict["NAME"]), **database}
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings_crowd",
        "CROWD_DATABASE": json.dumps(database),
        "CROWD_URLS": urls,
    }
    processes = []
    got: list[Any] = []
    try:
        for number in range(PROCESSES):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.crowd"],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            processes.append(process)
            share = {"threads": at_once // PROCESSES, "jobs": jobs[number::PROCESSES]}
            assert process.stdin is not None
            process.stdin.write(json.dumps(share) + "\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            said, _ = process.communicate(timeout=PATIENCE)
            got += json.loads(said)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
    return got


def statuses(got: Sequence[Any]) -> Counter[int]:
    """Count the answers, and show the first error among them."""
    counted = Counter(status for _path, status, *_rest in got)
    errors = [error for _path, _status, _target, error, _seconds in got if error]
    sys.stdout.write(f"{counted}, longest {max(row[-1] for row in got):.1f} s\n")
    assert errors == [], f"{len(errors)} of {len(got)} got an error page: {errors[0]}"
    return counted


def newcomers(keys: Sequence[tuple[str, str]]) -> list[Job]:
    """Return what people post who have come by these keys, with these addresses."""
    return [
        (REGISTER, answers(email, f"newcomer{n}"), {"invitation_key": key})
        for n, (key, email) in enumerate(keys)
    ]


def check_newcomers(number: int) -> None:
    """See that everybody has an account, and that it is tied to an invitation."""
    accounts = get_user_model()._default_manager.filter(username__startswith="newcomer")
    assert accounts.count() == number
    assert Acceptance.objects.filter(user__in=accounts).count() == number
    books.check_invitations()


SIZES = [
    pytest.param(16, 16),
    pytest.param(160, 16, marks=pytest.mark.stress),
    pytest.param(160, 32, marks=pytest.mark.stress),
]


@pytest.fixture
def owner() -> Any:
    return make_user("owner", is_staff=True, is_superuser=True)


@pytest.mark.parametrize(
    ("urls", "number", "at_once"),
    [
        ("tests.urls", 16, 16),
        ("tests.faults.urls_classic", 16, 16),
        pytest.param("tests.urls", 160, 16, marks=pytest.mark.stress),
        pytest.param("tests.faults.urls_classic", 160, 16, marks=pytest.mark.stress),
        # With one form only: on a busy machine 32 that hash may wait for longer than a lock does.
        pytest.param("tests.urls", 160, 32, marks=pytest.mark.stress),
    ],
)
def test_nobody_who_comes_by_a_shared_link_is_turned_away(
    journal: str, owner: Any, urls: str, number: int, at_once: int
) -> None:
    link = sharing.share(owner, label="all", max_uses=None, expires_at=None)
    keys = [(link.key, f"newcomer{n}@example.org") for n in range(number)]
    assert statuses(come(newcomers(keys), at_once, urls)) == {302: number}
    check_newcomers(number)


@pytest.mark.parametrize(("number", "at_once"), SIZES)
def test_nobody_who_comes_by_an_own_invitation_is_turned_away(
    journal: str, owner: Any, number: int, at_once: int
) -> None:
    invitations = [make_invitation(owner, f"newcomer{n}@example.org") for n in range(number)]
    keys = [(invitation.mail_key, invitation.email) for invitation in invitations]
    assert statuses(come(newcomers(keys), at_once)) == {302: number}
    check_newcomers(number)


def chores(members: Sequence[Any], rounds: int) -> list[Job]:
    """Return what members and visitors post on all other pages that write."""
    jobs: list[Job] = []
    for number in range(rounds):
        for n, member in enumerate(members):
            cookies = session_of(member)
            mine = [make_invitation(member, f"p{number}-{n}-{i}@example.org") for i in range(7)]
            page = "/accounts/invitations/{}/{}/"
            jobs += [
                (INVITE, {"email": f"q{number}-{n}@example.org"}, cookies),
                (page.format(mine[0].pk, "resend"), {}, cookies),
                (page.format(mine[1].pk, "revoke"), {}, cookies),
                (page.format(mine[2].pk, "extend"), {}, cookies),
                (page.format(mine[3].pk, "change-link"), {}, cookies),
                (page.format(mine[4].pk, "edit"), {"recipient_name": "Ann"}, cookies),
                (DECLINE, {}, {"invitation_key": mine[5].mail_key}),
            ]
            link = sharing.share(member, label=f"l{number}-{n}", max_uses=5, expires_at=None)
            shared = "/accounts/invitations/links/{}/{}/"
            jobs.append(("/accounts/join/", {"code": link.code}, {}))
            jobs.append((shared.format(link.pk, "pause"), {}, cookies))
            friend = make_user(f"friend{number}-{n}")
            asked = make_invitation(member, friend.email)
            own = session_of(friend) | {"invitation_key": asked.mail_key}
            jobs.append((f"{LANDING}accept/", {}, own))
            jobs.append(("/accounts/invite/list/", {"addresses": f"b{n}@example.org"}, cookies))
    return jobs


@pytest.mark.parametrize(
    ("rounds", "at_once"),
    [pytest.param(1, 16), pytest.param(5, 16, marks=pytest.mark.stress)],
)
def test_no_other_page_that_writes_fails(
    journal: str, settings: Any, rounds: int, at_once: int
) -> None:
    settings.INVITATIONS_PER_USER = None
    members = [make_user(f"member{n}", is_staff=True, is_superuser=True) for n in range(8)]
    jobs = chores(members, rounds)
    got = come(jobs, at_once)
    # 403: the code of a link that its owner has paused meanwhile. 429: there were many of them.
    assert set(statuses(got)) <= {200, 302, 403, 429}
    refused = {path for path, status, *_rest in got if status in (403, 429)}
    assert refused <= {"/accounts/join/"}
    assert InvitationKey.objects.filter(email__startswith="q").count() == rounds * len(members)
    books.check_invitations()
