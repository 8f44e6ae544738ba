"""Ask which groups an invitation carries, of those that the member may give."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy as _

from invitation import flows
from invitation.models import InvitationKey

FIELD = "groups"


class GroupsField(forms.TypedMultipleChoiceField):
    """Offer the groups that were looked up once, and take no other."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, groups: list[Group]) -> None:
        super().__init__(
            label=_("Groups"),
            help_text=_("Whoever accepts joins them, if you may still give them then."),
            choices=[(group.pk, group.name) for group in groups],
            coerce=int,
            required=False,
        )
        self.groups = groups


def add_groups(form: forms.Form, inviter: Any, invitation: InvitationKey | None = None) -> None:
    """Add the field to the form of a member who may give groups; others cost no query."""
    groups = list(flows.grantable_groups(inviter).order_by("name"))
    if groups:
        form.fields[FIELD] = GroupsField(groups)
        if invitation is not None:
            carried = list(invitation.groups.values_list("pk", flat=True))
            form.initial.setdefault(FIELD, carried)


def chosen_groups(form: forms.Form) -> list[Group] | None:
    """Return the groups that were chosen in a valid form, or ``None`` where none are offered."""
    field = form.fields.get(FIELD)
    if not isinstance(field, GroupsField):
        return None
    return [group for group in field.groups if group.pk in form.cleaned_data[FIELD]]
