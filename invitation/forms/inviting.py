"""Ask whom to invite, and what the mail says."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy as _

from invitation import addresses, flows
from invitation.exceptions import AddressRefused, GroupRefused, InvitationError, TextRefused
from invitation.forms.grouping import add_groups, chosen_groups
from invitation.forms.options import InvitationOptionsMixin, own_language

#: The limits of mails that have to do with whom somebody invites.
ADDRESS_LIMITS = ("recipient_limit_reached", "domain_limit_reached")


class NoteField(forms.CharField):
    """Take several lines, and count a line break as the browser counted it: as one character."""

    def to_python(self, value: Any) -> str | None:
        """Return the text with plain line breaks; browsers post two characters for each."""
        text: str | None = super().to_python(value)
        return text.replace("\r\n", "\n") if text else text

    def limit(self, most: int) -> None:
        """Take no longer texts than this."""
        self.max_length = min(most, most if self.max_length is None else self.max_length)
        others = [one for one in self.validators if not isinstance(one, MaxLengthValidator)]
        self.validators = [*others, MaxLengthValidator(self.max_length)]
        self.widget.attrs.update(self.widget_attrs(self.widget))


class InvitationTextsForm(forms.Form):
    """Ask for what an invitation says to the person who gets it."""

    #: In whose name it says so, and what it says already: see ``ask_for_note``.
    writer: Any = None
    kept_note = ""

    recipient_name = forms.CharField(
        label=_("Name"),
        max_length=60,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("How the mail greets the person you invite."),
    )
    note = NoteField(
        label=_("Personal note"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Plain text, without links or addresses."),
    )

    def ask_for_note(self, writer: Any, kept: str = "") -> None:
        """Ask for a note as this member may write one, or not at all.

        ``kept`` is what it says already: that may stay.
        """
        self.writer, self.kept_note = writer, kept
        field = self.fields.get("note")
        if not flows.may_write_note(writer):
            self.fields.pop("note", None)
        elif isinstance(field, NoteField):
            field.limit(max(flows.note_length_max(), len(kept)))

    def clean_note(self) -> str:
        """Return the note as the mail may carry it."""
        try:
            return flows.check_note(self.writer, self.cleaned_data["note"], kept=self.kept_note)
        except TextRefused as error:
            raise ValidationError(str(error), code=error.code) from error

    def refused(self, error: InvitationError) -> None:
        """Show why it was not done, beside the field that is at fault."""
        about_address = isinstance(error, AddressRefused) or error.code in ADDRESS_LIMITS
        field = "email" if about_address else None
        field = "groups" if isinstance(error, GroupRefused) else field
        self.add_error(
            field if field in self.fields else None, ValidationError(str(error), code=error.code)
        )


class InvitationKeyForm(InvitationOptionsMixin, InvitationTextsForm):
    """Ask whom to invite; ``save()`` invites in the name of ``inviter``."""

    field_order = ("email", "recipient_name", "note")

    # No EmailField: its validator admits addresses that are delivered elsewhere than they read.
    email = forms.CharField(
        label=_("E-mail address"),
        max_length=320,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, inviter: Any, site_id: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inviter = inviter
        self.site_id = site_id
        self.ask_for_note(inviter)
        if "language" in self.fields:
            self.fields["language"].initial = own_language(inviter)
        add_groups(self, inviter)

    def clean_email(self) -> str:
        """Return the address in the form in which it is stored and mailed."""
        try:
            return addresses.clean(self.cleaned_data["email"])
        except AddressRefused as error:
            raise ValidationError(str(error), code=error.code) from error

    def save(self) -> flows.Invited:
        """Invite. Raises ``InvitationError``, which ``refused`` turns into a form error."""
        return flows.invite(
            self.inviter,
            self.cleaned_data["email"],
            recipient_name=self.cleaned_data["recipient_name"],
            note=self.cleaned_data.get("note", ""),
            site_id=self.site_id,
            groups=chosen_groups(self),
            mail=not self.pressed("no_mail"),
            **self.choices(),
        )
