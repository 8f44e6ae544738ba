"""Say who may add a personal note to an invitation, and what it may hold.

The note stands in a mail that the site sends in somebody's name, so that each of these is a door
for whoever wants to phish: how long it is, who may write one, and that it holds no link.
"""

from __future__ import annotations

from typing import Any

from invitation import texts
from invitation.conf import conf
from invitation.exceptions import NoteForbidden, TextRefused

#: Who has it may write links into his notes. Superusers have every permission, this one too.
LINK_PERMISSION = "invitation.link_in_note"


def may_write_note(writer: Any) -> bool:
    """Tell whether this member may add a note to his invitations."""
    permission = conf.INVITATION_NOTE_PERMISSION
    return permission is None or _has(writer, permission)


def note_length_max() -> int:
    """Return how many characters a note may have."""
    return min(conf.INVITATION_NOTE_MAX_LENGTH, texts.TEXT_LENGTH_MAX)


def check_note(writer: Any, note: str, *, kept: str = "") -> str:
    """Return the note fit for a mail, or raise ``NoteForbidden`` or ``TextRefused``.

    Anybody may leave it out, or leave it as it is: ``kept``.
    """
    if kept and note == kept:
        return note
    limit = note_length_max()
    if note.strip() and not may_write_note(writer):
        raise NoteForbidden()
    try:
        return texts.check_text(note, limit)
    except TextRefused as error:
        # Asked for only now: to most members, a permission costs queries.
        if error.code != "link_in_text" or not _has(writer, LINK_PERMISSION):
            raise
    return texts.check_text(note, limit, links=True)


def _has(user: Any, permission: str) -> bool:
    # A user model need not know permissions, which is for the system checks to say.
    return hasattr(user, "has_perm") and bool(user.has_perm(permission))
