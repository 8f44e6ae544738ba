"""Mixin that hides related rows which the reader has no permission to view."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.contrib.auth import get_permission_codename, get_user_model
from django.contrib.auth.models import Group
from django.http import HttpRequest

from invitation.admin.base import NOBODY, AnyAdmin
from invitation.models import InvitationKey, QuotaEntry

if TYPE_CHECKING:
    Base = AnyAdmin
else:
    Base = object

#: Models whose rows a column or a search shows.
ACCOUNT = "account"
INVITATION = "invitation"
GROUP = "group"
ENTRY = "entry"

#: Replacement for a column that is left out.
NOTHING = ""


def may_read(site: admin.AdminSite, model: Any, request: HttpRequest) -> bool:
    """Return whether the reader may see the rows of a model.

    If the model is in this admin, its page there decides. A site may leave a model out of its
    admin, such as its own user model. Then the view and change permissions of the model decide.
    """
    shown = site._registry.get(model)
    if shown is not None:
        return bool(shown.has_view_permission(request))
    reader: Any = request.user
    names = [get_permission_codename(verb, model._meta) for verb in ("view", "change")]
    return any(reader.has_perm(f"{model._meta.app_label}.{name}") for name in names)


def readable(site: admin.AdminSite, request: HttpRequest) -> set[str]:
    """Return the models whose rows the reader may see, as ``ACCOUNT`` and so on."""
    models = {
        ACCOUNT: get_user_model(),
        INVITATION: InvitationKey,
        GROUP: Group,
        ENTRY: QuotaEntry,
    }
    return {whose for whose, model in models.items() if may_read(site, model, request)}


def number_of(row: Any) -> str:
    """Return the number of a row, for a reader who may not see its name."""
    return NOBODY if row is None else f"#{row.pk}"


class GuardedMixin(Base):
    """Admin that shows numbers instead of names that the reader may not see.

    The names are those of accounts, invitations and groups. Columns, fields, exports and searches
    use the same table, so no page shows more than another. The reader can also not sort or search
    by hidden names.
    """

    #: For each guarded column: the models that it shows, and the column that replaces it.
    guarded: ClassVar[dict[str, tuple[tuple[str, ...], str]]] = {}
    #: For each guarded relation: the model that a search through it finds.
    guarded_searches: ClassVar[dict[str, str]] = {}

    if TYPE_CHECKING:
        export_fields: tuple[str, ...]

    def shown(self, request: HttpRequest, names: Iterable[Any]) -> list[Any]:
        """Return these columns, each one replaced or left out if the reader may not see it."""
        seen = readable(self.admin_site, request)
        found = []
        for name in names:
            whose, instead = self.guarded.get(name, ((), NOTHING))
            shown = name if seen.issuperset(whose) else instead
            if shown:
                found.append(shown)
        return found

    def searchable(self, request: HttpRequest, names: Iterable[str]) -> list[str]:
        """Return these fields without those that the reader may not search."""
        seen = readable(self.admin_site, request)
        hidden = tuple(
            f"{relation}__"
            for relation, whose in self.guarded_searches.items()
            if whose not in seen
        )
        return [name for name in names if not name.startswith(hidden)]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields of a row's page that the reader may see."""
        fields = super().get_fields(request, obj)
        return fields if obj is None else self.shown(request, fields)

    def get_export_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the columns of the exported file that the reader may see."""
        return tuple(self.shown(request, self.export_fields))
