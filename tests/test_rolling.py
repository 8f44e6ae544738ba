"""Old code on the new schema: while a release is rolled out, both write the same tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection, models, transaction
from django.db.migrations import operations
from django.db.migrations.executor import MigrationExecutor
from django.db.models.fields import NOT_PROVIDED
from django.utils import timezone

from invitation import migrations
from tests.factories import make_user

APP = "invitation"
#: What a migration after the first may do: what is there stays, under its name.
ADDITIVE = (
    operations.CreateModel,
    operations.AddField,
    operations.AlterField,
    operations.AddIndex,
    operations.AlterModelOptions,
    operations.AlterModelManagers,
    operations.RunPython,
)
#: What else one does, by its name and its description, once it was made sure that the code of
#: the release before can live with it.
ALLOWED: set[tuple[str, str]] = set()


def graph() -> Any:
    return MigrationExecutor(connection).loader


#: All migrations, in their order.
NAMES = sorted(path.stem for path in Path(migrations.__file__).parent.glob("0*.py"))


def is_safe(field: models.Field[Any, Any]) -> bool:
    """Tell whether a row can be written by code that does not know this column."""
    return field.many_to_many or field.null or field.db_default is not NOT_PROVIDED


@pytest.mark.django_db
def test_migrations_after_the_first_only_add() -> None:
    others = [
        (name, operation.describe())
        for name in NAMES[1:]
        for operation in graph().get_migration(APP, name).operations
        if not isinstance(operation, ADDITIVE)
    ]
    assert set(others) == ALLOWED


@pytest.mark.django_db
def test_every_column_that_is_added_has_a_default_in_the_database() -> None:
    state = graph().project_state((APP, NAMES[0]))
    bare = []
    for name in NAMES[1:]:
        migration = graph().get_migration(APP, name)
        for operation in migration.operations:
            known = set(state.models)
            old = (APP, getattr(operation, "model_name_lower", "")) in known
            if isinstance(operation, operations.AddField) and old and not is_safe(operation.field):
                bare.append((name, operation.model_name, operation.name))
        state = migration.mutate_state(state)
    assert bare == []


def narrowed(old: models.Field[Any, Any], new: models.Field[Any, Any]) -> bool:
    """Tell whether a column takes less than it did."""
    if old.null and not new.null:
        return True
    return (old.max_length or 0) > (new.max_length or 0) > 0 or (old.unique < new.unique)


@pytest.mark.django_db
def test_no_column_takes_less_than_it_did() -> None:
    state = graph().project_state((APP, NAMES[0]))
    less = []
    for name in NAMES[1:]:
        migration = graph().get_migration(APP, name)
        after = migration.mutate_state(state)
        for operation in migration.operations:
            if isinstance(operation, operations.AlterField):
                model, field = (APP, operation.model_name_lower), operation.name
                old, new = (each.models[model].fields[field] for each in (state, after))
                if narrowed(old, new):
                    less.append((name, *model, field))
        state = after
    assert less == []


def value_for(field: models.Field[Any, Any], made: dict[str, Any]) -> Any:
    """Return a value for a column that has no default."""
    if isinstance(field, models.ForeignKey):
        target = field.related_model._meta.label_lower
        return made[target].pk if target in made else made["account"].pk
    if isinstance(field, models.DateTimeField):
        return timezone.now()
    if isinstance(field, models.IntegerField):
        return 1
    if isinstance(field, models.BinaryField):
        return b"x"
    return "x"


def write_a_row(model: Any, made: dict[str, Any]) -> Any:
    """Insert a row with nothing but what this model knows."""
    values = {
        field.attname: value_for(field, made)
        for field in model._meta.concrete_fields
        if not (field.primary_key or field.null or field.has_default() or field.blank)
    }
    return model.objects.create(**values)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", NAMES)
def test_the_code_of_each_release_can_write_into_the_newest_tables(name: str) -> None:
    old = graph().project_state((APP, name)).apps
    made: dict[str, Any] = {"account": make_user()}
    # In an order in which each finds those that it refers to.
    ordered = sorted(
        old.get_app_config(APP).get_models(),
        key=lambda model: model._meta.model_name != "invitationkey",
    )
    with transaction.atomic():
        for model in ordered:
            row = write_a_row(model, made)
            made[model._meta.label_lower] = row
            # What it has not said is what the database says.
            assert model.objects.get(pk=row.pk).pk == row.pk
        transaction.set_rollback(True)
