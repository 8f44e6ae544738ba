"""Reading rows where they are written, and not from a replica."""

from __future__ import annotations

from typing import TypeVar

from django.db import models, router

Row = TypeVar("Row", bound=models.Model)


def from_writer(rows: models.QuerySet[Row]) -> models.QuerySet[Row]:
    """Return these rows, to be read from the database for writes: a write depends on them."""
    return rows.using(router.db_for_write(rows.model))


class WriterManager(models.Manager[Row]):
    """Manager that reads from the database that the router chooses for writes.

    A replica lags behind. What it says of a quota, a limit or a state may be old, and a row that
    was just written may be missing. ``using`` chooses another database. A subquery runs on the
    database of its outer query.
    """

    @property
    def db(self) -> str:
        """Alias of the database."""
        return self._db or router.db_for_write(self.model, **vars(self)["_hints"])

    def get_queryset(self) -> models.QuerySet[Row]:
        """Return all rows, to be read from the database for writes."""
        rows = super().get_queryset()
        vars(rows)["_for_write"] = True
        return rows
