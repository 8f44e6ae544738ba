"""Keep the addresses that get no more invitations."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db import connections, models, router
from django.db.models.expressions import RawSQL

if TYPE_CHECKING:
    from invitation.models import SuppressedAddress


class SuppressedAddressManager(models.Manager["SuppressedAddress"]):
    """Write one row for each address, however often it is suppressed."""

    def known(self, digests: Collection[str]) -> models.QuerySet[SuppressedAddress]:
        """Keep the row of one address, which any of these may stand for."""
        return self.filter(digest__in=digests)

    def is_known(self, digests: Collection[str]) -> RawSQL:
        """Return the condition that one of these is there, for ``annotate``; some are needed.

        Written by hand, since it is asked with each mail that is sent: putting the same thing
        together from ``Exists`` takes longer than asking it.
        """
        quote = connections[router.db_for_read(self.model)].ops.quote_name
        table, column = map(quote, (self.model._meta.db_table, "digest"))
        places = ", ".join(["%s"] * len(digests))
        # Of the text, only the names of a table and a column vary; the digests are parameters.
        sql = f"EXISTS(SELECT 1 FROM {table} WHERE {column} IN ({places}))"  # noqa: S608
        return RawSQL(sql, tuple(digests), models.BooleanField())  # noqa: S611

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
