"""Old authentication backend, which logs nobody in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend


class LazySignupBackend(BaseBackend):
    """Name of lazysignup's backend, for settings that still list it; a check asks to remove it.

    The old one logged anybody in who knew a name.
    """

    def authenticate(self, request: Any, **credentials: Any) -> None:
        """Log nobody in."""
        return
