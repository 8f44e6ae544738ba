"""Expire invitations, and delete old ones."""

from invitation.flows.upkeep.cleanup import (
    clean_up,
    count_cleanup,
    delete_expired,
    expire,
    forget_attempts,
    forget_mail_counts,
    mark_expired,
    purge,
    release_all,
)
from invitation.flows.upkeep.clocks import (
    APART,
    MomentsAhead,
    clock_difference,
    doubt_about_clock,
    moments_ahead,
)

__all__ = [
    "APART",
    "MomentsAhead",
    "clean_up",
    "clock_difference",
    "count_cleanup",
    "delete_expired",
    "doubt_about_clock",
    "expire",
    "forget_attempts",
    "forget_mail_counts",
    "mark_expired",
    "moments_ahead",
    "purge",
    "release_all",
]
