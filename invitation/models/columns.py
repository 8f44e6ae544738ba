"""Kinds of columns and indexes that are small on each database.

Django's own make more than this app needs: see "Sizes" in docs/explanation/performance.rst.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    BinaryColumn = models.BinaryField[Any, Any]
else:
    BinaryColumn = models.BinaryField


class DigestField(BinaryColumn):
    """Column for a hash of ``max_length`` bytes, which every database can index.

    Django's own binary column is a LONGBLOB on MySQL and MariaDB. They index only a part of it.
    """

    def db_type(self, connection: Any) -> str:
        """Return the type of the column."""
        if connection.vendor == "mysql":
            return f"varbinary({self.max_length})"
        return str(super().db_type(connection))

    def from_db_value(self, value: Any, *_args: Any) -> bytes | None:
        """Return bytes. Some drivers return a ``memoryview``."""
        return None if value is None else bytes(value)


def has_partial_indexes(connection: Any) -> bool:
    """Return whether an index may leave out rows, and the planner knows when it may use it.

    SQLite has such indexes, but plans a query before it knows the query's parameters.
    """
    return bool(connection.vendor == "postgresql")


class SparseIndex(models.Index):
    """Index of the few rows that meet a condition; an index of all rows where that is not possible.

    ``whole`` has the columns of the index of all rows, so that those of the condition come first.
    """

    def __init__(
        self, *, fields: Sequence[str], where: models.Q, whole: Sequence[str], name: str
    ) -> None:
        # ``condition`` stays unset: Django warns of it on MySQL, where it would be left out.
        super().__init__(fields=list(fields), name=name)
        self.where, self.whole = where, list(whole)

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **kwargs: Any) -> Any:
        """Return the statement that makes the index that this database can have."""
        if has_partial_indexes(schema_editor.connection):
            index = models.Index(fields=self.fields, condition=self.where, name=self.name)
        else:
            index = models.Index(fields=self.whole, name=self.name)
        return index.create_sql(model, schema_editor, using, **kwargs)

    def deconstruct(self) -> Any:
        """Return how to make this index again, for migrations."""
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "where": self.where, "whole": self.whole}


class UniqueUnlessNull(models.UniqueConstraint):
    """Unique constraint whose last column is mostly null.

    Every database allows several nulls. So leaving them out of the index changes only its size.
    """

    def _get_condition_sql(self, model: Any, schema_editor: Any) -> str | None:
        if not has_partial_indexes(schema_editor.connection):
            return None
        column = model._meta.get_field(self.fields[-1]).column
        return f"{schema_editor.quote_name(column)} IS NOT NULL"
