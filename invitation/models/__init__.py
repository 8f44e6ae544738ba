"""Models of the app: invitations, acceptances, quotas and emails.

No row contains a secret. Inviting creates no user row. The schema does not depend on any setting.
"""

from __future__ import annotations

from invitation.models.invitations import Acceptance, InvitationKey, make_slot
from invitation.models.mails import (
    DeliveryPause,
    InvitationEmail,
    MailCounter,
    SuppressedAddress,
)
from invitation.models.proofs import ProvenAddress
from invitation.models.quotas import InvitationQuota, QuotaEntry, ThrottleCounter

__all__ = [
    "Acceptance",
    "DeliveryPause",
    "InvitationEmail",
    "InvitationKey",
    "InvitationQuota",
    "MailCounter",
    "ProvenAddress",
    "QuotaEntry",
    "SuppressedAddress",
    "ThrottleCounter",
    "make_slot",
]
