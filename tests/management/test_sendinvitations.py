"""``sendinvitations``: its loop, its workers, and how it ends."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import CommandError
from django.db import InterfaceError, OperationalError

from invitation.delivery.email import EmailDelivery
from invitation.management.commands.sendinvitations import Command
from invitation.models import DeliveryPause, InvitationEmail
from tests.factories import make_invitation, make_mail
from tests.management.test_commands import run

pytestmark = pytest.mark.django_db


@time_machine.travel("2126-11-22T10:03:00Z", tick=False)
def test_send_says_that_nothing_can_leave(settings: Any) -> None:
    moment = datetime(2126, 11, 22, 10, 5, tzinfo=ZoneInfo("UTC"))
    DeliveryPause.objects.create(until=moment, since=moment, failures=1, reason="535 no")
    assert run("sendinvitations") == (
        "Sent: 0, not sent: 0. Paused until 2126-11-22 10:05:00 UTC: 535 no\n"
    )


@time_machine.travel("2126-11-22T10:03:00Z", tick=False)
def test_while_nothing_can_leave_the_next_try_is_not_before_the_end_of_that() -> None:
    due = datetime(2026, 1, 22, 10, 4, tzinfo=ZoneInfo("UTC"))
    until = datetime(2126, 11, 22, 10, 5, tzinfo=ZoneInfo("UTC"))
    DeliveryPause.objects.create(until=until, since=due, failures=1, reason="535 no")
    mail = make_mail(not_before=due)
    assert "Waiting: 1, next try: 2126-11-22 10:05:00 UTC. Paused" in run("sendinvitations")
    InvitationEmail.objects.filter(pk=mail.pk).update(not_before=until + timedelta(minutes=1))
    assert "Waiting: 1, next try: 2126-11-22 10:06:00 UTC. Paused" in run("sendinvitations")


@time_machine.travel("2126-11-22T10:03:00Z", tick=False)
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
        for module in ("commands.sendinvitations", "crews"):
            monkeypatch.setattr(f"invitation.management.{module}.time", self)

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


@pytest.mark.each_case
@pytest.mark.parametrize("rounds", [{1}, {2}, {1, 2, 3}], ids=["first", "second", "first three"])
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_loop_outlives_the_database(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    rounds: set[int],
    error: type[Exception],
) -> None:
    done: list[str] = []

    def gone(*args: Any, **options: Any) -> Any:
        done.append("tried")
        if done.count("tried") in rounds:
            raise error("password of the database")
        return 0, 0

    monkeypatch.setattr("invitation.flows.mail.deliver_due", gone)
    monkeypatch.setattr("django.db.connections.close_all", lambda: done.append("closed"))
    Clock(monkeypatch, (4.5, told))
    assert run("sendinvitations", "--loop", "--interval=1") == "Sent: 0, not sent: 0.\n"
    assert (done.count("tried"), done.count("closed")) == (5, len(rounds))
    assert caplog.messages == [
        f"The outbox cannot be read: {error.__name__}. Trying again every 1 seconds.",
        "The outbox can be read again.",
    ]


def test_without_loop_a_database_that_is_gone_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: Any, **options: Any) -> Any:
        raise OperationalError

    monkeypatch.setattr("invitation.flows.mail.deliver_due", gone)
    with pytest.raises(OperationalError):
        run("sendinvitations")


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
    """Process that does not run; ``fates`` say of each when it ends after its start, and how."""

    fates: list[tuple[float, int] | OSError | None] = []
    made: list[Worker] = []
    clock: Clock

    def __init__(self, target: Any) -> None:
        self.target, self.pid, self.told_at = target, 100 + len(self.made), None
        self.sentinel, self.begun = object(), 0.0
        self.fate = self.fates.pop(0) if self.fates else None
        self.made.append(self)

    def start(self) -> None:
        if isinstance(self.fate, OSError):
            raise self.fate
        self.begun = self.clock.now

    def terminate(self) -> None:
        self.told_at = self.clock.now

    @property
    def exitcode(self) -> int | None:
        if isinstance(self.fate, tuple) and self.clock.now - self.begun >= self.fate[0]:
            return self.fate[1]
        return None if self.told_at is None else 0


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> type[Worker]:
    """Return what stands for the processes that are started, at a clock of their own."""
    monkeypatch.setattr(Worker, "made", [])
    monkeypatch.setattr(Worker, "fates", [])
    monkeypatch.setattr(Worker, "clock", Clock(monkeypatch), raising=False)
    monkeypatch.setattr("multiprocessing.context.ForkContext.Process", Worker)
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)
    nap = "invitation.management.crews.wait"
    monkeypatch.setattr(nap, lambda alive, seconds: Worker.clock.sleep(seconds))
    return Worker


def starts(worker: type[Worker]) -> list[int]:
    """Return at which second each process was started."""
    return [round(one.begun) for one in worker.made]


def test_workers_do_the_same_each(worker: type[Worker]) -> None:
    worker.fates = [(1, 0)] * 3
    run("sendinvitations", "--workers=3", "--limit=7", "--interval=3")
    asked = [
        [one.target.args[1][name] for name in ("loop", "limit", "interval")] for one in worker.made
    ]
    assert asked == [[False, 7, 3]] * 3


@pytest.mark.parametrize("options", [[], ["--loop"]])
def test_workers_are_told_to_end(worker: type[Worker], options: list[str]) -> None:
    worker.clock.events = [(5, told)]
    run("sendinvitations", "--workers=2", *options)
    assert [round(one.told_at or 0) for one in worker.made] == [5, 5]


def test_a_worker_that_fails_is_told(
    worker: type[Worker], caplog: pytest.LogCaptureFixture
) -> None:
    worker.fates = [(1, 0), (1, -9)]
    with pytest.raises(CommandError, match="1 of 2 workers ended with an error"):
        run("sendinvitations", "--workers=2")
    assert caplog.messages == ["Worker 101 ended with SIGKILL."]


@pytest.mark.parametrize(
    ("code", "words"), [(-9, "SIGKILL"), (1, "exit code 1"), (0, "exit code 0")]
)
def test_a_worker_of_a_loop_that_dies_is_replaced(
    worker: type[Worker], caplog: pytest.LogCaptureFixture, code: int, words: str
) -> None:
    worker.fates = [None, (30, code)]
    worker.clock.events = [(90, told)]
    run("sendinvitations", "--workers=2", "--loop")
    assert starts(worker) == [0, 0, 31]
    assert caplog.messages == [f"Worker 101 ended with {words}. Another one starts in 1 seconds."]


def test_workers_that_die_at_once_are_replaced_ever_later_and_not_for_ever(
    worker: type[Worker], caplog: pytest.LogCaptureFixture
) -> None:
    worker.fates = [(0, 1), None, *[(0, 1)] * 9]
    with pytest.raises(CommandError, match="10 workers in a row ended"):
        run("sendinvitations", "--workers=2", "--loop")
    first, _other, *rest = starts(worker)
    pauses = [later - before for before, later in zip([first, *rest], rest, strict=False)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 30, 30, 30, 30], abs=1)
    assert worker.made[1].told_at is not None
    assert caplog.messages[-1].endswith("No other one starts: it was the last of 10.")


def test_one_that_has_lived_for_a_while_dies_for_the_first_time(worker: type[Worker]) -> None:
    worker.fates = [None, (0, 1), (0, 1), (100, 1), None]
    worker.clock.events = [(200, told)]
    run("sendinvitations", "--workers=2", "--loop")
    assert starts(worker) == pytest.approx([0, 0, 1, 4, 105], abs=1)


def test_a_worker_that_cannot_start_is_tried_again(
    worker: type[Worker], caplog: pytest.LogCaptureFixture
) -> None:
    worker.fates = [None, OSError(11, "Resource temporarily unavailable")]
    worker.clock.events = [(5, told)]
    run("sendinvitations", "--workers=2", "--loop")
    assert starts(worker)[2] == 1
    assert caplog.messages == [
        "A worker cannot start: Resource temporarily unavailable. Another one starts in 1 seconds."
    ]


def test_no_worker_starts_any_more_once_it_was_told_to_end(worker: type[Worker]) -> None:
    worker.fates = [None, (1, 1)]
    worker.clock.events = [(1.5, told)]
    run("sendinvitations", "--workers=2", "--loop")
    assert len(worker.made) == 2


def test_a_worker_sends_until_its_parent_is_gone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, mailoutbox: list[Any]
) -> None:
    make_mail()
    orphaned: list[int] = [7]
    monkeypatch.setattr("os.getppid", lambda: orphaned[-1])
    clock = Clock(monkeypatch, (3, lambda: orphaned.append(1)))
    Command().be_worker(7, {"loop": True, "interval": 60, "limit": None, "verbosity": 0})
    assert len(mailoutbox) == 1
    assert clock.now == pytest.approx(3, abs=0.3)
    assert caplog.messages[-1] == "The process that started this worker is gone. The worker ends."


def test_workers_are_so_many_at_most() -> None:
    with pytest.raises(CommandError, match="at most 64"):
        run("sendinvitations", "--workers=65")


def test_workers_need_a_system_that_can_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
    with pytest.raises(CommandError, match="can fork"):
        run("sendinvitations", "--workers=2")
