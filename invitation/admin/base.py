"""Hold what the pages of the admin have in common."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest

if TYPE_CHECKING:
    # Generic for the type checker only: Django's own classes take no parameters.
    AnyAdmin = admin.ModelAdmin[Any]
    AnyInline = admin.TabularInline[Any, Any]
else:
    AnyAdmin = admin.ModelAdmin
    AnyInline = admin.TabularInline

#: What stands where there is no name or address.
NOBODY = "-"


def user_search_fields(relation: str) -> list[str]:
    """Return where to search for a user behind this relation: login name and e-mail address."""
    model: Any = get_user_model()
    names = [model.USERNAME_FIELD]
    with suppress(FieldDoesNotExist):  # Django calls it "email" without looking.
        names.append(model._meta.get_field(model.get_email_field_name()).name)
    return [f"{relation}__{name}" for name in dict.fromkeys(names)]


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
