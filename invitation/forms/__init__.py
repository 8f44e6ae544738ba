"""Forms for members and invited persons, one module for each page or group of pages."""

from __future__ import annotations

from invitation.forms.inviting import InvitationKeyForm, InvitationTextsForm
from invitation.forms.lists import ListConfirmForm, ListForm
from invitation.forms.managing import (
    MAIL_STATES,
    SHARED,
    STATES,
    InvitationEditForm,
    InvitationSearchForm,
)
from invitation.forms.options import InvitationOptionsMixin
from invitation.forms.sharing import JoinForm, SharedLinkForm

__all__ = [
    "MAIL_STATES",
    "SHARED",
    "STATES",
    "InvitationEditForm",
    "InvitationKeyForm",
    "InvitationOptionsMixin",
    "InvitationSearchForm",
    "InvitationTextsForm",
    "JoinForm",
    "ListConfirmForm",
    "ListForm",
    "SharedLinkForm",
]
