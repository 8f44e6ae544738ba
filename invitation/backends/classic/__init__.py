"""Registration backend classes: the API of django-registration 0.8, and the gate for it.

This package is for sites that have such classes. ``views.register`` and ``views.activate`` take the
dotted path of one. ``InvitationBackend`` wraps any of them, so that only the holder of a valid
invitation key registers.
"""

from invitation.backends.classic.base import (
    AccountBackend,
    Redirect,
    RegistrationBackend,
    get_backend,
)
from invitation.backends.classic.default import DefaultBackend
from invitation.backends.classic.invitation import InvitationBackend
from invitation.backends.classic.simple import SimpleBackend

__all__ = [
    "AccountBackend",
    "DefaultBackend",
    "InvitationBackend",
    "Redirect",
    "RegistrationBackend",
    "SimpleBackend",
    "get_backend",
]
