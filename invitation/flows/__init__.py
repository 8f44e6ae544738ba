"""Do what can be done with an invitation: the verbs.

Views, forms, the admin, commands and registration backends call these and nothing lower. A verb
decides, puts the atomic writes of ``managers`` in order, and is the only place that sends
signals. None of them knows a request.
"""

from invitation.flows.cleaning import BATCH_SIZE, count_cleanup, expire, purge
from invitation.flows.inviting import (
    Invited,
    create,
    invite,
    may_invite,
    remaining_invitations,
    send_to,
)
from invitation.flows.mailing import deliver, deliver_due, waiting_mails
from invitation.flows.managing import change_link, edit, extend, resend, revoke
from invitation.flows.opening import (
    Opened,
    activate,
    claim,
    decline,
    open_invitation,
    release,
)

__all__ = [
    "BATCH_SIZE",
    "Invited",
    "Opened",
    "activate",
    "change_link",
    "claim",
    "count_cleanup",
    "create",
    "decline",
    "deliver",
    "deliver_due",
    "edit",
    "expire",
    "extend",
    "invite",
    "may_invite",
    "open_invitation",
    "purge",
    "release",
    "remaining_invitations",
    "resend",
    "revoke",
    "send_to",
    "waiting_mails",
]
