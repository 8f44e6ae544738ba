"""Old authentication backend, which logs nobody in."""

from __future__ import annotations

from django.contrib.auth.backends import BaseBackend


class LazySignupBackend(BaseBackend):
    """Name of lazysignup's backend, for settings that still list it; a check asks to remove it.

    The old one logged anybody in who knew a name. This one has what Django's base class does: its
    ``authenticate`` returns nobody.
    """
