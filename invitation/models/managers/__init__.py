"""Managers that change rows atomically.

Each change of a state or a counter is one conditional ``UPDATE``. So the database decides who was
first, not a read followed by a write. The number of changed rows tells whether this process was
first. That works the same on SQLite, PostgreSQL, MariaDB and MySQL. It needs no lock that one of
them ignores. Decisions, the order of steps and signals belong to ``flows``.
"""

from __future__ import annotations

from invitation.models.managers.batches import (
    insert,
    insert_like,
    insert_or_update,
    values_at_once,
)
from invitation.models.managers.invitations import AcceptanceManager, InvitationKeyManager
from invitation.models.managers.limits import MailCounterManager
from invitation.models.managers.mails import InvitationEmailManager
from invitation.models.managers.pauses import DeliveryPauseManager
from invitation.models.managers.proofs import ProvenAddressManager
from invitation.models.managers.quotas import (
    InvitationQuotaManager,
    QuotaEntryManager,
    ThrottleCounterManager,
)
from invitation.models.managers.refunds import Held
from invitation.models.managers.suppressions import SuppressedAddressManager
from invitation.models.managers.writer import WriterManager, from_writer
from invitation.models.statements import write_new

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
    "WriterManager",
    "from_writer",
    "insert",
    "insert_like",
    "insert_or_update",
    "values_at_once",
    "write_new",
]
