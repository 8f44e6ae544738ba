"""Keep the addresses that get no more invitations."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from invitation.models import SuppressedAddress


class SuppressedAddressManager(models.Manager["SuppressedAddress"]):
    """Write one row for each address, however often it is suppressed."""

    def known(self, digests: Collection[str]) -> models.QuerySet[SuppressedAddress]:
        """Keep the row of one address, which any of these may stand for."""
        return self.filter(digest__in=digests)

    def reason(self, digests: Collection[str]) -> str | None:
        """Return why this address gets no invitations, or ``None``; one query.

        There may be two rows where one was written by a link and the other with a newer key: what
        its owner wants counts more than what his mail server does.
        """
        found = sorted(
            self.known(digests).values_list("reason", flat=True),
            key=lambda reason: reason == self.model.Reason.BOUNCED,
        )
        return found[0] if found else None

    def outrank(self, digests: Collection[str], reason: str) -> bool:
        """Put another reason in place of a bounce, which says nothing of what its owner wants."""
        bounced = self.model.Reason.BOUNCED
        return bool(self.known(digests).filter(reason=bounced).update(reason=reason))
