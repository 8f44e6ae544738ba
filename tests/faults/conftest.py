"""Let processes share the database and the mail server of a test."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.faults.server import Script, Server
from tests.races.conftest import shared_database  # noqa: F401 (a fixture of this folder, too)

ROOT = Path(__file__).parents[2]
#: Seconds that a process may take, on a busy machine.
PATIENCE = 300
SMTP = "django.core.mail.backends.smtp.EmailBackend"


#: Of the tests that start processes, those whose first case `make test` runs. The others are long.
IN_MAKE_TEST = {
    "test_a_loop_goes_on_until_it_is_told_to_end",
    "test_a_process_is_killed",
    "test_what_is_about_one_mail_costs_no_other",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as long what starts processes: each loads Django."""
    left = set(IN_MAKE_TEST)
    for item in items:
        if isinstance(item, pytest.Function) and "processes" in item.fixturenames:
            if item.originalname in left:
                left.remove(item.originalname)
            else:
                item.add_marker(pytest.mark.long)


def use(settings: Any, port: int, **options: Any) -> None:
    """Let the site send to this port; the options are those of Django's backend."""
    options = {"host": "127.0.0.1", "port": port, "timeout": 0.4, **options}
    if hasattr(settings, "MAILERS"):
        settings.MAILERS = {"default": {"BACKEND": SMTP, "OPTIONS": options}}
        return
    settings.EMAIL_BACKEND = SMTP
    names = {"username": "HOST_USER", "password": "HOST_PASSWORD"}
    for name, value in options.items():
        setattr(settings, f"EMAIL_{names.get(name, name).upper()}", value)


@pytest.fixture
def serve(settings: Any) -> Iterator[Callable[..., Server]]:
    """Use as ``serve(script)``: start a server with this script, and let Django send to it."""
    with ExitStack() as stack:

        def start(script: Script = lambda *_: None, tls: Any = None, **options: Any) -> Server:
            server = stack.enter_context(Server(script, tls))
            use(settings, server.port, **options)
            return server

        yield start


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate that nobody has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("makes a certificate with openssl")
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run(
        [*command, "-keyout", file, "-out", f"{file}.crt"], check=True, capture_output=True
    )
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """Return what a mail server needs to encrypt."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trust(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine trust the certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")


class Processes:
    """Start processes that share the database and the mail server with the test."""

    def __init__(self, port: int) -> None:
        """Know what they have to be told."""
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "FAULTS_DATABASE": str(connection.settings_dict["NAME"]),
            "FAULTS_PORT": str(port),
        }
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start Python with these arguments."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=self.environment | environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def command(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start ``sendinvitations``."""
        return self.start("-m", "django", "sendinvitations", *arguments, **environment)

    def run(self, *arguments: str, patience: float = PATIENCE, **environment: str) -> str:
        """Let ``sendinvitations`` run to its end, and return what it says."""
        process = self.command(*arguments, **environment)
        said, _ = process.communicate(timeout=patience)
        assert process.returncode == 0, said
        return said

    def end(self) -> None:
        """End those that still run."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def processes(shared_database: None) -> Iterator[Callable[[Server], Processes]]:  # noqa: F811
    """Use as ``processes(server)``: give what starts processes that send there."""
    made: list[Processes] = []

    def make(server: Server) -> Processes:
        made.append(Processes(server.port))
        return made[-1]

    yield make
    for each in made:
        each.end()
