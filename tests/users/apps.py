from __future__ import annotations

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """Name the app and say which primary keys it has."""

    name = "tests.users"
    label = "users"
    default_auto_field = "django.db.models.BigAutoField"
