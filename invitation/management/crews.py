"""Keep the processes of one command alive, and let none outlive it."""

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

#: Seconds between two looks at whether to end.
NAP = 0.2
#: Seconds until a process that died is replaced, doubled with each death in a row, and the longest.
FIRST, LONGEST = 1.0, 30.0
#: Seconds that a process must live for its death to count as the first one again.
STEADY = 60.0
#: How many deaths in a row are too many: then somebody has to look.
DEATHS = 10


def can_fork() -> bool:
    """Tell whether this system can start processes that share what this one has loaded."""
    return "fork" in multiprocessing.get_all_start_methods()


@dataclass
class _Place:
    """Place of one process of a crew, and of those that replace it."""

    process: Any = None
    begun: float = 0.0
    #: When the next process starts, if none runs; ``None`` if none does.
    again: float | None = None
    #: How many in a row died soon after their start.
    deaths: int = 0


class Crew:
    """Processes that do the same; with ``keep``, each is replaced when it ends."""

    def __init__(self, number: int, work: Callable[[], None], *, keep: bool) -> None:
        self.places = [_Place() for _ in range(number)]
        self.work, self.keep = work, keep
        #: Whether to end, and whether they were told.
        self.stopped = self.told = False
        #: How many ended with an error that were not replaced.
        self.failed = 0
        #: Whether one has died too often to be replaced once more.
        self.given_up = False

    def run(self, over: Callable[[], bool]) -> None:
        """Start the processes, and return when all have ended; ``over`` tells when they have to."""
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
        except OSError as error:  # no more processes, or no memory
            self._replace(place, f"A worker cannot start: {error.strerror}.")
        else:
            place.process = process

    def _end(self) -> None:
        """Tell those that run to end, and start no others."""
        self.told = True
        for place in self.places:
            place.again = None
            if place.process:
                place.process.terminate()

    def _look(self, place: _Place) -> None:
        """Start the next process if its time has come, or note that this one has ended."""
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
        """Say what has happened to a process, and when another one starts, if any does."""
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
