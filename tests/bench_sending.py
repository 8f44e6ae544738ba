"""Measure how many mails a second go out, beside bare smtplib: part of ``make bench``.

The mail server is a process of its own, that takes mails and throws them away. The bare program
makes messages of the same subjects and bodies with the standard library and sends them through one
connection, in turns in the same run; the ratio of the medians counts. It knows no templates, no
database and no retry.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import smtplib
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

from django.core import mail as django_mail
from django.test import override_settings
from django.utils import timezone

from invitation.delivery.email import EmailDelivery
from invitation.flows import mail
from invitation.models import InvitationEmail, InvitationKey, managers

#: How many mails one round sends, and how many rounds there are.
MAILS, ROUNDS = 500, 7
#: How many are sent to see whether memory grows.
MANY = 10_000


class _Sink:
    """Take mails and throw them away: the answers of SMTP, and nothing else."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port = self.listener.getsockname()[1]

    def run(self) -> None:
        """Serve until the process is ended."""
        while True:
            visitor, _ = self.listener.accept()
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
def _mail_server() -> Iterator[int]:
    """Run a mail server of its own, and give its port."""
    sink = _Sink()
    process = multiprocessing.get_context("fork").Process(target=sink.run, daemon=True)
    process.start()
    try:
        yield sink.port
    finally:
        process.terminate()
        process.join()
        sink.listener.close()


def _fill(member: Any, number: int) -> None:
    InvitationKey.objects.filter(email__endswith="@sink.example").delete()
    now = timezone.now()
    rows = [
        InvitationKey(
            from_user=member,
            email=f"{number}@sink.example",
            email_key=f"{number}@sink.example",
            recipient_name="Bob Example",
            note="See you there!",
            site_id=1,
            quota_held=1,
        )
        for number in range(number)
    ]
    managers.insert(rows)
    pks = InvitationKey.objects.filter(email__endswith="@sink.example").values_list("pk", flat=True)
    managers.insert(
        [
            InvitationEmail(
                invitation_id=pk, not_before=now, created_at=now, message_id=f"<{pk}@sink.example>"
            )
            for pk in pks
        ]
    )


def _written() -> list[tuple[dict[str, str], str, str]]:
    """Return what the mails that wait say: headers, text and HTML."""
    writer = EmailDelivery()
    rows = InvitationEmail.objects.filter(state="queued").select_related("invitation__from_user")
    return [
        (
            {
                "Subject": message.subject,
                "From": message.from_email,
                "To": message.to[0],
                **message.extra_headers,
            },
            str(message.body),
            str(message.alternatives[0][0]),
        )
        for message in map(writer.get_message, rows)
    ]


def _seconds_of_ours(number: int) -> float:
    started = time.perf_counter()
    assert mail.deliver_due() == (number, 0)
    return time.perf_counter() - started


def _seconds_of_smtplib(port: int, mails: list[tuple[dict[str, str], str, str]]) -> float:
    started = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.example") as smtp:
        for headers, text, html in mails:
            message = EmailMessage()
            for name, value in headers.items():
                message[name] = value
            message.set_content(text)
            message.add_alternative(html, subtype="html")
            smtp.send_message(message)
    return time.perf_counter() - started


def throughput(member: Any) -> None:
    """Print how fast mails go out, as a ratio to smtplib's own rate, and whether memory grows."""
    backend = "django.core.mail.backends.smtp.EmailBackend"
    with _mail_server() as port:
        chosen: dict[str, Any] = {
            "INVITATION_DELIVERY": "invitation.delivery.outbox.OutboxDelivery"
        }
        if hasattr(django_mail, "mailers"):
            options = {"host": "127.0.0.1", "port": port}
            chosen["MAILERS"] = {"default": {"BACKEND": backend, "OPTIONS": options}}
        else:
            chosen |= {"EMAIL_BACKEND": backend, "EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": port}
        with override_settings(**chosen):
            _fill(member, 50)
            _seconds_of_ours(50)
            pairs = []
            for _ in range(ROUNDS):
                _fill(member, MAILS)
                plain = _seconds_of_smtplib(port, _written())
                pairs.append((_seconds_of_ours(MAILS), plain))
            ours, plain = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
            print(  # noqa: T201
                f"{'mails a second through one connection':<44} {MAILS / ours:9.0f} /s"
                f" {plain / ours:8.2f} x  of smtplib's own rate ({MAILS / plain:.0f} /s)"
            )
            _memory(member)


def _memory(member: Any) -> None:
    """Print how much more memory the process needs after many mails than after the first."""
    _fill(member, MANY)
    mail.deliver_due(MANY // 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mail.deliver_due()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(  # noqa: T201
        f"{f'the most memory while {MANY:,} mails are sent':<44} {after / 1024:9.0f} MB"
        f" {after / before:8.2f} x  than after the first {MANY // 10:,}"
    )
