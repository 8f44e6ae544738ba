"""Let many threads do something at the same moment, round after round."""

from __future__ import annotations

import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import connections

from invitation.exceptions import InvitationError

#: Seconds after which a short round counts as hanging. MariaDB gives up on a lock after 50.
PATIENCE = 90

Stage = TypeVar("Stage")

#: What one thread does in one round: it gets what the round is about, and its own number.
Contestant = Callable[[Stage, int], Any]


class Collapse(AssertionError):
    """Say that a thread met with an error that nobody should ever see."""


@dataclass
class Arena:
    """Hold how many threads run, and for how many rounds.

    The threads live through all rounds, so that their connections do, too.
    """

    threads: int
    rounds: int
    #: Seconds after which a round counts as hanging.
    patience: float = PATIENCE
    #: What a thread does first, such as choosing its server, and what it does before each round.
    settle: Callable[[int], None] = lambda number: None
    prepare: Callable[[], None] = lambda: None
    _errors: list[str] = field(default_factory=list)

    def race(
        self,
        contestants: Sequence[Contestant[Stage]],
        *,
        before: Callable[[int], Stage],
        after: Callable[[Stage, list[Any]], None],
    ) -> None:
        """Let the contestants run at once, thread by thread in turn, in each round.

        ``before`` is given the number of the round and returns what it is about. ``after`` is
        given that and the outcomes, thread by thread: what each returned, or the
        ``InvitationError`` that turned it away. Any other error is nobody's outcome and fails.
        """
        meeting = threading.Barrier(self.threads + 1, timeout=self.patience)
        outcomes: list[Any] = [None] * self.threads
        stages: list[Stage] = []
        workers = [
            threading.Thread(
                target=self._run,
                args=(contestants[number % len(contestants)], number, meeting, stages, outcomes),
                name=f"contestant-{number}",
                daemon=True,
            )
            for number in range(self.threads)
        ]
        self._errors.clear()
        with _hasty_threads():
            for worker in workers:
                worker.start()
            try:
                for number in range(self.rounds):
                    stages.append(before(number))
                    self._meet(meeting)  # ready, go
                    self._meet(meeting)  # all arrived
                    self._fail_for_errors(f"round {number + 1}")
                    after(stages[-1], list(outcomes))
            finally:
                meeting.abort()
                for worker in workers:
                    worker.join(PATIENCE)
        assert not any(worker.is_alive() for worker in workers), "A thread hangs."

    def _run(
        self,
        contestant: Contestant[Stage],
        number: int,
        meeting: threading.Barrier,
        stages: list[Stage],
        outcomes: list[Any],
    ) -> None:
        try:
            self.settle(number)
            while True:
                meeting.wait()
                try:
                    self.prepare()
                    outcomes[number] = contestant(stages[-1], number)
                except InvitationError as refusal:
                    outcomes[number] = refusal
                except Exception:  # noqa: BLE001 (whatever it is, the test has to show it)
                    self._errors.append(traceback.format_exc())
                meeting.wait()
        except threading.BrokenBarrierError:
            pass  # the end
        finally:
            connections.close_all()

    def _meet(self, meeting: threading.Barrier) -> None:
        try:
            meeting.wait()
        except threading.BrokenBarrierError:
            self._fail_for_errors("a round that hangs")
            raise

    def _fail_for_errors(self, when: str) -> None:
        if self._errors:
            kinds = Counter(error.strip().splitlines()[-1] for error in self._errors)
            summary = "\n".join(f"{count} x {kind}" for kind, count in kinds.most_common())
            raise Collapse(f"In {when}:\n{summary}\n\n{self._errors[0]}")


@contextmanager
def _hasty_threads() -> Iterator[None]:
    """Let Python change threads far more often than usual: more orders of events are tried."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(interval / 5)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def count(outcomes: list[Any]) -> Counter[str]:
    """Count outcomes by what they are called: the code of a refusal, or the text of a value."""
    return Counter(
        outcome.code if isinstance(outcome, InvitationError) else str(outcome)
        for outcome in outcomes
    )
