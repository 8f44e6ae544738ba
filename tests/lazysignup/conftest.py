"""What the tests of guests share: a visitor with a browser, and a guest with a full basket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests.lazysignup.people import PERSON


@pytest.fixture
def visitor(db: None) -> Client:
    return Client(headers=PERSON)


@pytest.fixture
def guest(visitor: Client) -> Client:
    """Return the browser of a guest who has put a seed into the basket, twice."""
    visitor.get("/remember/")
    visitor.post("/put/", {"name": "seed"})
    return visitor


@pytest.fixture
def account(guest: Client) -> Any:
    """Return the account of the guest."""
    return get_user_model()._default_manager.get()


@pytest.fixture
def heard() -> Any:
    """Return a function that collects what a signal sends."""
    from invitation.lazysignup import signals

    connected: list[tuple[Any, Callable[..., None]]] = []

    def listen(name: str) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def receive(sender: Any, signal: Any, **arguments: Any) -> None:
            calls.append(arguments)

        signal = getattr(signals, name)
        signal.connect(receive, weak=False)
        connected.append((signal, receive))
        return calls

    yield listen
    for signal, receive in connected:
        signal.disconnect(receive)
