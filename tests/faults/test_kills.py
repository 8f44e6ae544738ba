"""SIGKILL, wherever a process happens to be: no email is lost, and a second one is the same."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from invitation.flows import mail
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import make_invitation, make_mail, make_user
from tests.faults.conftest import Processes, use
from tests.faults.server import Server, Talk

pytestmark = pytest.mark.django_db(transaction=True)

#: The points at which nothing is committed yet, and those at which the server has the email.
UNDONE = ("before insert", "after insert")
TAKEN = ("after 250", "before mark")
POINTS = (*UNDONE, "after commit", "after lease", "during SMTP", *TAKEN, "after mark")
ROUNDS = [2, pytest.param(50, marks=pytest.mark.stress)]


class Doomed:
    """Be the process whose children are killed; see ``doomed.py``."""

    def __init__(self, processes: Processes) -> None:
        self.process = processes.start("-m", "tests.faults.doomed")

    def begin(self, point: str, argument: str = "") -> int:
        """Start a child, and return its number."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{point}:{argument}\n")
        self.process.stdin.flush()
        return int(self._line())

    def end(self) -> int:
        """Wait for the child, and return how it ended."""
        return int(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.strip().lstrip("-").isdigit():
            self.process.kill()
            pytest.fail(line + self.process.stdout.read())
        return line


@pytest.fixture
def server(settings: Any) -> Iterator[Server]:
    """Return a mail server, to which this process sends as well."""
    settings.INVITATION_DELIVERY = "tests.faults.hasty.HastyDelivery"
    with Server() as server:
        use(settings, server.port, timeout=30)
        yield server


@pytest.fixture
def doomed(server: Server, processes: Callable[[Server], Processes]) -> Doomed:
    make_user("inviter")
    return Doomed(processes(server))


def time_passes() -> None:
    """Let every lease run out."""
    InvitationEmail.objects.filter(state="sending").update(lease_until=timezone.now())


def check(server: Server, wanted: set[str], kills: int) -> None:
    """Assert that all went, few of them twice, and those with the same Message-ID."""
    times = Counter(server.recipients)
    assert times.keys() == wanted
    assert sum(times.values()) - len(times) <= kills
    identities = {(taken.recipient, taken.message_id) for taken in server.taken}
    assert len(identities) == len({identity for _, identity in identities}) == len(wanted)
    assert not InvitationEmail.objects.exclude(state="sent").exists()


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("point", POINTS)
def test_a_process_is_killed(server: Server, doomed: Doomed, point: str, rounds: int) -> None:
    asked_for = POINTS.index(point) < 3
    inviter = make_user("other")
    wanted: set[str] = set()
    for number in range(rounds):
        address = f"guest{number}@example.org"
        if not asked_for:
            make_mail(make_invitation(inviter, address), message_id=f"<{number}@example.com>")
        doomed.begin(point, address)
        assert doomed.end() == -signal.SIGKILL
        committed = InvitationKey.objects.filter(email=address).count()
        assert committed == InvitationEmail.objects.filter(invitation__email=address).count()
        assert committed == (point not in UNDONE)
        wanted |= {address} if committed else set()
        if point != "after mark":
            # While the lease holds, nobody takes it; then somebody does.
            assert mail.deliver_due() == (0, 0)
            time_passes()
            assert mail.deliver_due() == (committed, 0)
        assert mail.deliver_due() == (0, 0)
        twice = rounds_so_far = number + 1
        assert len(server.taken) - len(wanted) == (twice if point in TAKEN else 0)
        check(server, wanted, rounds_so_far)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.stress)])
def test_a_worker_is_killed_again_and_again(server: Server, doomed: Doomed, kills: int) -> None:
    """It dies while the server hears or says something, in the middle of a batch."""
    dice, mails = random.Random(kills), 60  # noqa: S311
    inviter = make_user("other")
    for number in range(mails):
        address = f"guest{number}@example.org"
        make_mail(make_invitation(inviter, address), message_id=f"<{number}@example.com>")
    victim: list[int] = []
    fatal: dict[str, Any] = {}

    def script(said: str, rest: str, talk: Talk) -> None:
        if (said, talk.mails) == (fatal["said"], fatal["mails"]):
            os.kill(victim[0], signal.SIGKILL)

    ends = []
    for _ in range(kills):
        fatal.update(said=dice.choice(["EHLO", "MAIL", "RCPT", "DATA", "BODY"]), mails=0)
        if fatal["said"] != "EHLO":
            fatal["mails"] = dice.choice([1, 2])
        server.script = script
        # The script must not look for the victim before it is known.
        victim[:] = [0]
        fatal["said"], said = "", fatal["said"]
        victim[0] = doomed.begin("anywhere")
        fatal["said"] = said
        ends.append(doomed.end())
        time_passes()
    killed = ends.count(-signal.SIGKILL)
    server.script = lambda *_: None
    mail.deliver_due()
    time_passes()
    mail.deliver_due()
    check(server, {f"guest{number}@example.org" for number in range(mails)}, killed)
    assert killed > 0
