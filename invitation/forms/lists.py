"""Forms for inviting a list of people: the list, and its confirmation."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from invitation.addresses import recipients
from invitation.exceptions import ListRefused
from invitation.flows import lists
from invitation.forms.inviting import InvitationTextsForm


def _salt(inviter: Any, site_id: int | None) -> str:
    """Return the salt that binds a signed list to its inviter and site."""
    return f"invitation.bulk:{site_id}:{inviter.pk}"


def _sign(content: dict[str, Any], inviter: Any, site_id: int | None) -> str:
    return signing.dumps(content, salt=_salt(inviter, site_id), compress=True)


class BulkForm(InvitationTextsForm):
    """Form for a list, pasted or as a file. ``plan()`` returns each row's outcome."""

    field_order = ("people", "file", "note")

    recipient_name = None  # type: ignore[assignment]
    people = forms.CharField(
        label=_("E-mail addresses"),
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 8, "autocomplete": "off", "spellcheck": "false", "dir": "auto"}
        ),
        help_text=_(
            "With commas, semicolons or line breaks in between, names as in "
            "“Ann Smith &lt;ann@example.org&gt;”. Or rows copied from a table."
        ),
    )
    file = forms.FileField(
        label=_("CSV file"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
        help_text=_(
            "The column with the addresses is found. Others may be called name, note, language or "
            "groups."
        ),
    )

    def __init__(self, *args: Any, inviter: Any, site_id: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inviter = inviter
        self.site_id = site_id
        self.ask_for_note(inviter)
        if "note" in self.fields:
            self.fields["note"].help_text = _(
                "Plain text, without links or addresses, for everybody without a note of their own."
            )

    def clean(self) -> dict[str, Any]:
        """Read the list.

        Exactly one of text and file must be given. Raises ``ValidationError`` otherwise. Addresses
        are not checked here: their errors are shown beside each row.
        """
        cleaned: dict[str, Any] = super().clean() or {}
        pasted, file = cleaned.get("people") or "", cleaned.get("file")
        if self.errors:
            return cleaned
        if bool(pasted.strip()) == bool(file):
            message = _("Please paste a list or choose a file, one of the two.")
            raise ValidationError(message, code="one_list")
        try:
            if file:
                recipients.check_size(file.size)
                pasted = recipients.decode(file.read())
            cleaned["reading"] = recipients.read(pasted, pasted=not file)
        except ListRefused as error:
            self.add_error("file" if file else "people", _validation_error(error))
        return cleaned | {"text": pasted}

    @property
    def reading(self) -> recipients.Reading:
        """The list as it was read."""
        reading: recipients.Reading = self.cleaned_data["reading"]
        return reading

    def plan(self) -> lists.ListResult:
        """Return what would happen to each row. Raises ``InvitationError``."""
        people, note = self.reading.recipients, self.cleaned_data.get("note", "")
        return lists.check_list(self.inviter, people, note=note, site_id=self.site_id)

    def payload(self, batch: lists.ListResult) -> str:
        """Return the signed list. The member can confirm only what the page shows."""
        content = {
            "batch": str(batch.id),
            "text": self.cleaned_data["text"],
            "pasted": not self.cleaned_data["file"],
            "note": self.cleaned_data.get("note", ""),
            "column": "",
        }
        return _sign(content, self.inviter, self.site_id)


class BulkConfirmForm(forms.Form):
    """Form that confirms a list: ``save()`` invites, ``plan()`` shows it again."""

    payload = forms.CharField(widget=forms.HiddenInput)
    confirmed = forms.BooleanField(required=False, widget=forms.HiddenInput)
    #: Number of the page of rows to show.
    page = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)
    #: Heading of another column of addresses, and the button that reads the list by it.
    email_column = forms.CharField(required=False, widget=forms.HiddenInput)
    choose = forms.BooleanField(required=False, widget=forms.HiddenInput)
    #: Whether to return the rows as a file.
    table = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, inviter: Any, site_id: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inviter = inviter
        self.site_id = site_id
        #: The list that was posted, even if it is too old.
        self.content: dict[str, Any] = {}

    def clean_payload(self) -> str:
        """Read the list, and return its signed form.

        It must be a list that this member was shown, at most ``lists.LIST_AGE`` ago. Raises
        ``ValidationError`` otherwise, or if the list is refused.
        """
        payload: str = self.cleaned_data["payload"]
        salt = _salt(self.inviter, self.site_id)
        try:
            self.content = signing.loads(payload, salt=salt)
            signing.loads(payload, salt=salt, max_age=lists.LIST_AGE)
            self._read(self.content.get("column", ""))
        except signing.BadSignature as error:
            message = _("This list was shown too long ago. Please look through it once more.")
            raise ValidationError(message, code="stale_list") from error
        except ListRefused as error:  # The site's limits are lower than before.
            raise _validation_error(error) from error
        return payload

    def clean(self) -> dict[str, Any]:
        """Read the list by another column, if the member has chosen one. Nobody is invited then."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors or not cleaned["choose"]:
            return cleaned
        column = cleaned["email_column"]
        try:
            self._read(column)
        except ListRefused as error:
            raise _validation_error(error) from error
        self.content["column"] = column
        payload = _sign(self.content, self.inviter, self.site_id)
        return cleaned | {"payload": payload, "confirmed": False, "table": False}

    def _read(self, column: str) -> None:
        text, pasted = self.content["text"], self.content["pasted"]
        self.reading = recipients.read(text, pasted=pasted, email_column=column)

    def plan(self) -> lists.ListResult:
        """Return what would happen to each row. Raises ``InvitationError``."""
        return lists.check_list(self.inviter, self.reading.recipients, **self._options())

    def save(self) -> lists.ListResult:
        """Invite the list, and return each row's outcome. Raises ``InvitationError``."""
        return lists.invite_many(self.inviter, self.reading.recipients, **self._options())

    def _options(self) -> dict[str, Any]:
        batch = uuid.UUID(self.content["batch"])
        return {"note": self.content["note"], "site_id": self.site_id, "batch": batch}


def _validation_error(error: ListRefused) -> ValidationError:
    return ValidationError(str(error), code=error.code)
