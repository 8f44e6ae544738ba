"""Bound the time that a mail server may take, however it spends it.

The timeout of a socket is for one wait. A server that says one byte every few seconds never lets
it run out, and holds whoever talks to it for ever. So the whole conversation has a deadline, and
each wait ends with it. The look-up of the server's name is the operating system's, and is not
bounded by this.
"""

from __future__ import annotations

import io
import socket
import time
from contextlib import suppress
from typing import Any

from django.core.mail.backends.smtp import EmailBackend

#: How far a conversation has come. ``READY``: the server waits for an email. ``BODY``: it has got
#: a whole one, and has not answered yet.
GREETING, READY, SENDER = "greeting", "ready", "sender"
RECIPIENT, DATA, BODY = "recipient", "data", "body"


class Rehearsed(Exception):
    """Sign that a rehearsal has come to its end: the server would take the email now."""


class Deadline:
    """Know by when a conversation must be over; without a start there is no end."""

    def __init__(self) -> None:
        self._ends = float("inf")

    def start(self, seconds: float) -> None:
        """Let it end in so many seconds."""
        self._ends = time.monotonic() + seconds

    def wait(self, most: float | None) -> float | None:
        """Return how long the next wait may be; raises ``TimeoutError`` if it is over."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("The mail server took too long.")
        if left == float("inf"):
            return most
        return left if most is None else min(left, most)


class _Answers(io.RawIOBase):
    """Read what the server says, each time for as long as may still be."""

    def __init__(self, sock: Any, deadline: Deadline, timeout: float | None) -> None:
        self._sock, self._deadline, self._timeout = sock, deadline, timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.wait(self._timeout))
        return int(self._sock.recv_into(buffer))


class BoundedSMTP:
    """Be mixed into ``smtplib.SMTP``: keep a deadline, and know how far it has come."""

    deadline: Deadline
    phase: str = GREETING
    #: Whether to stop before an email is handed over.
    rehearsing: bool = False

    # What smtplib.SMTP has.
    timeout: Any
    sock: Any
    file: Any

    def _get_socket(self, host: str, port: int, timeout: Any) -> Any:
        """Connect to one address after the other: each wait is bounded, not that for each."""
        error = OSError(f"{host} has no address.")
        parent: Any = super()
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                return parent._get_socket(address[0], port, self.deadline.wait(timeout))
            except OSError as failed:
                error = failed
        raise error

    def getreply(self) -> Any:
        """Read an answer in time."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Answers(self.sock, self.deadline, self._patience))
        parent: Any = super()
        answer = parent.getreply()
        # What smtplib may do with the socket itself: the handshake of STARTTLS.
        with suppress(OSError):
            self.sock.settimeout(self.deadline.wait(self._patience))
        return answer

    def send(self, content: Any) -> None:
        """Send in time."""
        parent: Any = super()
        if self.sock is not None:
            self.sock.settimeout(self.deadline.wait(self._patience))
        parent.send(content)
        # A command is text, and the email is bytes, which end with the final dot.
        if self.phase == DATA and isinstance(content, bytes):
            self.phase = BODY

    def mail(self, *args: Any, **options: Any) -> Any:
        """Begin a mail."""
        self.phase = SENDER
        parent: Any = super()
        return parent.mail(*args, **options)

    def rcpt(self, *args: Any, **options: Any) -> Any:
        """Name a recipient."""
        self.phase = RECIPIENT
        parent: Any = super()
        return parent.rcpt(*args, **options)

    def data(self, *args: Any, **options: Any) -> Any:
        """Hand over the email itself, unless this is a rehearsal.

        Raises ``Rehearsed`` then.
        """
        if self.rehearsing:
            raise Rehearsed
        self.phase = DATA
        parent: Any = super()
        return parent.data(*args, **options)

    @property
    def _patience(self) -> float | None:
        """Return the site's timeout for one wait."""
        return self.timeout if isinstance(self.timeout, (int, float)) else None


def bound(backend: Any, deadline: Deadline) -> None:
    """Let a mail backend that speaks SMTP keep a deadline; leave any other as it is.

    Django makes the backend, as the site has set it up, and only which class it talks through is
    not an option; so this backend gets a class of its own.
    """
    if not isinstance(backend, EmailBackend):
        return
    spoken: Any = backend.connection_class
    talk = type(f"Bounded{spoken.__name__}", (BoundedSMTP, spoken), {"deadline": deadline})
    kind: Any = type(backend)
    backend.__class__ = type(kind.__name__, (kind,), {"connection_class": talk})
