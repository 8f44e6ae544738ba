"""What differs with the app that signs people up: see HOST in the settings."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings


def host() -> Any:
    """Return the module of the present app."""
    return import_module(f"seedlibrary.hosts.{settings.HOST}")
