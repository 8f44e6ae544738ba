"""Hold what the pages of the admin have in common."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest
from django.urls import URLPattern, reverse
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.translation import gettext

from invitation import addresses
from invitation.flows.deadlocks import writing
from invitation.models import InvitationKey
from invitation.transactions import own_transactions

if TYPE_CHECKING:
    # Generic for the type checker only: Django's own classes take no parameters.
    AnyAdmin = admin.ModelAdmin[Any]
    AnyInline = admin.TabularInline[Any, Any]
    Base = AnyAdmin
else:
    AnyAdmin = admin.ModelAdmin
    AnyInline = admin.TabularInline
    Base = object

#: What stands where there is no name or address.
NOBODY = "-"


def user_search_fields(relation: str) -> list[str]:
    """Return where to search for a user behind this relation: login name and e-mail address."""
    model: Any = get_user_model()
    names = [model.USERNAME_FIELD]
    with suppress(FieldDoesNotExist):  # Django calls it "email" without looking.
        names.append(model._meta.get_field(model.get_email_field_name()).name)
    return [f"{relation}__{name}" for name in dict.fromkeys(names)]


def may_see(site: admin.AdminSite, model: Any, request: HttpRequest) -> bool:
    """Tell whether this admin shows these rows at all, and to whom it is who asks."""
    shown = site._registry.get(model)
    return shown is not None and shown.has_view_permission(request)


def page_of(site: admin.AdminSite, row: Any) -> str:
    """Return the address of a row's page in this admin."""
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[quote(row.pk)], current_app=site.name)


def tree_of(site: admin.AdminSite, account: Any) -> str:
    """Return the address of the page that says who invited an account, and whom it invited."""
    name = "admin:invitation_acceptance_tree"
    return reverse(name, args=[quote(account.pk)], current_app=site.name)


def tree_link(site: admin.AdminSite, account: Any, name: str = "") -> str:
    """Return an account's name, or what stands for it, as a link to that page."""
    if account is None:
        return NOBODY
    return format_html('<a href="{}">{}</a>', tree_of(site, account), name or account)


def name_of(invitation: InvitationKey) -> str:
    """Return what staff know an invitation by: its address, or the label of a shared link."""
    if invitation.forgotten_at is not None:
        return gettext("(forgotten)")
    if not invitation.shared:
        return addresses.display(invitation.email) or NOBODY
    if not invitation.label:
        return gettext("shared link")
    return gettext("%(label)s (shared link)") % {"label": invitation.label}


def here(moment: datetime) -> datetime:
    """Return a moment with the time zone in which the admin shows it."""
    return timezone.make_aware(moment) if timezone.is_naive(moment) else timezone.localtime(moment)


def day(moment: datetime) -> str:
    """Return the day of a moment in the reader's language, for a column that has little room."""
    return formats.date_format(here(moment), "DATE_FORMAT")


class TransactionsMixin(Base):
    """Let each step of an action be a transaction of its own, also where ATOMIC_REQUESTS is on."""

    def get_urls(self) -> list[URLPattern]:
        """Return the pages of a model, around which Django puts no transaction."""
        urls = super().get_urls()
        for url in urls:
            own_transactions(url.callback)
        return urls

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show a row or change it; who is to write begins so."""
        with _writing(request):
            return super().changeform_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Ask whether to delete a row, or do so; who is to write begins so."""
        with _writing(request):
            return super().delete_view(request, *args, **kwargs)


def _writing(request: HttpRequest) -> AbstractContextManager[None]:
    return writing() if request.method == "POST" else nullcontext()


class LookMixin(TransactionsMixin):
    """Let a list be as narrow as its window: dates and addresses are broken where they must."""

    class Media:
        """Name the style sheet."""

        css = {"all": ("invitation/admin.css",)}


class ReadOnlyMixin:
    """Let staff look at rows, and change none."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: these rows are made by what happens."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: these rows say what has happened."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: these rows go with their invitation."""
        return False


class WithMemberMixin:
    """Let rows be deleted with their member, and in no other way.

    Django's admin asks this also for what goes with an account that is deleted.
    """

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether this is somebody else's page, where the row goes with its member."""
        here: Any = self
        pages = f"{here.opts.app_label}_{here.opts.model_name}_"
        match = request.resolver_match
        return obj is not None and not (match and (match.url_name or "").startswith(pages))
