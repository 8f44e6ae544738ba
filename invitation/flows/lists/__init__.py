"""Invite everybody on a list."""

from invitation.flows.lists.invite_list import (
    LIST_AGE,
    check_list,
    in_list,
    invite_many,
    waiting_in_list,
)
from invitation.flows.lists.rows import ListResult, Row, Verdict

__all__ = [
    "LIST_AGE",
    "ListResult",
    "Row",
    "Verdict",
    "check_list",
    "in_list",
    "invite_many",
    "waiting_in_list",
]
