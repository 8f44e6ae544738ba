"""Registration with django-allauth: the gate in its adapters, and pages that claim the invitation.

A site names the adapters in ACCOUNT_ADAPTER and SOCIALACCOUNT_ADAPTER, and includes ``urls`` before
``allauth.urls``. A site with adapters of its own puts ``AccountAdapterMixin`` and
``SocialAccountAdapterMixin`` before their base classes.
"""

from invitation.backends.allauth.adapters import (
    AccountAdapter,
    AccountAdapterMixin,
    InvitationMixin,
    SocialAccountAdapter,
    SocialAccountAdapterMixin,
)
from invitation.backends.allauth.confirmations import verified_addresses

__all__ = [
    "AccountAdapter",
    "AccountAdapterMixin",
    "InvitationMixin",
    "SocialAccountAdapter",
    "SocialAccountAdapterMixin",
    "verified_addresses",
]
