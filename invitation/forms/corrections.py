"""Corrections of a list: what a member has typed into the cells of its rows, and rows to leave out.

They travel beside the signed list and are not signed: they are what the member types. They change
rows of that list and add none, so the list has never more rows than the limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from invitation.addresses.recipients import Recipient

#: Address and name of a row, or ``None`` for a row that is left out.
Correction = tuple[str, str] | None
#: Corrections by the numbers of their rows.
Corrections = dict[int, Correction]

#: Maximum length of the text in a cell. No address and no name is longer.
CELL_MAX = 320


class CorrectionsField(forms.JSONField):
    """Field with the corrections that earlier pages of the same list have taken."""

    widget = forms.HiddenInput

    def clean(self, value: Any) -> Corrections:
        """Return the corrections. Raises ``ValidationError`` for anything else."""
        found = super().clean(value) or {}
        if not isinstance(found, dict) or not all(map(_is_correction, found.items())):
            message = _("The corrections cannot be read. Check the list again.")
            raise ValidationError(message, code="stale_list")
        return {int(number): row and (row[0], row[1]) for number, row in found.items()}


def _is_correction(item: tuple[str, Any]) -> bool:
    number, row = item
    cells = [] if row is None else row
    is_row = isinstance(cells, list) and len(cells) == (0 if row is None else 2)
    is_text = is_row and all(isinstance(cell, str) and len(cell) <= CELL_MAX for cell in cells)
    return is_text and number.isascii() and number.isdecimal() and len(number) <= 9


def cells(recipient: Recipient) -> tuple[str, str]:
    """Return the address and the name of a row, as the page shows them for correction."""
    return recipient.email.strip()[:CELL_MAX], recipient.name.strip()[:CELL_MAX]


def typed_corrections(data: Mapping[str, Any], recipients: Iterable[Recipient]) -> Corrections:
    """Return what was typed into the cells of these rows, and which are left out.

    Cells with the same text as before are no corrections.
    """
    found: Corrections = {}
    for recipient in recipients:
        number, now = recipient.number, cells(recipient)
        if f"out-{number}" in data:
            found[number] = None
        elif f"email-{number}" in data:
            email, name = data[f"email-{number}"], data.get(f"name-{number}", now[1])
            new = (email.strip()[:CELL_MAX], name.strip()[:CELL_MAX])
            if new != now:
                found[number] = new
    return found


def corrected(recipients: Iterable[Recipient], corrections: Corrections) -> list[Recipient]:
    """Return the rows with their corrections, without those that are left out."""
    rows = []
    for recipient in recipients:
        correction = corrections.get(recipient.number, cells(recipient))
        if correction == cells(recipient):
            rows.append(recipient)
        elif correction is not None:
            rows.append(recipient._replace(email=correction[0], name=correction[1]))
    return rows
