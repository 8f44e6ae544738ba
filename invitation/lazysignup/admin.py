"""Guests in the admin."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from invitation.lazysignup.exceptions import NotLazyError
from invitation.lazysignup.forms import FIELDS
from invitation.lazysignup.models import LazyUser


@admin.register(LazyUser)
class LazyUserAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """List of guests. Nobody adds one, and nobody changes one."""

    list_display = ["user", "created", "last_seen", "expires"]
    list_select_related = ["user"]
    search_fields = [f"user__{name}" for name in FIELDS]
    ordering = ["-last_seen"]
    actions = ["convert", "delete_expired"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return ``False``: only visitors become guests."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False`` for a guest, and let the list be seen."""
        return obj is None and super().has_change_permission(request)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return the accounts of guests and what hangs on them: that is what is deleted.

        Who may delete guests needs no other permission for it.
        """
        accounts = [row.user for row in objs]
        shown, numbers, _missing, protected = super().get_deleted_objects(accounts, request)
        return shown, numbers, set(), protected

    def delete_model(self, request: HttpRequest, obj: LazyUser) -> None:
        """Delete the account of a guest: nothing would tell it from that of a member."""
        obj.user.delete()

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Delete the accounts of guests."""
        for row in queryset.select_related("user"):
            row.user.delete()

    @admin.display(description=_("expires"))
    def expires(self, obj: LazyUser) -> Any:
        """Return when the guest expires."""
        return obj.expires

    @admin.action(
        description=_("Make regular users of the selected guests"), permissions=["change"]
    )
    def convert(self, request: HttpRequest, queryset: Any) -> None:
        """Make regular users of guests, for example after staff has set a password."""
        number = 0
        for row in queryset.select_related("user"):
            with suppress(NotLazyError):  # A guest may sign up, or expire, at this moment.
                LazyUser.objects.convert_account(row.user)
                number += 1
        text = ngettext("%d guest converted.", "%d guests converted.", number)
        self.message_user(request, text % number, messages.SUCCESS)

    @admin.action(description=_("Delete all expired guests"), permissions=["delete"])
    def delete_expired(self, request: HttpRequest, queryset: Any) -> None:
        """Delete all guests that have expired, selected or not."""
        number = LazyUser.objects.delete_expired()
        text = ngettext("%d guest deleted.", "%d guests deleted.", number)
        self.message_user(request, text % number, messages.SUCCESS)
