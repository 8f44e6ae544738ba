"""What the tests of the verbs share: no mail server, and an ear for signals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.dispatch import Signal

from invitation import signals
from invitation.delivery.dummy import DummyDelivery
from invitation.models import InvitationEmail

SIGNALS = {name: value for name, value in vars(signals).items() if isinstance(value, Signal)}


@pytest.fixture(autouse=True)
def outbox(settings: Any) -> Iterator[list[InvitationEmail]]:
    """Send no email, and return the list of what would have been sent."""
    settings.INVITATION_DELIVERY = "invitation.delivery.dummy.DummyDelivery"
    DummyDelivery.outbox.clear()
    yield DummyDelivery.outbox
    DummyDelivery.outbox.clear()


class Heard(list[tuple[str, dict[str, Any]]]):
    """Hold the signals that were sent, in order: the name and the arguments of each."""

    def names(self) -> list[str]:
        """Return the names alone."""
        return [name for name, _ in self]

    def last(self, name: str) -> dict[str, Any]:
        """Return the arguments of the last signal of this name."""
        return next(arguments for known, arguments in reversed(self) if known == name)


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Return the list of all signals of this app that are sent during the test."""
    heard = Heard()

    def listen(name: str) -> Any:
        def receive(sender: Any, signal: Signal, **arguments: Any) -> None:
            if "invitation" in arguments:
                # As the receiver sees it: the object may change later.
                arguments["status"] = str(arguments["invitation"].status)
            heard.append((name, {"sender": sender, **arguments}))

        return receive

    receivers = {name: listen(name) for name in SIGNALS}
    for name, signal in SIGNALS.items():
        signal.connect(receivers[name])
    yield heard
    for name, signal in SIGNALS.items():
        signal.disconnect(receivers[name])
