"""A way to the database that can be shut: a folder of SQLite's file, or a port of this machine."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.db import connection


class FolderDoor:
    """Link to the folder of an SQLite database: without it, the file cannot be opened."""

    def __init__(self, folder: Path) -> None:
        real = Path(connection.settings_dict["NAME"])
        self.link, self.target = folder / "door", real.parent
        self.environment = {"FAULTS_DATABASE": str(self.link / real.name)}

    def open(self) -> None:
        """Let everybody through."""
        self.link.symlink_to(self.target)

    def shut(self) -> None:
        """Let nobody through."""
        self.link.unlink()

    close = shut


class PortDoor:
    """Pass everything on to the database's server, or hang up."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open, self._talks = False, set[socket.socket]()
        port = self._listener.getsockname()[1]
        self.environment = {"INVITATION_TEST_DB_PORT": str(port)}
        self._threads: list[threading.Thread] = []
        self._begin(self._listen)

    def open(self) -> None:
        """Let everybody through."""
        self._open = True

    def shut(self) -> None:
        """Let nobody through, and hang up on those who are."""
        self._open = False
        for talk in list(self._talks):
            with suppress(OSError):
                talk.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Listen no longer."""
        self.shut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

        for thread in self._threads:
            thread.join(timeout=5)

    def _begin(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        settings = connection.settings_dict
        there = (settings["HOST"], int(settings["PORT"]))
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                if not self._open:
                    here.close()
                    continue
                server = socket.create_connection(there)
                self._talks |= {here, server}
                for pair in ((here, server), (server, here)):
                    self._begin(self._pass_on, *pair)

    def _pass_on(self, giver: Any, taker: Any) -> None:
        with suppress(OSError):
            while said := giver.recv(65536):
                taker.sendall(said)
        with suppress(OSError):
            taker.shutdown(socket.SHUT_RDWR)
        giver.close()  # the other one is closed by who reads from it


def make_door(folder: Path) -> FolderDoor | PortDoor:
    """Return a door to the database of this test, which is shut."""
    return FolderDoor(folder) if connection.vendor == "sqlite" else PortDoor()
