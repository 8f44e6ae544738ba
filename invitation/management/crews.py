"""Worker processes of one command. None of them runs longer than the command."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

logger = logging.getLogger(__name__)

#: Seconds between two checks whether to end.
NAP = 0.2
#: Shortest and longest time in seconds until a dead process is replaced. It doubles with each death
#: in a row.
FIRST, LONGEST = 1.0, 30.0
#: Seconds that a process must live before its death starts a new count.
STEADY = 60.0
#: Number of deaths in a row after which no new process starts. Then a person must look.
DEATHS = 10


def can_fork() -> bool:
    """Return whether this system can start processes that share the loaded code."""
    return "fork" in multiprocessing.get_all_start_methods()


@dataclass
class _Place:
    """Place of one process of a crew, and of the processes that replace it."""

    process: Any = None
    begun: float = 0.0
    #: Time at which the next process starts; ``None`` if one runs or none will start.
    again: float | None = None
    #: Number of processes in a row that died soon after their start.
    deaths: int = 0


class Crew:
    """Processes that do the same work. With ``keep``, each is replaced when it ends."""

    def __init__(self, number: int, work: Callable[[], None], *, keep: bool) -> None:
        self.places = [_Place() for _ in range(number)]
        self.work, self.keep = work, keep
        #: Whether to end, and whether the processes were told to end.
        self.stopped = self.told = False
        #: Number of processes that ended with an error and were not replaced.
        self.failed = 0
        #: Whether a process has died too often to be replaced again.
        self.given_up = False

    def run(self, over: Callable[[], bool]) -> None:
        """Start the processes, and return when all have ended.

        ``over`` returns whether they must end.
        """
        for place in self.places:
            self._start(place)
        while any(place.process or place.again is not None for place in self.places):
            self.stopped = self.stopped or over()
            if self.stopped and not self.told:
                self._end()
            alive = [place.process.sentinel for place in self.places if place.process]
            wait(alive, NAP)
            for place in self.places:
                self._look(place)

    def _start(self, place: _Place) -> None:
        process = multiprocessing.get_context("fork").Process(target=self.work)
        place.begun, place.again = time.monotonic(), None
        try:
            process.start()
        except OSError as error:  # no more processes allowed, or no memory
            self._replace(place, f"A worker cannot start: {error.strerror}.")
        else:
            place.process = process

    def _end(self) -> None:
        """Tell the running processes to end, and start no others."""
        self.told = True
        for place in self.places:
            place.again = None
            if place.process:
                place.process.terminate()

    def _look(self, place: _Place) -> None:
        """Start the next process if its time has come, or record that this one has ended."""
        if place.process is None:
            if place.again is not None and place.again <= time.monotonic():
                self._start(place)
            return
        code = place.process.exitcode
        if code is None:
            return
        words = f"Worker {place.process.pid} ended with {_in_words(code)}."
        place.process = None
        if self.keep and not self.stopped:
            self._replace(place, words)
        elif code:
            self.failed += 1
            logger.error(words)

    def _replace(self, place: _Place, words: str) -> None:
        """Log the end of a process, and plan the start of the next one, if there is one."""
        steady = time.monotonic() - place.begun >= STEADY
        place.deaths = 1 if steady else place.deaths + 1
        if place.deaths >= DEATHS:
            logger.error("%s No other one starts: it was the last of %s.", words, DEATHS)
            self.stopped = self.given_up = True
            return
        pause = min(LONGEST, FIRST * 2 ** (place.deaths - 1))
        place.again = time.monotonic() + pause
        logger.error("%s Another one starts in %g seconds.", words, pause)


def _in_words(code: int) -> str:
    """Return the exit code of a process, or the name of the signal that ended it."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"
