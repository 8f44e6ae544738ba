"""The outcome for an email that its recipient does not want.

It has the same outcome as the other emails, so the inviter sees no difference. Its delivery is
rehearsed: a mail server gets the sender and the recipient, but not the email. For the email itself,
the server's last answer to other emails is used.
"""

from __future__ import annotations

import re

from invitation.exceptions import DeliveryFailed
from invitation.models import InvitationEmail

#: Number of other emails to look at.
LOOK_AT = 5
#: Number of failed emails that show that the mail server refuses all emails for good.
ENOUGH = 2
#: Address of another person, which a mail server may quote.
_ADDRESS = re.compile(r"\S*@\S*")


def fate_of_others(mail: InvitationEmail) -> DeliveryFailed | None:
    """Return the error of the other emails tried last, or ``None`` if they are sent.

    One email that waits for its next try is enough to show a delay, because any email can wait. An
    email that was refused for good shows nothing about the others, unless all were refused. An
    email whose recipient was refused does not count: its inviter may have chosen that recipient.
    """
    State = InvitationEmail.State  # noqa: N806
    others = InvitationEmail.objects.tried_beside(mail, LOOK_AT)
    for state, reason in others:
        if state != State.FAILED:
            return _like(reason) if state == State.QUEUED else None
    return _like(others[0][1], permanent=True) if len(others) >= ENOUGH else None


def as_another(error: DeliveryFailed) -> DeliveryFailed:
    """Return the error of another email without that email's address.

    The result counts for this email alone, not as the fate of others.
    """
    found = _like(str(error), permanent=error.permanent)
    found.of_recipient = True
    return found


def _like(reason: str, *, permanent: bool = False) -> DeliveryFailed:
    return DeliveryFailed(_ADDRESS.sub("…", reason), permanent=permanent)
