"""Spend, grant and reward invitations, and limit attempts."""

from invitation.flows.quota.granting import (
    QuotaLine,
    correct_ledger,
    grant_all,
    ledger_differences,
    quota_lines,
    set_unlimited,
    top_up,
)
from invitation.flows.quota.rewards import reward
from invitation.flows.quota.spending import (
    GRANT_MAX,
    QuotaState,
    Reason,
    correct_quota,
    give_back,
    grant,
    quota_of,
    remaining_invitations,
    remaining_now,
    spend,
    write_entries,
    write_entry,
)
from invitation.flows.quota.throttling import (
    WINDOW_MAX,
    Limit,
    attempt,
    await_turn,
    is_full,
    take_back,
)

__all__ = [
    "GRANT_MAX",
    "WINDOW_MAX",
    "Limit",
    "QuotaLine",
    "QuotaState",
    "Reason",
    "attempt",
    "await_turn",
    "correct_ledger",
    "correct_quota",
    "give_back",
    "grant",
    "grant_all",
    "is_full",
    "ledger_differences",
    "quota_lines",
    "quota_of",
    "remaining_invitations",
    "remaining_now",
    "reward",
    "set_unlimited",
    "spend",
    "take_back",
    "top_up",
    "write_entries",
    "write_entry",
]
