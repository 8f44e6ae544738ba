"""``sendinvitations`` as a process: it loops, has workers, and ends when it is told to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from invitation.models import DeliveryPause, InvitationEmail
from tests.factories import make_invitation, make_mail, make_user
from tests.faults.conftest import PATIENCE, Processes
from tests.faults.door import make_door
from tests.faults.server import Server, Talk

pytestmark = pytest.mark.django_db(transaction=True)

needs_ps = pytest.mark.skipif(shutil.which("ps") is None, reason="asks ps for processes")


@pytest.fixture
def server() -> Any:
    """Return a mail server that takes everything."""
    with Server() as server:
        yield server


def fill(number: int) -> None:
    inviter = make_user("inviter")
    for guest in range(number):
        invitation = make_invitation(inviter, f"guest{guest}@example.org")
        make_mail(invitation, message_id=f"<{guest}@example.com>")


def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "It does not come."
        time.sleep(0.05)
        connections["default"].close_if_unusable_or_obsolete()


def states() -> Counter[str]:
    return Counter(InvitationEmail.objects.values_list("state", flat=True))


def ended(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
    """Tell a process to end, and return its exit code and what it has said."""
    process.send_signal(number)
    said, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, said


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_loop_goes_on_until_it_is_told_to_end(
    server: Server, processes: Callable[[Server], Processes], number: int
) -> None:
    fill(2)
    process = processes(server).command("--loop", "--interval=1")
    until(lambda: len(server.taken) == 2)
    make_mail(make_invitation(email="late@example.org"))
    until(lambda: len(server.taken) == 3)
    until(lambda: states() == {"sent": 3})
    code, said = ended(process, number)
    assert code == 0, said
    counts = [int(line.partition(",")[0].removeprefix("Sent: ")) for line in said.splitlines()]
    assert sum(counts) == 3


def test_it_ends_after_the_mail_in_hand_and_lets_go_of_the_others(
    processes: Callable[[Server], Processes],
) -> None:
    process: list[subprocess.Popen[str]] = []

    def script(said: str, rest: str, talk: Talk) -> None:
        if said == "BODY" and talk.mails == 2:
            process[0].send_signal(signal.SIGTERM)
            time.sleep(0.3)

    with Server(script) as server:
        fill(10)
        process.append(processes(server).command("--loop"))
        said, _ = process[0].communicate(timeout=PATIENCE)
        assert process[0].returncode == 0, said
        assert said.startswith("Sent: 2, not sent: 0. Waiting: 8, next try: ")
        assert len(server.taken) == 2
    assert states() == {"sent": 2, "queued": 8}
    assert set(InvitationEmail.objects.values_list("attempts", "lease_until")) == {
        (0, None),
        (1, None),
    }


def test_workers_share_the_work(server: Server, processes: Callable[[Server], Processes]) -> None:
    fill(120)
    said = processes(server).run("--workers=3")
    counts = [int(line.partition(",")[0].removeprefix("Sent: ")) for line in said.splitlines()]
    assert (len(counts), sum(counts)) == (3, 120)
    assert states() == {"sent": 120}
    assert len(server.taken) == len(set(server.recipients)) == 120


def test_workers_end_with_who_has_started_them(
    server: Server, processes: Callable[[Server], Processes]
) -> None:
    fill(3)
    process = processes(server).command("--workers=2", "--loop", "--interval=60")
    until(lambda: states() == {"sent": 3})
    code, said = ended(process)
    assert code == 0, said


def children_of(process: subprocess.Popen[str], number: int) -> list[int]:
    """Wait for so many processes that this one has started, and return their ids."""
    found: list[int] = []

    def are_there() -> bool:
        ps = ["ps", "-A", "-o", "pid=,ppid=,stat="]
        lines = subprocess.run(ps, check=True, capture_output=True, text=True).stdout.splitlines()
        rows = [line.split() for line in lines]
        own = [
            int(pid) for pid, parent, stat in rows if parent == str(process.pid) and stat[0] != "Z"
        ]
        found[:] = own
        return len(own) == number

    until(are_there)
    return found


@needs_ps
def test_workers_that_are_killed_are_replaced(
    server: Server, processes: Callable[[Server], Processes]
) -> None:
    process = processes(server).command("--workers=2", "--loop", "--interval=1")
    killed = children_of(process, 2)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    fill(3)
    until(lambda: states() == {"sent": 3})
    assert not set(children_of(process, 2)) & set(killed)
    code, said = ended(process)
    assert code == 0, said
    for pid in killed:
        assert f"Worker {pid} ended with SIGKILL. Another one starts in 1 seconds." in said


@needs_ps
@pytest.mark.parametrize("options", [["--loop"], []], ids=["resting", "sending"])
def test_workers_end_when_who_has_started_them_is_killed(
    processes: Callable[[Server], Processes], options: list[str]
) -> None:
    process: list[subprocess.Popen[str]] = []

    def script(said: str, rest: str, talk: Talk) -> None:
        if not options and said == "BODY" and talk.mails == 1 and process[0].poll() is None:
            process[0].kill()

    with Server(script) as server:
        fill(0 if options else 40)
        process.append(processes(server).command("--workers=2", "--interval=600", *options))
        if options:
            children_of(process[0], 2)
            process[0].kill()
        # They have what they write to: it ends when the last of them has ended.
        said, _ = process[0].communicate(timeout=PATIENCE)
        assert "The process that started this worker is gone. The worker ends." in said
        assert len(server.taken) < 40
    assert set(states()) <= {"sent", "queued"}


def test_a_loop_outlives_a_database_that_is_gone_at_any_time(
    server: Server, processes: Callable[[Server], Processes], door: Any
) -> None:
    process = processes(server).command("--loop", "--interval=1", **door.environment)
    assert process.stdout is not None
    for number in (1, 2):  # at its start, and later
        assert "The outbox cannot be read: OperationalError." in heard(process, "cannot be read")
        make_mail(make_invitation(email=f"guest{number}@example.org"))
        door.open()
        heard(process, "can be read again")
        until(lambda: states() == {"sent": number})  # noqa: B023 (called in this round alone)
        door.shut()
    heard(process, "cannot be read")
    code, said = ended(process)
    assert code == 0, said
    door.open()


def heard(process: subprocess.Popen[str], words: str) -> str:
    """Return the next line of what a process says that has these words."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(f"It ended without: {words}")


@pytest.fixture
def door(shared_database: None, tmp_path: Path) -> Iterator[Any]:
    """Return a way to the database that is shut."""
    door = make_door(tmp_path)
    yield door
    door.close()


def test_workers_that_end_with_an_error_are_told(
    server: Server, processes: Callable[[Server], Processes]
) -> None:
    process = processes(server).command("--workers=2", FAULTS_DATABASE="/no/such/database")
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert said.endswith("CommandError: 2 of 2 workers ended with an error.\n")


def test_a_pause_is_said(processes: Callable[[Server], Processes]) -> None:
    with Server() as server:
        fill(2)
    said = processes(server).run()
    assert "Sent: 0, not sent: 1. Waiting: 2, next try: " in said
    assert " Paused until " in said
    assert "ConnectionRefusedError" in said
    assert DeliveryPause.objects.get().failures == 1
