"""Send signals after the commit, and repeat what a deadlock ended."""

from invitation.flows.after_commit.transactions import (
    BATCH_SIZE,
    announce,
    in_transaction,
    retrying,
    writing,
)

__all__ = [
    "BATCH_SIZE",
    "announce",
    "in_transaction",
    "retrying",
    "writing",
]
