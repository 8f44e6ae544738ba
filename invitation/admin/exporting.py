"""Admin action that exports rows as CSV.

Rows are sent one by one. No cell can run as a formula.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from invitation.addresses import sheets
from invitation.admin.base import NOBODY, AnyAdmin, here
from invitation.admin.bounds import LIMIT, few, in_pieces
from invitation.flows.after_commit import retrying

#: Plain names of columns in the file, where they are not those of the fields.
EXPORT_NAMES = {"address": "email"}

if TYPE_CHECKING:
    Base = AnyAdmin
else:
    Base = object


class ExportMixin(Base):
    """Admin with the action ``export`` for readers who may view the rows.

    A subclass lists ``export`` in its ``actions``.
    """

    #: First part of the file name, before the date; ASCII.
    export_name: str
    #: Columns: fields of the model and methods of the admin. Never any part of a key.
    export_fields: tuple[str, ...]
    #: Number of rows in memory at a time.
    export_chunk = 2_000

    @admin.action(
        description=_("Export selected %(verbose_name_plural)s as CSV"), permissions=["view"]
    )
    def export(self, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        """Return the selected rows as a file, and log who exported them."""
        pks = few(queryset)
        self._log_export(request, pks)
        rows = in_pieces(self, queryset, pks, self.export_chunk)
        response = StreamingHttpResponse(
            sheets.lines(self._lines(rows, self.get_export_fields(request))),
            content_type="text/csv; charset=utf-8",
        )
        name = f"{self.export_name}-{here(timezone.now()).date()}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        response["X-Content-Type-Options"] = "nosniff"
        return response

    def get_export_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the columns of the file."""
        return self.export_fields

    def _lines(self, rows: Iterator[Any], names: tuple[str, ...]) -> Iterator[list[Any]]:
        headings = ((label_for_field(name, self.model, self), name) for name in names)
        yield [
            sheets.labelled(capfirst(str(label)), EXPORT_NAMES.get(name, name))
            for label, name in headings
        ]
        for row in rows:
            yield [self._cell(name, row) for name in names]

    def _cell(self, name: str, row: Any) -> Any:
        field, _attribute, value = lookup_field(name, row, self)
        if isinstance(value, datetime):
            return here(value).isoformat(timespec="seconds")
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if value == NOBODY:
            return ""  # In a spreadsheet, ``-`` would be a formula.
        choices = dict(getattr(field, "flatchoices", ()))
        return choices.get(value, value)

    def _log_export(self, request: HttpRequest, pks: list[Any] | None) -> None:
        kind = ContentType.objects.get_for_model(self.model, for_concrete_model=False)
        if pks is None:
            message = gettext("Exported more than %(limit)d rows as CSV.") % {"limit": LIMIT}
        else:
            count = len(pks)
            message = ngettext("Exported %d row as CSV.", "Exported %d rows as CSV.", count) % count
        # One log entry without a row: an export changes none of them.
        retrying(LogEntry.objects.create)(
            user=cast(Any, request.user),
            content_type=kind,
            object_repr=str(self.opts.verbose_name_plural)[:200],
            action_flag=CHANGE,
            change_message=message,
        )
