"""``sendinvitations``: its loop, its workers, and how it ends."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError
from django.db import OperationalError

from invitation.delivery.email import EmailDelivery
from invitation.models import DeliveryPause, InvitationEmail
from tests.factories import make_invitation, make_mail
from tests.test_commands import run

pytestmark = pytest.mark.django_db


def test_send_says_that_nothing_can_leave(settings: Any) -> None:
    moment = datetime(2126, 11, 22, 10, 5, tzinfo=ZoneInfo("UTC"))
    DeliveryPause.objects.create(until=moment, since=moment, failures=1, reason="535 no")
    assert run("sendinvitations") == (
        "Sent: 0, not sent: 0. Paused until 2126-11-22 10:05:00 UTC: 535 no\n"
    )


def test_while_nothing_can_leave_the_next_try_is_not_before_the_end_of_that() -> None:
    due = datetime(2026, 1, 22, 10, 4, tzinfo=ZoneInfo("UTC"))
    until = datetime(2126, 11, 22, 10, 5, tzinfo=ZoneInfo("UTC"))
    DeliveryPause.objects.create(until=until, since=due, failures=1, reason="535 no")
    mail = make_mail(not_before=due)
    assert "Waiting: 1, next try: 2126-11-22 10:05:00 UTC. Paused" in run("sendinvitations")
    InvitationEmail.objects.filter(pk=mail.pk).update(not_before=until + timedelta(minutes=1))
    assert "Waiting: 1, next try: 2126-11-22 10:06:00 UTC. Paused" in run("sendinvitations")


def test_it_says_nothing_of_a_pause_that_is_over() -> None:
    due = datetime(2026, 1, 22, 10, 4, tzinfo=ZoneInfo("UTC"))
    DeliveryPause.objects.create(until=due, since=due, failures=1, reason="535 no")
    assert run("sendinvitations") == "Sent: 0, not sent: 0.\n"
    later = datetime(2126, 11, 22, 10, 5, tzinfo=ZoneInfo("UTC"))
    make_mail(not_before=later)
    assert run("sendinvitations").endswith("next try: 2126-11-22 10:05:00 UTC.\n")


class Clock:
    """Be a clock that only naps move on; ``events`` are what happens when it is looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *events: Any) -> None:
        self.now, self.naps, self.events = 0.0, 0, list(events)
        module = "invitation.management.commands.sendinvitations.time"
        monkeypatch.setattr(f"{module}", self)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.naps += 1
        if self.events and self.events[0][0] <= self.now:
            self.events.pop(0)[1]()


def told(number: int = signal.SIGTERM) -> None:
    """Tell this process to end."""
    signal.raise_signal(number)


@pytest.mark.django_db(transaction=True)  # between two rounds it hangs up
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_loop_looks_again_until_it_is_told_to_end(
    monkeypatch: pytest.MonkeyPatch, mailoutbox: list[Any], number: int
) -> None:
    before = signal.getsignal(number)
    clock = Clock(monkeypatch, (4, make_mail), (9, lambda: told(number)))
    assert run("sendinvitations", "--loop", "--interval=5") == (
        "Sent: 0, not sent: 0.\nSent: 1, not sent: 0.\n"
    )
    assert len(mailoutbox) == 1
    assert clock.now == pytest.approx(9, abs=0.3)
    assert signal.getsignal(number) == before


def test_a_loop_outlives_the_database(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def gone(*args: Any, **options: Any) -> Any:
        done.append("tried")
        if len(done) == 2:
            raise OperationalError("password of the database")
        return 0, 0

    monkeypatch.setattr("invitation.flows.deliver_due", gone)
    monkeypatch.setattr("django.db.connections.close_all", lambda: done.append("closed"))
    Clock(monkeypatch, (2.5, told))
    assert run("sendinvitations", "--loop", "--interval=1") == "Sent: 0, not sent: 0.\n"
    assert done == ["tried", "tried", "closed", "tried", "tried"][: len(done)]
    assert len(done) > 3
    assert caplog.messages == ["The outbox cannot be read: OperationalError"]


def test_one_that_is_told_to_end_begins_no_other_mail(
    monkeypatch: pytest.MonkeyPatch, outbox_of_three: list[Any], mailoutbox: list[Any]
) -> None:
    send = EmailDelivery.send

    def sending(self: EmailDelivery, mail: InvitationEmail) -> None:
        send(self, mail)
        told()

    monkeypatch.setattr(EmailDelivery, "send", sending)
    assert run("sendinvitations", "--loop").startswith("Sent: 1, not sent: 0. Waiting: 2, ")
    assert set(InvitationEmail.objects.values_list("state", "attempts")) == {
        ("sent", 1),
        ("queued", 0),
    }


@pytest.fixture
def outbox_of_three() -> list[Any]:
    return [make_mail(make_invitation(email=f"g{number}@example.org")) for number in range(3)]


def test_it_can_be_called_where_no_signals_come(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise ValueError("signal only works in main thread of the main interpreter")

    monkeypatch.setattr("signal.signal", refuse)
    assert run("sendinvitations") == "Sent: 0, not sent: 0.\n"


class Worker:
    """Be a process that does not run; ``exits`` are the exit codes of all."""

    exits: list[int] = []
    made: list[Worker] = []
    on_start: Any = None

    def __init__(self, target: Any, kwargs: dict[str, Any]) -> None:
        self.kwargs, self.alive, self.exitcode, self.ended = kwargs, False, None, 0
        self.made.append(self)

    def start(self) -> None:
        self.alive = True
        if Worker.on_start is not None:
            Worker.on_start()

    def is_alive(self) -> bool:
        return self.alive

    def terminate(self) -> None:
        self.ended += 1

    def join(self) -> None:
        self.exitcode = self.exits.pop(0)  # type: ignore[assignment]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> type[Worker]:
    """Return what stands for the processes that are started."""
    monkeypatch.setattr(Worker, "made", [])
    monkeypatch.setattr(Worker, "on_start", None)
    monkeypatch.setattr("multiprocessing.context.ForkContext.Process", Worker)
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)
    return Worker


def test_workers_do_the_same_each(worker: type[Worker]) -> None:
    worker.exits = [0, 0, 0]
    run("sendinvitations", "--workers=3", "--loop", "--limit=7", "--interval=3")
    asked = [
        [one.kwargs[name] for name in ("workers", "loop", "limit", "interval")]
        for one in worker.made
    ]
    assert asked == [[1, True, 7, 3]] * 3


def test_workers_are_told_to_end(worker: type[Worker]) -> None:
    worker.exits, worker.on_start = [0, 0], told
    run("sendinvitations", "--workers=2")
    assert [one.ended > 0 for one in worker.made] == [True, True]


def test_a_worker_that_fails_is_told(worker: type[Worker]) -> None:
    worker.exits = [0, -9]
    with pytest.raises(CommandError, match="1 of 2 workers ended with an error"):
        run("sendinvitations", "--workers=2")


def test_workers_are_so_many_at_most() -> None:
    with pytest.raises(CommandError, match="at most 64"):
        run("sendinvitations", "--workers=65")


def test_workers_need_a_system_that_can_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    with pytest.raises(CommandError, match="can fork"):
        run("sendinvitations", "--workers=2")
