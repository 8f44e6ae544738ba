"""Manager of the addresses that get no more invitations."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db import connections, models, router
from django.db.models.expressions import RawSQL

from invitation.models.managers.writer import WriterManager

if TYPE_CHECKING:
    from invitation.models import SuppressedAddress


class SuppressedAddressManager(WriterManager["SuppressedAddress"]):
    """Manager that writes one row for each address, however often it is suppressed."""

    def known(self, digests: Collection[bytes]) -> models.QuerySet[SuppressedAddress]:
        """Return the rows of one address, which any of these digests may stand for."""
        return self.filter(digest__in=digests)

    def is_known(self, digests: Collection[bytes]) -> RawSQL:
        """Return the condition, for ``annotate``, that one of these digests has a row.

        Pass at least one digest. The SQL is written by hand, because each email that is sent needs
        it. Building it from ``Exists`` takes longer than running it.
        """
        quote = connections[router.db_for_write(self.model)].ops.quote_name
        table, column = map(quote, (self.model._meta.db_table, "digest"))
        places = ", ".join(["%s"] * len(digests))
        # Only the names of a table and a column vary in the text; the digests are parameters.
        sql = f"EXISTS(SELECT 1 FROM {table} WHERE {column} IN ({places}))"  # noqa: S608
        return RawSQL(sql, tuple(digests), models.BooleanField())  # noqa: S611

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
