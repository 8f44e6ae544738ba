"""Send signals after the commit, and repeat what a deadlock ended."""

from invitation.flows.after_commit.transactions import (
    BATCH_SIZE,
    announce,
    database,
    in_transaction,
    on_commit,
    retrying,
    roll_back,
    writing,
)

__all__ = [
    "BATCH_SIZE",
    "announce",
    "database",
    "in_transaction",
    "on_commit",
    "retrying",
    "roll_back",
    "writing",
]
