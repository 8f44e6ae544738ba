"""Functions and mixins that the admin pages share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext

from invitation import addresses
from invitation.flows.after_commit import retrying, writing
from invitation.gate import repeat_visit
from invitation.gate.atomic_requests import answering, own_transactions
from invitation.models import InvitationKey

if TYPE_CHECKING:
    # Generic for the type checker only: Django's own classes take no parameters at run time.
    AnyAdmin = admin.ModelAdmin[Any]
    AnyInline = admin.TabularInline[Any, Any]
    Base = AnyAdmin
else:
    AnyAdmin = admin.ModelAdmin
    AnyInline = admin.TabularInline
    Base = object

#: Text shown where there is no name or address.
NOBODY = "-"


def account_fields() -> list[str]:
    """Return the fields that name an account: login name, and email address if it has one."""
    model: Any = get_user_model()
    names = [model.USERNAME_FIELD]
    with suppress(FieldDoesNotExist):  # The model may lack this field.
        names.append(model._meta.get_field(model.get_email_field_name()).name)
    return list(dict.fromkeys(names))


def user_search_fields(relation: str) -> list[str]:
    """Return the fields to search a related user by."""
    return [f"{relation}__{name}" for name in account_fields()]


def may_see(site: admin.AdminSite, model: Any, request: HttpRequest) -> bool:
    """Return whether this admin has pages for the model that the reader may view."""
    shown = site._registry.get(model)
    return shown is not None and shown.has_view_permission(request)


def list_of(site: admin.AdminSite, model: Any) -> str:
    """Return the URL of a model's list in this admin."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return reverse(name, current_app=site.name)


def page_of(site: admin.AdminSite, row: Any) -> str:
    """Return the URL of a row's page in this admin."""
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[quote(row.pk)], current_app=site.name)


def tree_of(site: admin.AdminSite, account: Any) -> str:
    """Return the URL of an account's tree page: who invited it, and whom it invited."""
    name = "admin:invitation_acceptance_tree"
    return reverse(name, args=[quote(account.pk)], current_app=site.name)


def tree_link(site: admin.AdminSite, account: Any, name: str = "") -> str:
    """Return a link to an account's tree page, with ``name`` or the account's own name.

    Without an account, return ``NOBODY``.
    """
    if account is None:
        return NOBODY
    return format_html('<a href="{}">{}</a>', tree_of(site, account), name or account)


def inviter_name(invitation: InvitationKey) -> str:
    """Return the name of the inviter: that of the account, or "the site"."""
    return gettext("the site") if invitation.from_site else str(invitation.from_user or NOBODY)


def inviter_link(site: admin.AdminSite, invitation: InvitationKey, name: str = "") -> str:
    """Return the inviter as a link to their tree page, with ``name`` or the account's own name."""
    if invitation.from_site:
        return inviter_name(invitation)
    return tree_link(site, invitation.from_user, name)


def name_of(invitation: InvitationKey) -> str:
    """Return the name of an invitation for staff: its address, or its shared link's label."""
    if invitation.forgotten_at is not None:
        return gettext("(forgotten)")
    if not invitation.shared:
        return addresses.display(invitation.email) or NOBODY
    if not invitation.label:
        return gettext("shared link")
    return gettext("%(label)s (shared link)") % {"label": invitation.label}


def here(moment: datetime) -> datetime:
    """Return a moment in the time zone that the admin shows."""
    return timezone.make_aware(moment) if timezone.is_naive(moment) else timezone.localtime(moment)


def day(moment: datetime) -> str:
    """Return the date of a moment in the reader's language, for a narrow column."""
    return formats.date_format(here(moment), "DATE_FORMAT")


class TransactionsMixin(Base):
    """Admin in which each step of an action is a transaction, even with ATOMIC_REQUESTS."""

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs, with views that Django does not wrap in a transaction."""
        urls = super().get_urls()
        for url in urls:
            url.callback = answering(own_transactions(url.callback))
        return urls

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show or change a row. A POST request begins a transaction for writing."""
        return _writing(request, partial(super().changeform_view, request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Confirm or delete a row. A POST request begins a transaction for writing."""
        return _writing(request, partial(super().delete_view, request, *args, **kwargs))

    def log_change(self, *args: Any, **kwargs: Any) -> Any:
        """Note a change in the admin's own log, when the turn to write has come."""
        return retrying(super().log_change)(*args, **kwargs)


def _writing(request: HttpRequest, view: Callable[[], Any]) -> Any:
    """Return the answer of a view of Django; for a POST request, in a transaction for writing."""
    if request.method != "POST":
        return view()

    def attempt() -> Any:
        with writing():
            return view()

    return repeat_visit(request, attempt)


class LookMixin(TransactionsMixin):
    """Admin with a style sheet for narrow windows: long dates and addresses wrap."""

    class Media:
        """Style sheet of the pages."""

        css = {"all": ("invitation/admin.css",)}


class BesideMixin(Base):
    """Admin whose list has buttons that lead to other pages."""

    #: Text of the button that leads to the form for a new row; empty for Django's own.
    add_title: str | Promise = ""

    def pages_beside(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return the URLs and titles of the pages that the list leads to."""
        return []

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list with its buttons."""
        more = {"pages_beside": self.pages_beside(request), "add_title": self.add_title}
        return super().changelist_view(request, {**more, **(extra_context or {})})


class BelowMixin(Base):
    """Admin whose pages are reached from those of another model.

    They are in the index only for readers who may not see the other model.
    """

    above: Any

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the index shows the model."""
        above = may_see(self.admin_site, self.above, request)
        return not above and super().has_module_permission(request)


class ReadOnlyMixin:
    """Admin of rows that staff can view but not change."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: the app itself makes these rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: these rows record what has happened."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: these rows are deleted with their invitation."""
        return False


class WithMemberMixin:
    """Admin of rows that are deleted only together with their member.

    Django's admin asks for this permission also when it deletes an account with its related rows.
    """

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the request is for another model's page, such as the member's."""
        here: Any = self
        pages = f"{here.opts.app_label}_{here.opts.model_name}_"
        match = request.resolver_match
        return obj is not None and not (match and (match.url_name or "").startswith(pages))
