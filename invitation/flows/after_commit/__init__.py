"""Send signals after the commit, and repeat what the database undid."""

from invitation.flows.after_commit.transactions import (
    BATCH_SIZE,
    announce,
    catch_up,
    database,
    in_transaction,
    is_unavailable,
    on_commit,
    repeat,
    retrying,
    roll_back,
    writing,
)

__all__ = [
    "BATCH_SIZE",
    "announce",
    "catch_up",
    "database",
    "in_transaction",
    "is_unavailable",
    "on_commit",
    "repeat",
    "retrying",
    "roll_back",
    "writing",
]
