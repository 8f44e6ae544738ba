"""Twelve ways in which a mail server fails, met by real processes: what each costs, and whom."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from invitation.models import DeliveryPause, InvitationEmail
from tests.factories import make_invitation, make_mail, make_user
from tests.faults.conftest import PATIENCE, Processes
from tests.faults.server import CLOSE, HANG, LOST, Drip, Last, Server, Talk

pytestmark = pytest.mark.django_db(transaction=True)

#: What happens to the email to bad@, the others being fine, and what then becomes of it.
ABOUT_ONE = {
    "421 recipient": ("RCPT", Last("421 closing"), "queued"),
    "450 recipient": ("RCPT", "450 greylisted", "queued"),
    "550 recipient": ("RCPT", "550 no such user", "failed"),
    "552 content": ("BODY", "552 over quota", "failed"),
    "hangs in DATA": ("BODY", HANG, "queued"),
    "drips": ("BODY", Drip("2"), "queued"),
    "closes after DATA": ("BODY", CLOSE, "queued"),
    "takes it and is gone": ("BODY", LOST, "queued"),
}
#: What happens to all.
ABOUT_ALL = {
    "hangs in connect": ("CONNECT", HANG),
    "hangs in EHLO": ("EHLO", HANG),
    "bad password": ("AUTH", "535 5.7.8 wrong"),
    "no TLS that is trusted": ("STARTTLS", None),
    "nobody there": ("CONNECT", CLOSE),
}


@pytest.fixture
def three(transactional_db: None) -> None:
    inviter = make_user("inviter")
    for name in ("first", "bad", "last"):
        make_mail(
            make_invitation(inviter, f"{name}@example.org"), message_id=f"<{name}@example.com>"
        )


def states() -> dict[str, tuple[str, int]]:
    rows = InvitationEmail.objects.select_related("invitation")
    return {mail.invitation.email.partition("@")[0]: (mail.state, mail.attempts) for mail in rows}


def time_passes() -> None:
    """Let every pause be over."""
    InvitationEmail.objects.filter(state="queued").update(not_before=timezone.now())
    DeliveryPause.objects.update(until=timezone.now())


def check_bounded(started: float, waits: int) -> None:
    """Assert that a run took no longer than so many emails may, and a process to start."""
    assert time.monotonic() - started < waits * 3 + PATIENCE / 3


@pytest.mark.long  # `test_conversations.py` has it without processes.
@pytest.mark.parametrize("fault", ABOUT_ONE)
def test_what_is_about_one_mail_costs_no_other(
    three: None, processes: Callable[[Server], Processes], fault: str
) -> None:
    command, answer, state = ABOUT_ONE[fault]

    def script(said: str, rest: str, talk: Talk) -> Any:
        meant = "bad@" in (rest if said == "RCPT" else talk.recipient)
        return answer if said == command and meant else None

    with Server(script) as server:
        run, started = processes(server).run, time.monotonic()
        assert "Sent: 2, not sent: 1." in run()
        check_bounded(started, 1)
        assert states() == {"first": ("sent", 1), "bad": (state, 1), "last": ("sent", 1)}
        bad = InvitationEmail.objects.get(message_id="<bad@example.com>")
        assert bad.last_error
        assert bad.failure == ("refused" if state == "failed" else "")
        assert bad.lease_until is None
        assert not DeliveryPause.objects.exists()
        # The server gets well.
        server.script = lambda *_: None
        time_passes()
        run()
    assert states()["bad"] == (("failed", 1) if state == "failed" else ("sent", 2))
    times = Counter(taken.message_id for taken in server.taken)
    mails = {"first": 1, "last": 1} | ({} if state == "failed" else {"bad": 1})
    if answer is LOST:
        mails["bad"] = 2  # it cannot be known; but it is one email, by its Message-ID
    assert times == {f"<{name}@example.com>": count for name, count in mails.items()}


@pytest.mark.parametrize("fault", ABOUT_ALL)
def test_what_is_about_all_costs_one_attempt_of_one_mail(
    three: None,
    processes: Callable[[Server], Processes],
    tls: Any,
    certificate: Path,
    fault: str,
) -> None:
    command, answer = ABOUT_ALL[fault]
    encrypt = {"FAULTS_TLS": "1"} if command == "STARTTLS" else {}
    login = {"FAULTS_LOGIN": "1"} if command == "AUTH" else {}
    with Server(
        lambda said, *_: answer if said in (command, {"EHLO": "HELO"}.get(command)) else None,
        tls if encrypt else None,
    ) as server:
        run, started = processes(server).run, time.monotonic()
        said = run(**encrypt, **login)
        check_bounded(started, 1)
        assert "Sent: 0, not sent: 1. Waiting: 3, " in said
        assert " Paused until " in said
        assert said.count("The queue is paused") == 1
        # It has found out for all.
        untried = dict.fromkeys(("bad", "last"), ("queued", 0))
        assert states() == {"first": ("queued", 1), **untried}
        # Before it is over, nobody is called.
        talks = len(server.talks)
        assert "the queue is paused" not in run(**encrypt, **login)
        assert len(server.talks) == talks
        # The server gets well.
        server.script = lambda *_: None
        time_passes()
        trust = {"SSL_CERT_FILE": f"{certificate}.crt"} if encrypt else {}
        assert "Sent: 3, not sent: 0." in run(**encrypt, **login, **trust)
    expected = {"first": ("sent", 2), **dict.fromkeys(("bad", "last"), ("sent", 1))}
    assert states() == expected
    assert len(server.taken) == 3
    assert DeliveryPause.objects.get().failures == 0


def test_an_outage_never_uses_up_the_attempts_of_mails(
    three: None, processes: Callable[[Server], Processes]
) -> None:
    with Server(lambda said, *_: "421 down" if said == "CONNECT" else None) as server:
        run = processes(server).run
        for _ in range(3):
            run()
            time_passes()
        assert sorted(states().values()) == [("queued", 0), ("queued", 0), ("queued", 1)]
        # One email is tried, whatever their number.
        assert len(server.talks) == 3
