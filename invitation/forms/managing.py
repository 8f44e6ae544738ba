"""Forms for a member's invitations: search and edit."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from invitation.flows import inviting
from invitation.forms.groups import add_groups, chosen_groups
from invitation.forms.inviting import InvitationTextsForm
from invitation.forms.two_tabs import TwoTabsMixin
from invitation.models import InvitationKey
from invitation.models.querysets import InvitationKeyQuerySet

#: States of invitations and their labels on members' pages.
STATES = [
    (InvitationKey.Status.PENDING, _("pending")),
    (InvitationKey.Status.ACCEPTED, _("accepted")),
    (InvitationKey.Status.DECLINED, _("declined")),
    (InvitationKey.Status.EXPIRED, _("expired")),
    (InvitationKey.Status.REVOKED, _("revoked")),
]

#: Value of the filter by state that leaves the shared links.
SHARED = "shared"

#: States of emails that the inviter may know (see ``InvitationEmail.state_for_inviter``).
MAIL_STATES = [
    ("waiting", _("waiting")),
    ("sent", _("sent")),
    ("failed", _("failed")),
    ("cancelled", _("stopped")),
]


class InvitationEditForm(TwoTabsMixin, InvitationTextsForm):
    """Form that changes the text and the groups of a pending invitation."""

    def __init__(
        self, *args: Any, invitation: InvitationKey, inviter: Any = None, **kwargs: Any
    ) -> None:
        texts_now = {"recipient_name": invitation.recipient_name, "note": invitation.note}
        initial = {**texts_now, **(kwargs.pop("initial", None) or {})}
        super().__init__(*args, **{**kwargs, "initial": initial})
        self.invitation = invitation
        # The inviter's rules apply: the email is in their name, even if somebody else changes the
        # note.
        self.ask_for_note(invitation.from_user, invitation.note)
        add_groups(self, inviter, invitation)
        self.compare(*texts_now)

    def save(self) -> None:
        """Save the changes.

        Raises ``InvitationError``. ``refused`` turns it into a form error.
        """
        inviting.edit(
            self.invitation,
            recipient_name=self.cleaned_data["recipient_name"],
            note=self.cleaned_data.get("note", self.invitation.note),
            groups=chosen_groups(self),
        )


class InvitationSearchForm(forms.Form):
    """Form that filters a member's list of invitations. Invalid input filters nothing."""

    q = forms.CharField(
        label=_("Name or email address"),
        max_length=320,
        required=False,
        strip=True,
        widget=forms.TextInput(attrs={"type": "search", "enterkeyhint": "search"}),
    )
    state = forms.ChoiceField(
        label=_("State"),
        choices=[("", _("all")), *STATES, (SHARED, _("shared links"))],
        required=False,
    )

    def narrow(self, invitations: InvitationKeyQuerySet) -> InvitationKeyQuerySet:
        """Return the invitations that match the search."""
        if not self.is_valid():
            return invitations
        if (state := self.cleaned_data["state"]) == SHARED:
            invitations = invitations.shared_links()
        elif state:
            invitations = invitations.in_state(state)
        if text := self.cleaned_data["q"]:
            invitations = invitations.matching(text)
        return invitations
