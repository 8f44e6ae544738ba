"""Admin pages for invitations, quotas, emails and acceptances.

The pages act through ``flows``.

No page shows a key or a whole locator. Staff tell two invitations apart by ``key_hint``.

The pages write only what people have typed, never counters or states. So a page that stayed open
does not overwrite what has happened since.
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
