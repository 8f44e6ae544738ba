"""Ask what a member wants to see or change of his invitations."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from invitation import flows
from invitation.forms.grouping import add_groups, chosen_groups
from invitation.forms.inviting import InvitationTextsForm
from invitation.models import InvitationKey
from invitation.querysets import InvitationKeyQuerySet

#: What a member calls the states of his invitations.
STATES = [
    (InvitationKey.Status.PENDING, _("open")),
    (InvitationKey.Status.ACCEPTED, _("accepted")),
    (InvitationKey.Status.DECLINED, _("declined")),
    (InvitationKey.Status.REVOKED, _("withdrawn")),
    (InvitationKey.Status.EXPIRED, _("expired")),
]

#: And those of their mails: what he may know of them (see ``InvitationEmail.state_for_inviter``).
MAIL_STATES = [
    ("waiting", _("waiting")),
    ("sent", _("sent")),
    ("failed", _("failed")),
    ("cancelled", _("stopped")),
]


class InvitationEditForm(InvitationTextsForm):
    """Change what an open invitation says."""

    def __init__(
        self, *args: Any, invitation: InvitationKey, inviter: Any = None, **kwargs: Any
    ) -> None:
        texts_now = {"recipient_name": invitation.recipient_name, "note": invitation.note}
        initial = {**texts_now, **(kwargs.pop("initial", None) or {})}
        super().__init__(*args, **{**kwargs, "initial": initial})
        self.invitation = invitation
        # The mail is in the inviter's name, whoever changes the note.
        self.ask_for_note(invitation.from_user, invitation.note)
        add_groups(self, inviter, invitation)

    def save(self) -> None:
        """Write it. Raises ``InvitationError``, which ``refused`` turns into a form error."""
        flows.edit(
            self.invitation,
            recipient_name=self.cleaned_data["recipient_name"],
            note=self.cleaned_data.get("note", self.invitation.note),
            groups=chosen_groups(self),
        )


class InvitationSearchForm(forms.Form):
    """Narrow a member's list down; what makes no sense narrows nothing."""

    q = forms.CharField(label=_("Name or address"), max_length=320, required=False, strip=True)
    state = forms.ChoiceField(
        label=_("State"),
        choices=[("", _("all")), *STATES],
        required=False,
    )

    def narrow(self, invitations: InvitationKeyQuerySet) -> InvitationKeyQuerySet:
        """Return those of the invitations that are asked for."""
        if not self.is_valid():
            return invitations
        if state := self.cleaned_data["state"]:
            invitations = invitations.in_state(state)
        if text := self.cleaned_data["q"]:
            invitations = invitations.matching(text)
        return invitations
