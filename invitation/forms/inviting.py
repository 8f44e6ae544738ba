"""Forms for inviting one person and for the text of the email."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.utils.translation import gettext_lazy as _

from invitation import addresses
from invitation.exceptions import AddressRefused, GroupRefused, InvitationError, TextRefused
from invitation.flows import inviting
from invitation.forms.groups import add_groups, check_posted_groups, chosen_groups
from invitation.forms.options import InvitationOptionsMixin, own_language

#: Codes of the email limits that depend on the invited address.
ADDRESS_LIMITS = ("recipient_limit_reached", "domain_limit_reached")

#: Name of the box that confirms an invitation to somebody who has declined one.
AGAIN = "invite_again"


class NoteField(forms.CharField):
    """Text field of several lines that counts a line break as one character.

    Browsers count it the same way.
    """

    def to_python(self, value: Any) -> str | None:
        """Return the text with plain line breaks. Browsers post two characters for each."""
        text: str | None = super().to_python(value)
        return text.replace("\r\n", "\n") if text else text

    def limit(self, most: int) -> None:
        """Lower the maximum length to ``most`` characters.

        A lower limit of the field stays.
        """
        self.max_length = min(most, most if self.max_length is None else self.max_length)
        others = [one for one in self.validators if not isinstance(one, MaxLengthValidator)]
        self.validators = [*others, MaxLengthValidator(self.max_length)]
        self.widget.attrs.update(self.widget_attrs(self.widget))


class InvitationTextsForm(forms.Form):
    """Form for what an invitation says to the invited person."""

    #: The inviter who writes the note, and the note so far: see ``ask_for_note``.
    writer: Any = None
    kept_note = ""

    recipient_name = forms.CharField(
        label=_("Name"),
        max_length=60,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("The email greets them by this name."),
    )
    note = NoteField(
        label=_("Personal note"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Plain text, without links or email addresses."),
    )

    def ask_for_note(self, writer: Any, kept: str = "") -> None:
        """Limit the note to what the writer may write, or remove its field.

        ``kept`` is the note so far. It may stay, even if it is longer than the limit.
        """
        self.writer, self.kept_note = writer, kept
        field = self.fields.get("note")
        if not inviting.may_write_note(writer):
            self.fields.pop("note", None)
        elif isinstance(field, NoteField):
            field.limit(max(inviting.note_length_max(), len(kept)))
            if inviting.may_write_links(writer):
                field.help_text = _("Plain text. Links are allowed.")

    def clean_note(self) -> str:
        """Return the note as the email may contain it.

        Raises ``ValidationError`` if the note is refused.
        """
        try:
            return inviting.check_note(self.writer, self.cleaned_data["note"], kept=self.kept_note)
        except TextRefused as error:
            raise ValidationError(str(error), code=error.code) from error

    def clean(self) -> dict[str, Any] | None:
        """Return the cleaned data, after a look for groups that the form does not ask for."""
        cleaned = super().clean()
        try:
            check_posted_groups(self)
        except GroupRefused as error:
            self.refused(error)
        return cleaned

    def refused(self, error: InvitationError) -> None:
        """Show why the invitation was refused, beside the field that caused it."""
        about_address = isinstance(error, AddressRefused) or error.code in ADDRESS_LIMITS
        field = "email" if about_address else None
        field = "groups" if isinstance(error, GroupRefused) else field
        self.add_error(
            field if field in self.fields else None, ValidationError(str(error), code=error.code)
        )


class InvitationKeyForm(InvitationOptionsMixin, InvitationTextsForm):
    """Form for inviting one person. ``save()`` invites for ``inviter``."""

    field_order = ("email", AGAIN, "recipient_name", "note")
    first_fields = ("email", AGAIN)

    # Not an EmailField: its validator allows addresses that deliver to another place than they
    # show.
    email = forms.CharField(
        label=_("Email address"),
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
        """Return the address in the form that is stored and used for email.

        Raises ``ValidationError`` if it is refused.
        """
        try:
            return addresses.clean(self.cleaned_data["email"])
        except AddressRefused as error:
            raise ValidationError(str(error), code=error.code) from error

    def refused(self, error: InvitationError) -> None:
        """Show why the invitation was refused, and let the member confirm where they can.

        The box is for this address only: its value is the address.
        """
        email = self.cleaned_data.get("email")
        super().refused(error)
        if error.code == "declined_before":
            # Never checked by the page itself: another address may have been confirmed before.
            box = forms.CheckboxInput(attrs={"value": email}, check_test=lambda _value: False)
            self.fields[AGAIN] = forms.BooleanField(
                label=_("They asked for it: invite them again"), widget=box, required=False
            )
            self.order_fields(self.field_order)

    def save(self) -> inviting.Invited:
        """Invite the person, and return the outcome.

        Raises ``InvitationError``. ``refused`` turns it into a form error.
        """
        return inviting.invite(
            self.inviter,
            self.cleaned_data["email"],
            recipient_name=self.cleaned_data["recipient_name"],
            note=self.cleaned_data.get("note", ""),
            site_id=self.site_id,
            groups=chosen_groups(self),
            mail=not self.pressed("no_mail"),
            again=addresses.same(self.data.get(self.add_prefix(AGAIN)), self.cleaned_data["email"]),
            **self.choices(),
        )
