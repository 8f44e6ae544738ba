"""Forms of pages that may be open in two tabs, or before two people, at once."""

from __future__ import annotations

from copy import copy
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _


class TwoTabsMixin(forms.Form):
    """Form that keeps what another tab has changed since its own page was shown.

    The page posts what it showed beside what was typed. A page of the site's own that does not
    post it changes every field.
    """

    #: Values that were changed here and in another tab, by the names of their fields.
    _changed_twice: dict[str, Any]

    def compare(self, *names: str) -> None:
        """Compare these fields with the current values, which are the initial ones.

        A field that was not changed here gets its current value. Call it last in ``__init__``.
        """
        self._changed_twice = {}
        data: Any = copy(self.data)
        for name in names:
            if name not in self.fields:
                continue
            field, bound = self.fields[name], self[name]
            shown, now = self.data.get(bound.html_initial_name), self.initial.get(name)
            # Without what the page showed, Django would call every field changed.
            field.show_hidden_initial = shown is not None or not self.is_bound
            if shown is None or _compared(field, shown) == _compared(field, now):
                continue
            data[bound.html_initial_name] = _posted(field, now)
            typed = _compared(field, bound.data)
            if typed == _compared(field, shown):
                data[bound.html_name] = _posted(field, now)
            elif typed != _compared(field, now):
                self._changed_twice[name] = now
        self.data = data

    def clean(self) -> dict[str, Any] | None:
        """Return the cleaned data, with an error beside each text that was changed twice.

        The next try replaces the text of the other tab.
        """
        cleaned = super().clean()
        for name, now in self._changed_twice.items():
            message = _("This has changed since you opened the page. It is now: “%(text)s”")
            text = _posted(self.fields[name], now)
            self.add_error(name, ValidationError(message, "changed_since", {"text": text}))
        return cleaned


def _compared(field: forms.Field, value: Any) -> Any:
    """Return a value in the form in which it is compared; an invalid one is unchanged."""
    try:
        value = field.to_python(value)
    except ValidationError:
        return value
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else value


def _posted(field: forms.Field, value: Any) -> str:
    """Return a value as a browser posts it."""
    if isinstance(field, forms.BooleanField):
        return "on" if value else ""
    return str(field.widget.format_value(field.prepare_value(value)) or "")
