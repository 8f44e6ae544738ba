"""Manager of the addresses that accounts have proven."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from invitation.keys import unsubscribing
from invitation.models.managers.writer import WriterManager

if TYPE_CHECKING:
    from invitation.models import ProvenAddress


class ProvenAddressManager(WriterManager["ProvenAddress"]):
    """Manager that writes one row for each account and address, however often it is proven."""

    def add(self, user: Any, email: str) -> None:
        """Record that an account has proven an address; one statement, even if it had before."""
        known = unsubscribing.digests(email, unsubscribing.PROOF)[0]
        row = self.model(user=user, digest=known.digest, key_id=known.key_id)
        # If two processes write at once, the unique constraint decides, and the other one does
        # nothing.
        self.bulk_create([row], ignore_conflicts=True)

    def of_address(self, email: str) -> models.QuerySet[ProvenAddress]:
        """Return the proofs of an address by any account."""
        known = [digest.digest for digest in unsubscribing.digests(email, unsubscribing.PROOF)]
        return self.filter(digest__in=known)

    def of_others(self, user: Any, email: str) -> models.QuerySet[ProvenAddress]:
        """Return the account's proofs of other addresses than this one."""
        known = [digest.digest for digest in unsubscribing.digests(email, unsubscribing.PROOF)]
        return self.filter(user=user).exclude(digest__in=known)
