"""Change one row at a time, atomically.

Every change of state or of a counter is one conditional ``UPDATE``: the database, not a
read-then-write, decides who was first, and the number of changed rows tells whether it was us.
That holds on SQLite, PostgreSQL, MariaDB and MySQL alike and needs no lock that one of them
ignores. Deciding, sequencing and signals are the business of ``flows``.
"""

from __future__ import annotations

from invitation.managers.batches import insert, insert_or_update, values_at_once
from invitation.managers.invitations import AcceptanceManager, InvitationKeyManager
from invitation.managers.limits import MailCounterManager
from invitation.managers.mails import DeliveryPauseManager, InvitationEmailManager
from invitation.managers.proofs import ProvenAddressManager
from invitation.managers.quotas import (
    Held,
    InvitationQuotaManager,
    QuotaEntryManager,
    ThrottleCounterManager,
)
from invitation.managers.suppressions import SuppressedAddressManager

__all__ = [
    "AcceptanceManager",
    "DeliveryPauseManager",
    "Held",
    "InvitationEmailManager",
    "InvitationKeyManager",
    "InvitationQuotaManager",
    "MailCounterManager",
    "ProvenAddressManager",
    "QuotaEntryManager",
    "SuppressedAddressManager",
    "ThrottleCounterManager",
    "insert",
    "insert_or_update",
    "values_at_once",
]
