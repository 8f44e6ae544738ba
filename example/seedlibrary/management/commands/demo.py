"""Set the library up, fill it, and serve it: the demonstration of django-invitation."""

from __future__ import annotations

import signal
import threading
import time
from argparse import ArgumentParser
from http.client import HTTPConnection
from types import FrameType
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

from seedlibrary import sample
from seedlibrary.hosts import host

HOST = "127.0.0.1"


class QuietHandler(WSGIRequestHandler):
    """Serve without a line for every request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Say nothing."""


class Command(BaseCommand):
    """Serve the example with members and invitations in it; what is done there is kept."""

    help = "Serve the example with members and invitations in it, until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the port."""
        parser.add_argument("--port", type=int, default=8000, help="port of 127.0.0.1 (8000)")

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        """Set up, fill, serve, and leave without a word of Python."""
        # Set by hand, as a shell lets what it starts in the background ignore Ctrl-C.
        signal.signal(signal.SIGINT, _stop)
        signal.signal(signal.SIGTERM, _stop)
        try:
            self.serve(port)
        except KeyboardInterrupt:
            self.say("\nStopped. The data is kept for the next time.")

    def serve(self, port: int) -> None:
        """Take the port, set up, and serve."""
        url = f"http://{HOST}:{port}"
        try:
            server = ThreadedWSGIServer((HOST, port), QuietHandler)
        except (OSError, OverflowError) as error:
            raise CommandError(f"Port {port} cannot be used ({error}). Choose another.") from error
        with server:
            # Read at the moment of use, so the links in the emails lead to this port.
            settings.INVITATION_BASE_URL = url
            settings.SEEDLIBRARY_DEMO = True
            self.prepare(url)
            server.set_app(StaticFilesHandler(get_wsgi_application()))
            serving = threading.Thread(target=server.serve_forever, daemon=True)
            serving.start()
            try:
                _wait_for_answer(port)
                self.say(f"Demo ready at {url}/")
                serving.join()
            finally:
                server.shutdown()

    def prepare(self, url: str) -> None:
        """Make the tables and fill them, once, and say how to log in."""
        call_command("migrate", verbosity=0)
        sample.name_site(url)
        if sample.fill():
            self.say("Made members, packets and invitations.")
        host().settle()
        counts = sample.invitations_in_words()
        self.say("Invitations: " + ", ".join(f"{n} {label}" for label, n in counts.items()) + ".")
        self.say(f"\nThe log-in page shows these accounts. Their password is {sample.PASSWORD}.")
        width = len(host().LOGIN_NAME)
        for account in sample.accounts():
            name = host().LOGIN_NAME.format(login=account.login)
            self.say(f"  {name:<{width}}{account.remark}")
        self.say("")

    def say(self, text: str) -> None:
        """Write a line at once, also into a pipe."""
        self.stdout.write(text)
        self.stdout.flush()


def _stop(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_for_answer(port: int, timeout: float = 30) -> None:
    """Return as soon as the home page is served."""
    until = time.monotonic() + timeout
    while True:
        connection = HTTPConnection(HOST, port, timeout=timeout)
        try:
            connection.request("GET", "/")
            status = connection.getresponse().status
        finally:
            connection.close()
        if status == 200:
            return
        if time.monotonic() > until:
            raise CommandError(f"The home page answers with status {status}.")
        time.sleep(0.1)
