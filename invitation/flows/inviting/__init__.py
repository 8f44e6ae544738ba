"""Invite, and look after invitations that were made."""

from invitation.flows.inviting.creating import (
    INVITE_ROUNDS,
    Invited,
    check_inviter,
    create_without_address,
    expiry_date,
    invite,
    inviting_refusal,
    may_invite,
    send_to,
)
from invitation.flows.inviting.ending import close_all_of, end, end_shared, locked_link
from invitation.flows.inviting.groups import (
    check_groups,
    grantable_groups,
    groups_to_join,
    groups_to_join_of,
    join_groups,
    set_groups,
)
from invitation.flows.inviting.languages import language_for, named_language
from invitation.flows.inviting.managing import change_link, edit, extend, resend, revoke
from invitation.flows.inviting.notes import (
    check_note,
    check_note_from,
    may_write_links,
    may_write_note,
    note_length_max,
)
from invitation.flows.inviting.previewing import preview
from invitation.flows.inviting.renewing import ask_for_renewal, is_renewable, renew, renewal_costs

__all__ = [
    "INVITE_ROUNDS",
    "Invited",
    "ask_for_renewal",
    "change_link",
    "check_groups",
    "check_inviter",
    "check_note",
    "check_note_from",
    "close_all_of",
    "create_without_address",
    "edit",
    "end",
    "end_shared",
    "expiry_date",
    "extend",
    "grantable_groups",
    "groups_to_join",
    "groups_to_join_of",
    "invite",
    "inviting_refusal",
    "is_renewable",
    "join_groups",
    "language_for",
    "locked_link",
    "may_invite",
    "may_write_links",
    "may_write_note",
    "named_language",
    "note_length_max",
    "preview",
    "renew",
    "renewal_costs",
    "resend",
    "revoke",
    "send_to",
    "set_groups",
]
