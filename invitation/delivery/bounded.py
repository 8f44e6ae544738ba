"""Time limits for the conversation with a mail server.

The timeout of a socket is for one wait. A server that sends one byte every few seconds never
reaches it. Such a server blocks its client for ever. So the whole conversation has a deadline, and
each wait ends with it. The operating system looks up the server's name, and this is not limited
here.
"""

from __future__ import annotations

import io
import socket
import time
from contextlib import suppress
from typing import Any

from django.core.mail.backends.smtp import EmailBackend

#: Phases of a conversation. ``READY``: the server waits for an email. ``BODY``: the server has
#: received a whole email and has not answered yet.
GREETING, READY, SENDER = "greeting", "ready", "sender"
RECIPIENT, DATA, BODY = "recipient", "data", "body"


class Rehearsed(Exception):
    """End of a rehearsal: the server would accept the email now."""


class Deadline:
    """Time by which a conversation must end; without ``start`` there is no limit."""

    def __init__(self) -> None:
        self._ends = float("inf")

    def start(self, seconds: float) -> None:
        """Set the deadline to so many seconds from now."""
        self._ends = time.monotonic() + seconds

    def wait(self, most: float | None) -> float | None:
        """Return how many seconds the next wait may take; ``None`` for no limit.

        Raises ``TimeoutError`` after the deadline.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("The mail server took too long.")
        if left == float("inf"):
            return most
        return left if most is None else min(left, most)


class _Answers(io.RawIOBase):
    """Reader of the server's answers, with the deadline as limit for each read."""

    def __init__(self, sock: Any, deadline: Deadline, timeout: float | None) -> None:
        self._sock, self._deadline, self._timeout = sock, deadline, timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.wait(self._timeout))
        return int(self._sock.recv_into(buffer))


class BoundedSMTP:
    """Mixin for ``smtplib.SMTP`` that keeps a deadline and knows the phase."""

    deadline: Deadline
    phase: str = GREETING
    #: Whether to stop before an email is handed over.
    rehearsing: bool = False

    # Attributes of smtplib.SMTP.
    timeout: Any
    sock: Any
    file: Any

    def _get_socket(self, host: str, port: int, timeout: Any) -> Any:
        """Connect to the first address of the host that answers.

        The deadline limits all attempts together.
        """
        error = OSError(f"{host} has no address.")
        parent: Any = super()
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                return parent._get_socket(address[0], port, self.deadline.wait(timeout))
            except OSError as failed:
                error = failed
        raise error

    def getreply(self) -> Any:
        """Read an answer before the deadline."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Answers(self.sock, self.deadline, self._patience))
        parent: Any = super()
        answer = parent.getreply()
        # For the handshake of STARTTLS: smtplib does it with the socket itself.
        with suppress(OSError):
            self.sock.settimeout(self.deadline.wait(self._patience))
        return answer

    def send(self, content: Any) -> None:
        """Send before the deadline."""
        parent: Any = super()
        if self.sock is not None:
            self.sock.settimeout(self.deadline.wait(self._patience))
        parent.send(content)
        # A command is text. An email is bytes, which end with the final dot.
        if self.phase == DATA and isinstance(content, bytes):
            self.phase = BODY

    def mail(self, *args: Any, **options: Any) -> Any:
        """Begin an email by naming its sender."""
        self.phase = SENDER
        parent: Any = super()
        return parent.mail(*args, **options)

    def rcpt(self, *args: Any, **options: Any) -> Any:
        """Name a recipient."""
        self.phase = RECIPIENT
        parent: Any = super()
        return parent.rcpt(*args, **options)

    def data(self, *args: Any, **options: Any) -> Any:
        """Hand over the email itself, or raise ``Rehearsed`` in a rehearsal."""
        if self.rehearsing:
            raise Rehearsed
        self.phase = DATA
        parent: Any = super()
        return parent.data(*args, **options)

    @property
    def _patience(self) -> float | None:
        """Seconds for one wait by the site's timeout, or ``None`` for no limit."""
        return self.timeout if isinstance(self.timeout, (int, float)) else None


def bound(backend: Any, deadline: Deadline) -> None:
    """Make a mail backend keep a deadline, if it uses SMTP.

    Any other backend stays unchanged. Django creates the backend from the site's settings, and the
    class of its SMTP connection is not an option. So this one backend object gets a class of its
    own.
    """
    if not isinstance(backend, EmailBackend):
        return
    spoken: Any = backend.connection_class
    talk = type(f"Bounded{spoken.__name__}", (BoundedSMTP, spoken), {"deadline": deadline})
    kind: Any = type(backend)
    backend.__class__ = type(kind.__name__, (kind,), {"connection_class": talk})
