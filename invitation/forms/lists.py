"""Forms for inviting a list of people: the list, and its confirmation."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from invitation.exceptions import ListRefused
from invitation.flows import lists
from invitation.forms.corrections import (
    Corrections,
    CorrectionsField,
    corrected,
    typed_corrections,
)
from invitation.forms.inviting import InvitationTextsForm
from invitation.forms.options import MoreOptionsMixin

if TYPE_CHECKING:
    from invitation.addresses.recipients import Reading, Recipient


def _salt(inviter: Any, site_id: int | None) -> str:
    """Return the salt that binds a signed list to its inviter and site."""
    return f"invitation.list:{site_id}:{inviter.pk}"


def _sign(content: dict[str, Any], inviter: Any, site_id: int | None) -> str:
    return signing.dumps(content, salt=_salt(inviter, site_id), compress=True)


class ListForm(MoreOptionsMixin, InvitationTextsForm):
    """Form for a list, pasted or as a file. ``plan()`` returns each row's outcome."""

    field_order = first_fields = needed_fields = ("people", "file")

    recipient_name = None  # type: ignore[assignment]
    people = forms.CharField(
        label=_("Email addresses"),
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 5, "autocomplete": "off", "spellcheck": "false", "dir": "auto"}
        ),
        help_text=_(
            "Separated by commas or line breaks, such as “Ann Smith &lt;ann@example.org&gt;”. "
            "Or rows copied from a table."
        ),
    )
    file = forms.FileField(
        label=_("CSV file"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
        help_text=_(
            "We find the column with the email addresses. Other columns: name, note, language, "
            "groups."
        ),
    )

    def __init__(self, *args: Any, inviter: Any, site_id: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inviter = inviter
        self.site_id = site_id
        self.ask_for_note(inviter)
        if note := self.fields.get("note"):
            whose = _("For everyone without their own note.")
            note.help_text = format_lazy("{} {}", note.help_text, whose)

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
            message = _("Paste a list or choose a file.")
            if file:
                message = _("Use the pasted list or the file, not both.")
            raise ValidationError(message, code="one_list")
        from invitation.addresses import recipients  # only a list needs it

        try:
            if file:
                recipients.check_size(file.size)
                pasted = recipients.decode(file.read())
            cleaned["reading"] = recipients.read(pasted, pasted=not file)
        except ListRefused as error:
            self.add_error("file" if file else "people", _validation_error(error))
        return cleaned | {"text": pasted}

    @property
    def reading(self) -> Reading:
        """The list as it was read."""
        reading: Reading = self.cleaned_data["reading"]
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


class ListConfirmForm(forms.Form):
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
    #: What was corrected on earlier pages. The cells of this page are named after their rows.
    corrections = CorrectionsField(required=False)

    def __init__(self, *args: Any, inviter: Any, site_id: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inviter = inviter
        self.site_id = site_id
        #: The list that was posted, even if it is too old.
        self.content: dict[str, Any] = {}
        self.recipients: list[Recipient] = []
        #: Corrections of the page that was posted, without those of earlier pages.
        self.typed: Corrections = {}

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
            message = _("You checked this list more than a day ago. Check it again.")
            raise ValidationError(message, code="stale_list") from error
        except ListRefused as error:  # The site's limits are lower than before.
            raise _validation_error(error) from error
        return payload

    def clean(self) -> dict[str, Any]:
        """Return the cleaned data, with all corrections, after they are made in the rows.

        If the member has chosen another column, the list is read by it, with the corrections that
        were made there. Nobody is invited then.
        """
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        earlier: Corrections = cleaned.get("corrections") or {}
        before = corrected(self.recipients, earlier)
        self.typed = typed_corrections(self.data, before)
        corrections = earlier | self.typed
        chosen = cleaned["email_column"]
        if cleaned["choose"] or (chosen and chosen != self.reading.column):
            return cleaned | self._choose(chosen, corrections)
        self.recipients = corrected(before, self.typed)
        return cleaned | {"corrections": corrections}

    def _choose(self, column: str, corrections: Corrections) -> dict[str, Any]:
        """Read the list by another column. Corrections are kept for each column."""
        kept = self.content.get("corrections", {}) | {self.reading.column: corrections}
        try:
            self._read(column)
        except ListRefused as error:
            raise _validation_error(error) from error
        there = {int(row): cells for row, cells in kept.get(self.reading.column, {}).items()}
        there |= {row: None for row, cells in corrections.items() if cells is None}
        self.typed = {}
        self.recipients = corrected(self.recipients, there)
        self.content |= {"column": column, "corrections": kept}
        payload = _sign(self.content, self.inviter, self.site_id)
        return {"payload": payload, "corrections": there, "confirmed": False, "table": False}

    def _read(self, column: str) -> None:
        from invitation.addresses import recipients  # only a list needs it

        text, pasted = self.content["text"], self.content["pasted"]
        self.reading = recipients.read(text, pasted=pasted, email_column=column)
        self.recipients = self.reading.recipients

    def needs_another_look(self) -> bool:
        """Return whether a row that was just corrected would still not be invited.

        Raises ``InvitationError``. It runs queries only if something was corrected.
        """
        if not self.typed:
            return False
        rows = self.plan().rows
        return any(row.number in self.typed and row.verdict != lists.Verdict.NEW for row in rows)

    def plan(self) -> lists.ListResult:
        """Return what would happen to each row. Raises ``InvitationError``."""
        return lists.check_list(self.inviter, self.recipients, **self._options())

    def save(self) -> lists.ListResult:
        """Invite the list, and return each row's outcome. Raises ``InvitationError``."""
        return lists.invite_many(self.inviter, self.recipients, **self._options())

    def _options(self) -> dict[str, Any]:
        batch = uuid.UUID(self.content["batch"])
        return {"note": self.content["note"], "site_id": self.site_id, "batch": batch}


def _validation_error(error: ListRefused) -> ValidationError:
    return ValidationError(str(error), code=error.code)
