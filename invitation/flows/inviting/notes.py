"""Rules for personal notes: who may write one, and what it may contain.

The site sends the note in an email in a member's name. A person who wants to phish could misuse it.
So the site limits its length, who may write one, and its links.
"""

from __future__ import annotations

from typing import Any

from invitation.conf import conf
from invitation.delivery import texts
from invitation.exceptions import NoteForbidden, TextRefused
from invitation.models import InvitationKey

#: Permission to write links into notes. Superusers have it, as they have every permission.
LINK_PERMISSION = "invitation.link_in_note"


def may_write_note(writer: Any) -> bool:
    """Return whether this member may add a note to their invitations."""
    permission = conf.INVITATION_NOTE_PERMISSION
    return permission is None or _has(writer, permission)


def may_write_links(writer: Any) -> bool:
    """Return whether this person may certainly write links into notes: the site, or a superuser.

    No query: others may have ``LINK_PERMISSION``, which is only asked for where a note has a link.
    """
    active = getattr(writer, "is_active", False)
    return writer is None or bool(active and getattr(writer, "is_superuser", False))


def note_length_max() -> int:
    """Return how many characters a note may have."""
    return min(conf.INVITATION_NOTE_MAX_LENGTH, texts.TEXT_LENGTH_MAX)


def check_note(writer: Any, note: str, *, kept: str = "") -> str:
    """Return the note fit for an email, or raise ``NoteForbidden`` or ``TextRefused``.

    Every member may leave the note empty, or keep the old one: ``kept``.
    """
    if kept and note == kept:
        return note
    limit = note_length_max()
    if note.strip() and not may_write_note(writer):
        raise NoteForbidden()
    try:
        return texts.check_text(note, limit)
    except TextRefused as error:
        # Checked last, because a permission costs queries for most members.
        if error.code != "link_in_text" or not _has(writer, LINK_PERMISSION):
            raise
    return texts.check_text(note, limit, links=True)


def check_note_from(inviter: Any, note: str) -> str:
    """Return the note of a new invitation, as ``check_note`` does.

    ``None`` is the site, which needs no permission.
    """
    if inviter is None:
        return texts.check_text(note, note_length_max(), links=True)
    return check_note(inviter, note)


def check_note_of(invitation: InvitationKey, note: str) -> str:
    """Return another note of an invitation, as ``check_note`` does for its inviter."""
    if invitation.from_site and note != invitation.note:
        return check_note_from(None, note)
    return check_note(invitation.from_user, note, kept=invitation.note)


def _has(user: Any, permission: str) -> bool:
    # A custom user model may have no permissions. The system checks report that.
    return hasattr(user, "has_perm") and bool(user.has_perm(permission))
