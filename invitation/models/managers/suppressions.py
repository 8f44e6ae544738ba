"""Manager of the addresses that get no more invitations."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db import models

from invitation.models.managers.writer import WriterManager

if TYPE_CHECKING:
    from invitation.models import SuppressedAddress


class SuppressedAddressManager(WriterManager["SuppressedAddress"]):
    """Manager that writes one row for each address, however often it is suppressed."""

    def known(self, digests: Collection[bytes]) -> models.QuerySet[SuppressedAddress]:
        """Return the rows of one address, which any of these digests may stand for."""
        return self.filter(digest__in=digests)

    def reason(self, digests: Collection[bytes]) -> str | None:
        """Return why this address gets no invitations, or ``None``; one query.

        There may be two rows, one written by a link and one with a newer key. The wish of the owner
        then counts more than a bounce.
        """
        found = sorted(
            self.known(digests).values_list("reason", flat=True),
            key=lambda reason: reason == self.model.Reason.BOUNCED,
        )
        return found[0] if found else None

    def outrank(self, digests: Collection[bytes], reason: str) -> bool:
        """Replace a bounce by another reason; return whether there was a bounce.

        A bounce says nothing of what the address's owner wants.
        """
        bounced = self.model.Reason.BOUNCED
        return bool(self.known(digests).filter(reason=bounced).update(reason=reason))
