"""Do what can be done with an invitation: the verbs.

Views, forms, the admin, commands and registration backends call these and nothing lower. A verb
decides, puts the atomic writes of ``managers`` in order, and is the only place that sends
signals. None of them knows a request.
"""

from invitation.flows.cleaning import BATCH_SIZE, count_cleanup, expire, purge
from invitation.flows.ending import close_all_of
from invitation.flows.granting import (
    QuotaLine,
    correct_ledger,
    grant_all,
    ledger_differences,
    quota_lines,
    set_unlimited,
    top_up,
)
from invitation.flows.grouping import grantable_groups, join_groups, set_groups
from invitation.flows.inviting import (
    Invited,
    create,
    invite,
    inviting_refusal,
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
    GRANT_MAX,
    QuotaState,
    correct_quota,
    grant,
    quota_of,
    remaining_invitations,
)
from invitation.flows.rewarding import reward

__all__ = [
    "BATCH_SIZE",
    "GRANT_MAX",
    "Invited",
    "Opened",
    "QuotaLine",
    "QuotaState",
    "activate",
    "change_link",
    "claim",
    "close_all_of",
    "correct_ledger",
    "correct_quota",
    "count_cleanup",
    "create",
    "decline",
    "deliver",
    "deliver_due",
    "edit",
    "expire",
    "extend",
    "grant",
    "grant_all",
    "grantable_groups",
    "invite",
    "inviting_refusal",
    "join_groups",
    "ledger_differences",
    "may_invite",
    "open_invitation",
    "purge",
    "quota_lines",
    "quota_of",
    "release",
    "remaining_invitations",
    "resend",
    "revoke",
    "reward",
    "send_to",
    "set_groups",
    "set_unlimited",
    "top_up",
    "waiting_mails",
]
