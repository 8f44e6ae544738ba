"""Let an email that its recipient does not want share the fate of the others.

Its inviter must see the same of it as of any other. So it is rehearsed: a mail server hears of its
sender and its recipient, and is not handed the email. What the server would have said to the email
itself is what it has last said to others.
"""

from __future__ import annotations

import re

from invitation.exceptions import DeliveryFailed
from invitation.models import InvitationEmail

#: At how many of the others to look.
LOOK_AT = 5
#: How many of them say together that the mail server refuses all for good.
ENOUGH = 2
#: What a mail server may quote: the address of somebody else.
_ADDRESS = re.compile(r"\S*@\S*")


def fate_of_others(mail: InvitationEmail) -> DeliveryFailed | None:
    """Return what has become of the other emails that were tried last, or ``None`` if they leave.

    One that waits for its next try stands for all: to wait is always possible. One that was refused
    for good stands for itself alone, unless all were.
    """
    State = InvitationEmail.State  # noqa: N806
    others = InvitationEmail.objects.tried_beside(mail, LOOK_AT)
    for state, reason in others:
        if state != State.FAILED:
            return _like(reason) if state == State.QUEUED else None
    return _like(others[0][1], permanent=True) if len(others) >= ENOUGH else None


def as_another(error: DeliveryFailed) -> DeliveryFailed:
    """Return the fate of another email as that of one to somebody else."""
    return _like(str(error), permanent=error.permanent)


def _like(reason: str, *, permanent: bool = False) -> DeliveryFailed:
    return DeliveryFailed(_ADDRESS.sub("…", reason), permanent=permanent)
