"""Sending: ten thousand emails to locmem, and a thousand through SMTP.

The ten thousand are sent in turns of two thousand, between which the floor sends as many of fixed
bodies; the queries are those of the last turn. The mail server is a process of its own that throws
everything away.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import threading
from collections.abc import Iterator
from typing import Any

from django.core import mail as django_mail
from django.test import override_settings

from invitation.flows import mail
from invitation.models import InvitationEmail
from tests.bench import lists
from tests.bench.floor import work
from tests.bench.measuring import compare, queries_of
from tests.bench.stage import OUTBOX, Stage
from tests.bench.table import Result

TURN, TURNS = 2_000, 4
BY_SMTP = 1_000


class _Server:
    """Take emails and throw them away: the answers of SMTP, and the number of connections."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.listener.getsockname()[1]
        self.connections = multiprocessing.get_context("fork").Value("i", 0)

    def run(self) -> None:
        """Serve until the process is ended."""
        while True:
            visitor, _ = self.listener.accept()
            self.connections.value += 1
            threading.Thread(target=self.talk, args=(visitor,), daemon=True).start()

    def talk(self, visitor: socket.socket) -> None:
        """Answer one visitor."""
        visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with visitor, visitor.makefile("rb") as lines, contextlib.suppress(OSError):
            visitor.sendall(b"220 ready\r\n")
            for line in lines:
                command = line[:4].upper()
                if command == b"DATA":
                    visitor.sendall(b"354 go on\r\n")
                    while lines.readline() not in (b".\r\n", b""):
                        pass
                visitor.sendall(b"221 bye\r\n" if command == b"QUIT" else b"250 OK\r\n")


@contextlib.contextmanager
def mail_server() -> Iterator[_Server]:
    """Run such a mail server."""
    server = _Server()
    process = multiprocessing.get_context("fork").Process(target=server.run, daemon=True)
    process.start()
    try:
        yield server
    finally:
        process.terminate()
        process.join()
        server.listener.close()


def _queue(number: int) -> None:
    """Let at least so many emails wait."""
    waiting = InvitationEmail.objects.filter(state=InvitationEmail.State.QUEUED).count()
    while waiting < number:
        lists.invite(lists.NUMBER)
        waiting += lists.NUMBER


def _send(number: int) -> None:
    assert mail.deliver_due(number) == (number, 0)


def _bodies() -> work.Bodies:
    """Return what one of our emails says."""
    django_mail.outbox = []
    _send(1)
    (message,) = django_mail.outbox
    return message.subject, str(message.body), str(message.alternatives[0][0])


def to_locmem(stage: Stage) -> Iterator[Result]:
    """Compare the sending of what waits with emails of fixed bodies."""
    with override_settings(INVITATION_DELIVERY=OUTBOX):
        _queue(TURN * (TURNS + 1) + 200)
        bodies, addresses = _bodies(), lists.emails(TURN)
        _send(100)
        asked: list[int] = []

        def ours() -> None:
            django_mail.outbox = []
            _send(TURN)
            assert len(django_mail.outbox) == TURN
            asked.append(TURN)

        def floor() -> None:
            django_mail.outbox = []
            work.send_fixed(bodies, addresses)
            assert len(django_mail.outbox) == TURN

        ratio = compare(ours, floor, warm=0, rounds=(2, TURNS - 1), seconds=30, turn=0)
        queries = queries_of(lambda: _send(TURN))
    note = f"{ratio.ours / TURN:.2f} over {ratio.other / TURN:.2f} ms each"
    note += f"; {sum(asked):,} sent"
    yield Result("emails", ratio.value, ratio.low, ratio.high, note)
    yield Result("emails.queries", queries / TURN)


def through_smtp(stage: Stage) -> Iterator[Result]:
    """Compare the sending of what waits with ``smtplib`` on one connection."""
    backend = "django.core.mail.backends.smtp.EmailBackend"
    with mail_server() as server, override_settings(INVITATION_DELIVERY=OUTBOX):
        _queue(4 * BY_SMTP)
        bodies, addresses = _bodies(), lists.emails(BY_SMTP)
        chosen: dict[str, Any] = {
            "EMAIL_BACKEND": backend,
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": server.port,
        }
        if hasattr(django_mail, "mailers"):
            options = {"host": "127.0.0.1", "port": server.port}
            chosen = {"MAILERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
        made: list[int] = []

        def ours() -> None:
            before = server.connections.value
            _send(BY_SMTP)
            made.append(server.connections.value - before)

        with override_settings(**chosen):
            _send(50)
            ratio = compare(
                ours,
                lambda: work.send_by_smtplib(server.port, bodies, addresses),
                warm=0,
                rounds=(1, 2),
                seconds=12,
                turn=0,
            )
    note = f"{BY_SMTP / ratio.ours * 1000:.0f} a second, and {BY_SMTP / ratio.other * 1000:.0f}"
    yield Result("smtp", ratio.value, ratio.low, ratio.high, note)
    yield Result("smtp.connections", max(made))
