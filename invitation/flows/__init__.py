"""The actions that can be done with invitations.

Views, forms, the admin, commands and registration backends call these functions and nothing lower.
A flow decides what happens and calls the atomic writes of ``managers`` in order. Only flows send
signals. No flow knows a request.
"""

from invitation.flows.accepting import (
    accept,
    find_accepted,
    proven_addresses,
    received_invitations,
    refusal_to_accept,
)
from invitation.flows.account_mails import (
    ACTIVATION,
    ACTIVATION_OF_INVITED,
    PASSWORD_RESET,
    await_turn,
    count_account_mail,
    is_unwanted,
    with_address,
)
from invitation.flows.bulk import (
    BATCH_AGE,
    in_batch,
    invite_many,
    plan,
    waiting_in_batch,
)
from invitation.flows.cleaning import (
    BATCH_SIZE,
    count_cleanup,
    expire,
    forget_attempts,
    forget_mail_counts,
    purge,
)
from invitation.flows.clocks import (
    APART,
    MomentsAhead,
    clock_difference,
    doubt_about_clock,
    moments_ahead,
)
from invitation.flows.disowning import disown
from invitation.flows.ending import close_all_of
from invitation.flows.exporting import export, has_account
from invitation.flows.forgetting import Forgotten, count_forgettable, forget, forget_ended
from invitation.flows.granting import (
    QuotaLine,
    correct_ledger,
    grant_all,
    ledger_differences,
    quota_lines,
    set_unlimited,
    top_up,
)
from invitation.flows.grouping import (
    check_groups,
    grantable_groups,
    groups_to_join,
    groups_to_join_of,
    join_groups,
    set_groups,
)
from invitation.flows.health import OutboxHealth, outbox_health
from invitation.flows.inviting import (
    Invited,
    create,
    expiry,
    invite,
    inviting_refusal,
    may_invite,
    send_to,
)
from invitation.flows.languages import language_for
from invitation.flows.mailing import together, waiting_mails
from invitation.flows.managing import change_link, edit, extend, resend, revoke
from invitation.flows.notes import check_note, may_write_note, note_length_max
from invitation.flows.opening import (
    Opened,
    activate,
    claim,
    decline,
    destination_of,
    lock_account,
    open_invitation,
    release,
)
from invitation.flows.operating import (
    cancel,
    is_delayed,
    reopen,
    retry,
)
from invitation.flows.previewing import preview
from invitation.flows.proving import drop_outdated_proofs, has_proven, own_address, prove
from invitation.flows.quotas import (
    GRANT_MAX,
    QuotaState,
    correct_quota,
    grant,
    quota_of,
    remaining_invitations,
)
from invitation.flows.rationing import Batch, Row, Verdict
from invitation.flows.reminding import remind
from invitation.flows.renewing import ask_for_renewal, is_renewable, renew, renewal_costs
from invitation.flows.rewarding import reward
from invitation.flows.sending import deliver, deliver_due, deliver_rows, delivery_pause
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
    sharing_refusal,
)
from invitation.flows.suppressing import (
    is_suppressed,
    lift,
    opt_out,
    report_bounce,
    report_complaint,
    suppress,
)
from invitation.flows.throttling import Limit

__all__ = [
    "ACTIVATION",
    "ACTIVATION_OF_INVITED",
    "APART",
    "BATCH_AGE",
    "BATCH_SIZE",
    "GRANT_MAX",
    "PASSWORD_RESET",
    "Batch",
    "Forgotten",
    "Invited",
    "Limit",
    "MomentsAhead",
    "Opened",
    "OutboxHealth",
    "QuotaLine",
    "QuotaState",
    "Row",
    "Verdict",
    "accept",
    "activate",
    "ask_for_renewal",
    "await_turn",
    "cancel",
    "change_link",
    "check_groups",
    "check_note",
    "claim",
    "clock_difference",
    "close",
    "close_all_of",
    "correct_ledger",
    "correct_quota",
    "count_account_mail",
    "count_cleanup",
    "count_forgettable",
    "create",
    "decline",
    "deliver",
    "deliver_due",
    "deliver_rows",
    "delivery_pause",
    "destination_of",
    "disown",
    "doubt_about_clock",
    "drop_outdated_proofs",
    "edit",
    "edit_shared",
    "expire",
    "expiry",
    "export",
    "extend",
    "find_accepted",
    "forget",
    "forget_attempts",
    "forget_ended",
    "forget_mail_counts",
    "grant",
    "grant_all",
    "grantable_groups",
    "groups_to_join",
    "groups_to_join_of",
    "has_account",
    "has_proven",
    "in_batch",
    "invite",
    "invite_many",
    "inviting_refusal",
    "is_delayed",
    "is_renewable",
    "is_suppressed",
    "is_unwanted",
    "join",
    "join_groups",
    "language_for",
    "ledger_differences",
    "lift",
    "lock_account",
    "may_invite",
    "may_share",
    "may_share_unlimited",
    "may_write_note",
    "moments_ahead",
    "note_length_max",
    "open_code",
    "open_invitation",
    "open_word",
    "opt_out",
    "outbox_health",
    "own_address",
    "pause",
    "plan",
    "preview",
    "prove",
    "proven_addresses",
    "purge",
    "quota_lines",
    "quota_of",
    "received_invitations",
    "refusal_to_accept",
    "release",
    "remaining_invitations",
    "remind",
    "renew",
    "renewal_costs",
    "reopen",
    "report_bounce",
    "report_complaint",
    "resend",
    "resume",
    "retry",
    "revoke",
    "reward",
    "send_to",
    "set_groups",
    "set_unlimited",
    "share",
    "sharing_refusal",
    "suppress",
    "together",
    "top_up",
    "waiting_in_batch",
    "waiting_mails",
    "with_address",
]
