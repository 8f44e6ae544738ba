"""Real workers: processes that are started, killed, and watched at a mail server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import connection

from tests.conftest import Sink

ROOT = Path(__file__).parents[2]
#: Seconds after which something counts as never happening; a worker takes a few to start.
PATIENCE = 60


def eventually(what: Callable[[], Any]) -> Any:
    """Return what the callable returns as soon as that is true."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not (found := what()):
        assert time.monotonic() < deadline, "It has not happened."
        pause.wait(0.05)
    return found


class SlowSink(Sink):
    """Keep who emails to slow@ waiting for an answer, until somebody lets go."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = threading.Event()
        self.let_go = threading.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        if envelope.rcpt_tos[0].startswith("slow@") and not self.let_go.is_set():
            self.waiting.set()
            await server.loop.run_in_executor(None, self.let_go.wait, PATIENCE)
        return await super().handle_DATA(server, session, envelope)

    def recipients(self) -> list[str]:
        return sorted(address for _, addresses, _ in self.got for address in addresses)


@pytest.fixture(scope="session")
def mail_server() -> Iterator[SlowSink]:
    """Run one mail server for all workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sink = SlowSink()
    sink.port = port
    controller = Controller(sink, hostname="127.0.0.1", port=port)
    controller.start()
    yield sink
    sink.let_go.set()
    controller.stop()


@pytest.fixture
def sink(mail_server: SlowSink, settings: Any) -> SlowSink:
    """Return the mail server, which has got nothing yet, and let this process use it, too."""
    mail_server.got.clear()
    mail_server.waiting.clear()
    mail_server.let_go.clear()
    if hasattr(settings, "MAILERS"):
        options = {"host": "127.0.0.1", "port": mail_server.port}
        settings.MAILERS = {"default": {"BACKEND": settings.SMTP, "OPTIONS": options}}
    else:
        settings.EMAIL_BACKEND, settings.EMAIL_PORT = settings.SMTP, mail_server.port
    return mail_server


class Way(ABC):
    """One way to a worker: the delivery, the worker's process, and a look at what waits for it."""

    name: str
    delivery: str
    command: list[str]
    broker = "memory://"

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Let there be a worker."""
        if self.process is not None and self.process.poll() is None:
            return
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.workers.site.settings",
            "INVITATION_TEST_DB_NAME": str(connection.settings_dict["NAME"]),
            "INVITATION_TEST_DELIVERY": self.delivery,
            "INVITATION_TEST_SMTP_PORT": str(self.port),
            "INVITATION_TEST_BROKER": self.broker,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Let there be none; with SIGKILL in the middle of whatever it does."""
        if self.process is None:
            return
        # With its children: it is the leader of their group.
        send: Any = os.killpg if how is signal.SIGKILL else os.kill
        if self.process.poll() is None:
            send(self.process.pid, how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
        self.process = None

    @abstractmethod
    def queued(self) -> list[str]:
        """Return everything that waits for a worker, as text, and leave it there."""

    @abstractmethod
    def empty(self) -> None:
        """Let nothing wait for a worker."""

    def settle(self) -> None:  # noqa: B027 (most can bear it at any time)
        """Wait until the worker, if there is one, can bear that the tables are emptied."""


class Tasks(Way):
    name = "tasks"
    delivery = "invitation.delivery.tasks.TaskDelivery"
    command = ["django", "db_worker", "--interval", "0.1", "--no-startup-delay", "--no-reload"]

    def queued(self) -> list[str]:
        from django_tasks_db.models import DBTaskResult

        return [str(row) for row in DBTaskResult.objects.filter(status="READY").values()]

    def empty(self) -> None:
        from django_tasks_db.models import DBTaskResult

        DBTaskResult.objects.all().delete()

    def settle(self) -> None:
        from django_tasks_db.models import DBTaskResult

        # It ends with an error if the row of the task that it runs is gone.
        unfinished = DBTaskResult.objects.filter(status__in=("READY", "RUNNING"))
        eventually(lambda: self.process is None or not unfinished.exists())


class Celery(Way):
    delivery = "invitation.delivery.celery.CeleryDelivery"
    command = ["celery", "-A", "tests.workers.site", "worker", "--concurrency", "1"]
    command += ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]

    def queued(self) -> list[str]:
        with self.app.connection_for_read() as broker:
            queue, found = self.queue(broker), []
            while (message := queue.get()) is not None:
                found.append(message)
            for message in found:
                message.requeue()
        return [f"{each.body!r} {each.headers} {each.properties}" for each in found]

    def empty(self) -> None:
        with self.app.connection_for_read() as broker:
            self.queue(broker).purge()

    def queue(self, broker: Any) -> Any:
        """Return the queue that everything goes to, which is made if it is not there yet."""
        queue = self.app.amqp.queues["celery"](broker.default_channel)
        queue.declare()
        return queue

    @property
    def app(self) -> Any:
        from tests.workers.site import app

        app.conf.broker_url = self.broker
        return app


class RabbitMQ(Celery):
    name = "rabbitmq"
    broker = os.environ.get("INVITATION_TEST_RABBITMQ", "")


class Redis(Celery):
    name = "redis"
    broker = os.environ.get("INVITATION_TEST_REDIS", "")


#: The brokers that are given; if none is, those that are missing are named.
BROKERS = [way for way in (RabbitMQ, Redis) if way.broker] or [RabbitMQ, Redis]
WAYS: list[type[Way]] = [Tasks, *BROKERS]


@pytest.fixture(scope="session", params=WAYS, ids=[way.name for way in WAYS])
def one_way(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    mail_server: SlowSink,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Way]:
    """Return a way, with the worker that the tests share; at the end nothing of it runs."""
    kind: type[Way] = request.param
    if not kind.broker:
        pytest.skip(f"no server given; tests/services/with-{kind.name} starts one")
    way = kind(mail_server.port, tmp_path_factory.mktemp("workers") / f"{kind.name}.log")
    yield way
    way.stop()


@pytest.fixture
def way(one_way: Way, transactional_db: None, sink: SlowSink, settings: Any) -> Iterator[Way]:
    """Return a way to a worker by which nothing waits; print the worker's log if the test fails."""
    settings.INVITATION_DELIVERY = one_way.delivery
    settings.CELERY_BROKER_URL = one_way.broker
    one_way.empty()
    yield one_way
    one_way.settle()
    if one_way.log.exists():
        print(one_way.log.read_text("utf-8", "replace"))  # noqa: T201 (pytest keeps it)


@pytest.fixture
def worker(way: Way) -> Way:
    """Return a way with a worker at its end."""
    way.start()
    return way
