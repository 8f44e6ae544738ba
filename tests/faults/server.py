"""Be a mail server that does what a script says, and remembers what it took."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any


class Fault:
    """Be something that a server does in place of an answer; its name names the tests."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


#: What a script may do instead of answering; ``LOST`` is to take the email, and be gone.
HANG, CLOSE, LOST = Fault("hang"), Fault("close"), Fault("lost")


@dataclass(frozen=True)
class Drip:
    """Say this, one byte at a time, and never come to an end."""

    words: str
    pause: float = 0.05


@dataclass(frozen=True)
class Last:
    """Say this, and hang up."""

    words: str


@dataclass
class Talk:
    """Hold what was said in one connection so far."""

    number: int
    sender: str = ""
    recipient: str = ""
    mails: int = 0
    said: list[str] = field(default_factory=list)


#: What a script is: it gets the command, what comes with it and the talk, and returns the answer,
#: or ``None`` for the usual one. Commands are SMTP's, and CONNECT and BODY, the end of an email.
Script = Callable[[str, str, Talk], Any]

USUAL = {
    "CONNECT": "220 ready",
    "EHLO": "250-here\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1000000",
    "HELO": "250 here",
    "MAIL": "250 OK",
    "RCPT": "250 OK",
    "DATA": "354 go on",
    "BODY": "250 taken",
    "RSET": "250 OK",
    "NOOP": "250 OK",
    "QUIT": "221 bye",
    "AUTH": "235 welcome",
}


@dataclass
class Taken:
    """Hold an email for which the server has answered 250, or was about to."""

    sender: str
    recipient: str
    message: EmailMessage

    @property
    def message_id(self) -> str:
        """Return its Message-ID."""
        return str(self.message["Message-ID"])


class Server:
    """Listen on a port of this machine until it is closed; use it as a context manager."""

    def __init__(self, script: Script = lambda *_: None, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.tls = tls
        self.taken: list[Taken] = []
        self.talks: list[Talk] = []
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._listen, daemon=True)]

    def __enter__(self) -> Server:
        self._threads[0].start()
        return self

    def __exit__(self, *args: Any) -> None:
        self._over.set()
        # Closing alone does not wake who waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    @property
    def recipients(self) -> list[str]:
        """Return to whom emails were taken, in order."""
        return [taken.recipient for taken in self.taken]

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            talk = Talk(len(self.talks) + 1)
            self.talks.append(talk)
            thread = threading.Thread(target=self._talk, args=(visitor, talk), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, visitor: socket.socket, talk: Talk) -> None:
        visitor.settimeout(30)
        # The visitor may have gone, or was killed.
        with suppress(OSError, EOFError), ExitStack() as lines:
            lines.enter_context(visitor)
            reader = lines.enter_context(visitor.makefile("rb"))
            goes_on = self._answer(visitor, "CONNECT", "", talk)
            while goes_on:
                command, goes_on = self._converse(visitor, reader, talk)
                if command == "STARTTLS" and goes_on and self.tls is not None:
                    visitor = self.tls.wrap_socket(visitor, server_side=True)
                    lines.enter_context(visitor)
                    reader = lines.enter_context(visitor.makefile("rb"))

    def _converse(self, visitor: socket.socket, reader: Any, talk: Talk) -> tuple[str, Any]:
        """Hear a command and answer it; return it, and nothing if the talk is over."""
        line = reader.readline()
        if not line:
            raise EOFError
        command, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
        command = command.upper()
        talk.said.append(command)
        if command == "MAIL":
            talk.sender = rest.partition("<")[2].partition(">")[0]
        if command == "RCPT":
            talk.recipient = rest.partition("<")[2].partition(">")[0]
        goes_on = self._answer(visitor, command, rest, talk)
        if command == "DATA" and goes_on == "354":
            goes_on = self._take(visitor, reader, talk)
        return command, goes_on

    def _take(self, visitor: socket.socket, reader: Any, talk: Talk) -> Any:
        lines: list[bytes] = []
        while (line := reader.readline()) != b".\r\n":
            if not line:
                raise EOFError
            lines.append(line[1:] if line.startswith(b".") else line)
        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        talk.mails += 1
        answer = self.script("BODY", "", talk) or USUAL["BODY"]
        words = answer.words if isinstance(answer, Last) else answer
        if answer is LOST or (isinstance(words, str) and words.startswith("2")):
            self.taken.append(Taken(talk.sender, talk.recipient, message))
        return self._say(visitor, answer)

    def _answer(self, visitor: socket.socket, command: str, rest: str, talk: Talk) -> Any:
        usual = USUAL.get(command, "502 what?")
        if command == "STARTTLS" and self.tls is not None:
            usual = "220 go on"
        if command == "EHLO" and self.tls is not None and not isinstance(visitor, ssl.SSLSocket):
            usual = "250-here\r\n250 STARTTLS"
        answer = self.script(command, rest, talk)
        return self._say(visitor, usual if answer is None else answer)

    def _say(self, visitor: socket.socket, answer: Any) -> Any:
        """Say it; return the code, or nothing if the talk is over."""
        if answer is HANG:
            self._over.wait(30)
            return None
        if answer in (CLOSE, LOST):
            return None
        if isinstance(answer, Drip):
            for place in range(600):
                if self._over.is_set():
                    return None
                visitor.sendall(answer.words[place % len(answer.words)].encode())
                time.sleep(answer.pause)
            return None
        words = answer.words if isinstance(answer, Last) else answer
        visitor.sendall(f"{words}\r\n".encode())
        return None if isinstance(answer, Last) else words[:3]
