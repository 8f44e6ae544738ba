from __future__ import annotations

from django.apps import AppConfig


class FloorConfig(AppConfig):
    """Name the app and say which primary keys it has."""

    name = "tests.bench.floor"
    label = "bench_floor"
    default_auto_field = "django.db.models.BigAutoField"
