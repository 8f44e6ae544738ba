"""Statements that are built once and run on every request.

Django builds the SQL of a queryset anew each time it is used. For a query of one row, that takes
several times as long as the database does. Here Django builds it once for each database. Later runs
only fill in their values::

    def _by_locator(rows, locator):
        return rows.select_related("from_user").filter(locator=locator)

    BY_LOCATOR = Select(_by_locator, locator=models.CharField())
    row = BY_LOCATOR.first(manager, locator="…")

    def _count_use(rows, pk):
        return rows.filter(pk=pk), {"uses": F("uses") + 1}

    COUNT_USE = Update(_count_use, pk=models.BigIntegerField())
    changed = COUNT_USE.run(manager, pk=7)

    write_new(InvitationKey(from_user=user))  # as save(force_insert=True)

The function gets all rows of the manager's model and a ``Parameter`` for each value. It may use a
parameter in a filter, in an expression, or as a new value of a column. The field of a parameter
converts the values, as it does in a queryset. Some rules follow:

- A value in a filter is never ``None``, because the SQL would be another one.
- What else the SQL depends on, such as a setting, is an option. There is one statement for each
  value of it: ``COUNT_USE.run(manager, conf.SOME_SETTING, pk=7)`` calls ``_count_use(rows,
  some_setting, pk=…)``.
- A list of any length cannot be a value.
- Filters of a related manager do not apply. Its database and its router hints do.

The manager must be a ``WriterManager``: reads and writes ask the database for writes. Statements
run through the cursor of Django's connection. So routers, transactions, the query log,
``assertNumQueries`` and execute wrappers work as with a queryset. ``tests/models/test_statements``
compares each statement with its queryset on every database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections, models, router, transaction
from django.db.models.expressions import DatabaseDefault, Value
from django.db.models.query import ModelIterable
from django.db.models.signals import post_save, pre_save
from django.db.models.sql import InsertQuery, UpdateQuery

if TYPE_CHECKING:
    AnyField = models.Field[Any, Any]
else:
    AnyField = models.Field

Build: TypeAlias = Callable[..., Any]
Compiled = TypeVar("Compiled", bound="_Compiled")


class Parameter(Value):
    """Place in a statement for a value that each run gives."""

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return a placeholder, and this object in place of the value."""
        field: Any = self.output_field
        if hasattr(field, "get_placeholder"):
            return field.get_placeholder(b"", compiler, connection), [self]
        return "%s", [self]


class MemberField(AnyField):
    """Field of the primary key of a member, which may be of any kind."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Return the key in the form of the database."""
        return get_user_model()._meta.pk.get_db_prep_value(value, connection, prepared)


class _Compiled:
    """SQL of one statement for one database, with its values and places for values."""

    def __init__(self, sql: str, params: Sequence[Any]) -> None:
        self.sql = sql
        self.params = tuple(params)

    def filled_in(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the parameters of one run, from values in the form of the database."""
        return [values[one.value] if type(one) is Parameter else one for one in self.params]


class _Statement(ABC, Generic[Compiled]):
    """Statement that is built once for each database and each value of its options."""

    def __init__(self, build: Build, **fields: models.Field[Any, Any]) -> None:
        self.build = build
        self.fields = fields
        self._compiled: dict[tuple[Any, ...], Compiled] = {}

    def _on(
        self, manager: models.Manager[Any], using: str, options: tuple[Any, ...]
    ) -> tuple[Any, Compiled]:
        """Return the connection of a database and the statement for it."""
        connection = connections[using]
        # Some databases convert times as this setting says.
        key = (using, connection.vendor, settings.USE_TZ, *options)
        compiled = self._compiled.get(key)
        if compiled is None:
            # Two threads may build it at once. Both results are the same.
            places = {name: Parameter(name, field) for name, field in self.fields.items()}
            rows = manager.model._default_manager.using(using)
            compiled = self._compiled[key] = self._compile(self.build(rows, *options, **places))
        return connection, compiled

    @abstractmethod
    def _compile(self, built: Any) -> Compiled: ...

    def _values(self, connection: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of one run in the form of the database."""
        return {
            name: field.get_db_prep_value(values[name], connection)
            for name, field in self.fields.items()
        }


class _Making:
    """How some columns of a row become an object, with the objects it is selected with."""

    def __init__(self, info: Mapping[str, Any], columns: Sequence[Any], using: str) -> None:
        fields = info["select_fields"]
        self.using = using
        self.model = info["model"]
        self.columns = slice(fields[0], fields[-1] + 1)
        self.names = [column.target.attname for column in columns[self.columns]]
        self.key = self.names.index(self.model._meta.pk.attname)
        self.related = [
            (_Making(one, columns, using), one["local_setter"], one["remote_setter"])
            for one in info.get("related_klass_infos", ())
        ]

    def made(self, row: Sequence[Any]) -> Any:
        """Return the object of a row, or ``None`` if an outer join found none."""
        values = row[self.columns]
        if values[self.key] is None:
            return None
        made = self.model.from_db(self.using, self.names, values)
        for making, set_here, set_there in self.related:
            other = making.made(row)
            set_here(made, other)
            if other is not None:
                set_there(other, made)
        return made


class _Selecting(_Compiled):
    """A SELECT, and how its rows become objects."""

    def __init__(self, rows: models.QuerySet[Any]) -> None:
        compiler: Any = rows.query.get_compiler(using=rows.db)
        super().__init__(*compiler.as_sql())
        columns = [column[0] for column in compiler.select[: compiler.col_count]]
        self.converters = [
            (place, converters, expression)
            for place, (converters, expression) in compiler.get_converters(columns).items()
        ]
        self.annotations = tuple((compiler.annotation_col_map or {}).items())
        self.making: _Making | None = None
        if rows._iterable_class is ModelIterable:
            self.making = _Making(compiler.klass_info, columns, rows.db)

    def made(self, found: Sequence[Any], connection: Any) -> Any:
        """Return the object of one row, or the tuple of its values."""
        row = list(found)
        for place, converters, expression in self.converters:
            value = row[place]
            for convert in converters:
                value = convert(value, expression, connection)
            row[place] = value
        if self.making is None:
            return tuple(row)
        made = self.making.made(row)
        for name, place in self.annotations:
            setattr(made, name, row[place])
        return made


class Select(_Statement[_Selecting]):
    """A SELECT from a queryset; its rows are objects, or tuples after ``values_list``."""

    def first(self, manager: models.Manager[Any], *options: Any, **values: Any) -> Any:
        """Return the first row, or ``None``. The queryset must return few rows."""
        return next(self._rows(manager, options, values), None)

    def all(self, manager: models.Manager[Any], *options: Any, **values: Any) -> list[Any]:
        """Return all rows."""
        return list(self._rows(manager, options, values))

    def _rows(
        self, manager: models.Manager[Any], options: tuple[Any, ...], values: Mapping[str, Any]
    ) -> Iterator[Any]:
        connection, compiled = self._on(manager, manager.db, options)
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, compiled.filled_in(self._values(connection, values)))
            found = cursor.fetchall()
        return (compiled.made(row, connection) for row in found)

    def _compile(self, built: models.QuerySet[Any]) -> _Selecting:
        return _Selecting(built)


class Update(_Statement[_Compiled]):
    """An UPDATE, from a queryset and the new values of its columns."""

    def run(self, manager: models.Manager[Any], *options: Any, **values: Any) -> int:
        """Write the new values, and return the number of rows that the conditions found."""
        using = manager.db
        connection, compiled = self._on(manager, using, options)
        params = compiled.filled_in(self._values(connection, values))
        with (
            transaction.mark_for_rollback_on_error(using=using),
            connection.cursor() as cursor,
        ):
            cursor.execute(compiled.sql, params)
            changed: int = cursor.rowcount
        return changed

    def _compile(self, built: tuple[models.QuerySet[Any], Mapping[str, Any]]) -> _Compiled:
        rows, changes = built
        query: Any = rows.query.chain(UpdateQuery)
        query.add_update_values(changes)
        query.annotations = {}  # as QuerySet.update does
        return _Compiled(*query.get_compiler(rows.db).as_sql())


#: SQL that inserts one object, by model, database, and which values are null.
_INSERTS: dict[tuple[Any, ...], str] = {}


def write_new(row: models.Model) -> None:
    """Insert one new object and set its primary key, as ``save(force_insert=True)`` does."""
    model = type(row)
    if pre_save.has_listeners(model) or post_save.has_listeners(model):
        row.save(force_insert=True)  # The site listens.
        return
    using = router.db_for_write(model, instance=row)
    connection: Any = connections[using]
    fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]
    values = []
    for field in fields:
        value = field.pre_save(row, True)
        if isinstance(value, DatabaseDefault):
            value = copy(field.db_default)
            setattr(row, field.attname, value)
        values.append(field.get_db_prep_save(value, connection))
    # Some databases write the place of a null differently.
    key = (model, using, connection.vendor, *(value is None for value in values))
    sql = _INSERTS.get(key)
    if sql is None:
        sql = _INSERTS[key] = _insert_sql(row, fields, connection)
    with transaction.mark_for_rollback_on_error(using=using), connection.cursor() as cursor:
        cursor.execute(sql, values)
        if connection.features.can_return_columns_from_insert:
            row.pk = cursor.fetchone()[0]
        else:
            opts = model._meta
            row.pk = connection.ops.last_insert_id(cursor, opts.db_table, opts.pk.column)
    row._state.adding, row._state.db = False, using


def _insert_sql(row: models.Model, fields: Sequence[Any], connection: Any) -> str:
    query: Any = InsertQuery(type(row))
    query.insert_values(fields, [row])
    compiler = query.get_compiler(connection=connection)
    compiler.returning_fields = [row._meta.pk]
    [(sql, _params)] = compiler.as_sql()
    return str(sql)
