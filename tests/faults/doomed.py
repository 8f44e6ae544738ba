"""Do something and be killed while at it: ``python -m tests.faults.doomed``.

Reads lines of a point and an argument, and lets a child process come to that point for each, where
it kills itself as the system would: at once, and without a word. Prints how each child ended.
"""

from __future__ import annotations

import os
import signal
import smtplib
import sys
import traceback
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.core.mail.backends.smtp import EmailBackend  # noqa: E402

from invitation.flows import inviting, mail  # noqa: E402
from invitation.flows.mail import queueing  # noqa: E402
from invitation.models.managers import InvitationEmailManager  # noqa: E402


def die(*args: Any, **options: Any) -> Any:
    """Be killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def after(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what does the same, and is killed then."""

    def do_and_die(*args: Any, **options: Any) -> None:
        function(*args, **options)
        die()

    return do_and_die


def half_a_mail(self: smtplib.SMTP, content: bytes) -> None:
    """Begin to hand over an email."""
    self.putcmd("data")
    self.getreply()
    self.send(content[: len(content) // 2])
    die()


def invite(address: str) -> None:
    """Invite this address, as a member's request does, and send at once."""
    settings.INVITATION_DELIVERY = "tests.faults.hasty.ImmediateDelivery"
    settings.INVITATIONS_PER_USER = None
    settings.INVITATION_LIMITS = {"inviter": None}
    inviting.invite(get_user_model()._default_manager.earliest("pk"), address)


def send(address: str) -> None:
    """Send what waits, as a worker does."""
    mail.deliver_due()


#: What to do, and where in it the end comes.
POINTS: dict[str, tuple[Callable[[str], None], Any]] = {
    "before insert": (invite, patch.object(queueing, "write_new", die)),
    "after insert": (invite, patch.object(queueing, "write_new", after(queueing.write_new))),
    "after commit": (invite, patch("invitation.flows.mail.queueing.deliver", die)),
    "after lease": (send, patch.object(InvitationEmailManager, "begin", die)),
    "during SMTP": (send, patch.object(smtplib.SMTP, "data", half_a_mail)),
    "after 250": (
        send,
        patch.object(EmailBackend, "send_messages", after(EmailBackend.send_messages)),
    ),
    "before mark": (send, patch.object(InvitationEmailManager, "mark_sent", die)),
    "after mark": (
        send,
        patch.object(InvitationEmailManager, "mark_sent", after(InvitationEmailManager.mark_sent)),
    ),
    # Whoever reads what it prints kills it.
    "anywhere": (send, patch("builtins.id", id)),
}


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        point, _, argument = line.rstrip("\n").partition(":")
        child = os.fork()
        if child == 0:
            do, fate = POINTS[point]
            try:
                with fate:
                    do(argument)
                os._exit(0)
            except Exception:  # noqa: BLE001
                traceback.print_exc(file=sys.stdout)
                os._exit(1)
        print(child, flush=True)  # noqa: T201
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
