"""Spread threads over the nodes of a Galera cluster, which tests/services/with-galera starts."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from django.db import connections


@dataclass(frozen=True)
class Node:
    """Be a node of the cluster."""

    port: int
    pid: int

    def kill(self) -> None:
        """Kill it at once, as a loss of power does."""
        LOST.append(self)
        os.kill(self.pid, signal.SIGKILL)


#: What lets a connection always read what other nodes have committed.
WAIT = "SET SESSION wsrep_sync_wait = 1"

#: The nodes of the cluster, or none.
NODES = [
    Node(*(int(number) for number in node.split(":")))
    for node in os.environ.get("INVITATION_TEST_GALERA", "").split()
]


LOST: list[Node] = []


def choose_node(number: int) -> None:
    """Let this thread talk to one of the nodes that are left."""
    left = [node for node in NODES if node not in LOST]
    if left:
        connect_to(left[number % len(left)])


def connect_to(node: Node) -> None:
    """Let this thread talk to this node."""
    wrapper = connections["default"]
    wrapper.close()
    options = {**wrapper.settings_dict["OPTIONS"]}
    options.pop("init_command", None)
    chosen = {**wrapper.settings_dict, "PORT": str(node.port), "OPTIONS": options}
    connections["default"] = type(wrapper)(chosen, "default")


def catch_up() -> None:
    """Wait until this thread's node knows what the others have committed."""
    if NODES:
        with connections["default"].cursor() as cursor:
            cursor.execute("SET STATEMENT wsrep_sync_wait = 1 FOR SELECT 1")
