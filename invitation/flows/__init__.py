"""Do what can be done with an invitation: the verbs.

Views, forms, the admin, commands and registration backends call these and nothing lower. A verb
decides, puts the atomic writes of ``managers`` in order, and is the only place that sends
signals. None of them knows a request.
"""

from invitation.flows.cleaning import (
    BATCH_SIZE,
    count_cleanup,
    expire,
    forget_attempts,
    purge,
)
from invitation.flows.grouping import grantable_groups, join_groups, set_groups
from invitation.flows.inviting import (
    Invited,
    create,
    expiry,
    invite,
    may_invite,
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
from invitation.flows.quotas import (
    QuotaState,
    correct_quota,
    grant,
    quota_of,
    remaining_invitations,
)
from invitation.flows.sharing import (
    close,
    edit_shared,
    join,
    may_share,
    may_share_unlimited,
    open_code,
    open_word,
    pause,
    resume,
    share,
)
from invitation.flows.throttling import Limit

__all__ = [
    "BATCH_SIZE",
    "Invited",
    "Limit",
    "Opened",
    "QuotaState",
    "activate",
    "change_link",
    "claim",
    "close",
    "correct_quota",
    "count_cleanup",
    "create",
    "decline",
    "deliver",
    "deliver_due",
    "edit",
    "edit_shared",
    "expire",
    "expiry",
    "extend",
    "forget_attempts",
    "grant",
    "grantable_groups",
    "invite",
    "join",
    "join_groups",
    "may_invite",
    "may_share",
    "may_share_unlimited",
    "open_code",
    "open_invitation",
    "open_word",
    "pause",
    "purge",
    "quota_of",
    "release",
    "remaining_invitations",
    "resend",
    "resume",
    "revoke",
    "send_to",
    "set_groups",
    "share",
    "waiting_mails",
]
