"""Show invitations, quotas, mails and acceptances to staff; act through ``flows``.

Nothing here shows a key or a whole locator: ``key_hint`` is all that staff need to tell two
invitations apart. Counters and states are never written here, only what people have typed, so
that a page that somebody left open overwrites nothing that has happened in the meantime.
"""

from __future__ import annotations

from invitation.admin.invitations import InvitationKeyAdmin
from invitation.admin.ledger import QuotaEntryAdmin
from invitation.admin.mails import DeliveryPauseAdmin, InvitationEmailAdmin
from invitation.admin.quotas import InvitationQuotaAdmin
from invitation.admin.records import AcceptanceAdmin
from invitation.admin.suppressions import SuppressedAddressAdmin
from invitation.admin.trees import InvitationTreeMixin

__all__ = [
    "AcceptanceAdmin",
    "DeliveryPauseAdmin",
    "InvitationEmailAdmin",
    "InvitationKeyAdmin",
    "InvitationQuotaAdmin",
    "InvitationTreeMixin",
    "QuotaEntryAdmin",
    "SuppressedAddressAdmin",
]
