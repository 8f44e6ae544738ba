"""Registration with django-allauth: the gate in its adapters, and pages that claim the invitation.

A site names the adapters in ACCOUNT_ADAPTER and SOCIALACCOUNT_ADAPTER, and includes ``urls`` before
``allauth.urls``. A site with adapters of its own puts ``InvitationMixin`` before their base class.
"""

from invitation.backends.allauth.adapters import (
    AccountAdapter,
    InvitationMixin,
    SocialAccountAdapter,
)
from invitation.backends.allauth.confirmations import verified_addresses

__all__ = ["AccountAdapter", "InvitationMixin", "SocialAccountAdapter", "verified_addresses"]
