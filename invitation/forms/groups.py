"""Field for the groups of an invitation, of those that the member may give."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy as _

from invitation.exceptions import GroupRefused
from invitation.flows import inviting
from invitation.models import InvitationKey

FIELD = "groups"


class GroupsField(forms.TypedMultipleChoiceField):
    """Field with the groups that were looked up once; it accepts no other."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, groups: list[Group]) -> None:
        super().__init__(
            label=_("Groups"),
            help_text=_("They join these groups when they sign up."),
            choices=[(group.pk, group.name) for group in groups],
            coerce=int,
            required=False,
        )
        self.groups = groups


def add_groups(form: forms.Form, inviter: Any, invitation: InvitationKey | None = None) -> None:
    """Add the field if the inviter may give groups.

    It lists only groups that they may give. With ``invitation``, its groups are chosen already.
    """
    groups = list(inviting.grantable_groups(inviter).order_by("name"))
    if groups:
        form.fields[FIELD] = GroupsField(groups)
        if invitation is not None:
            carried = list(invitation.groups.values_list("pk", flat=True))
            form.initial.setdefault(FIELD, carried)


def check_posted_groups(form: forms.Form) -> None:
    """Raise ``GroupRefused`` if groups were posted to a form that does not ask for them.

    The page may be older than the loss of the right to give groups.
    """
    if FIELD not in form.fields:
        widget = GroupsField.widget()
        posted = widget.value_from_datadict(form.data, form.files, form.add_prefix(FIELD))
        if any(posted or ()):
            raise GroupRefused()


def chosen_groups(form: forms.Form) -> list[Group] | None:
    """Return the groups chosen in a valid form, or ``None`` if it has no such field."""
    field = form.fields.get(FIELD)
    if not isinstance(field, GroupsField):
        return None
    return [group for group in field.groups if group.pk in form.cleaned_data[FIELD]]
