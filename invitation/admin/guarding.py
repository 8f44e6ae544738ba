"""Show of another model's rows only what the reader may see of that model."""

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

#: Whose rows a column or a search shows.
ACCOUNT = "account"
INVITATION = "invitation"
GROUP = "group"
ENTRY = "entry"

#: What stands for a column that is left out.
NOTHING = ""


def may_read(site: admin.AdminSite, model: Any, request: HttpRequest) -> bool:
    """Tell whether the reader may see the rows of a model, on a page of this admin or by right.

    A site may keep a model, such as its own user model, out of its admin: then the permissions of
    that model decide.
    """
    shown = site._registry.get(model)
    if shown is not None:
        return bool(shown.has_view_permission(request))
    reader: Any = request.user
    names = [get_permission_codename(verb, model._meta) for verb in ("view", "change")]
    return any(reader.has_perm(f"{model._meta.app_label}.{name}") for name in names)


def readable(site: admin.AdminSite, request: HttpRequest) -> set[str]:
    """Return whose rows the reader may see."""
    models = {
        ACCOUNT: get_user_model(),
        INVITATION: InvitationKey,
        GROUP: Group,
        ENTRY: QuotaEntry,
    }
    return {whose for whose, model in models.items() if may_read(site, model, request)}


def number_of(row: Any) -> str:
    """Return what stands for a row whose name the reader may not see."""
    return NOBODY if row is None else f"#{row.pk}"


class GuardedMixin(Base):
    """Put numbers in place of the names of accounts and invitations that are not for the reader.

    Columns, fields, exports and searches go by the same table, so that no page tells more than
    another. Without names, there is no sorting and no searching by names either.
    """

    #: Of each guarded column: whose rows it shows, and which column stands in its place.
    guarded: ClassVar[dict[str, tuple[tuple[str, ...], str]]] = {}
    #: Of each guarded relation: whose rows a search through it finds.
    guarded_searches: ClassVar[dict[str, str]] = {}

    if TYPE_CHECKING:
        export_fields: tuple[str, ...]

    def shown(self, request: HttpRequest, names: Iterable[Any]) -> list[Any]:
        """Return these columns as the reader may see them."""
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
        """Return the fields of a row's page, as far as the reader may see them."""
        fields = super().get_fields(request, obj)
        return fields if obj is None else self.shown(request, fields)

    def get_export_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the columns of the file, as far as the reader may see them."""
        return tuple(self.shown(request, self.export_fields))
