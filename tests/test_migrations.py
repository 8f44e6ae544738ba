"""The migrations: complete, reversible, and the same for every site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState
from django.test.utils import override_settings

from invitation.models import InvitationKey
from tests.factories import make_acceptance, make_mail, make_user

LATEST = "0001_initial"


def tables() -> set[str]:
    return {
        name for name in connection.introspection.table_names() if name.startswith("invitation_")
    }


@pytest.fixture
def _migrated_again() -> Iterator[None]:
    yield
    call_command("migrate", "invitation", verbosity=0)


def latest_state() -> ProjectState:
    return MigrationExecutor(connection).loader.project_state(("invitation", LATEST))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_migrated_again")
def test_they_lead_back_to_nothing_and_forth_again_with_rows_in_them() -> None:
    models = apps.get_app_config("invitation").get_models(include_auto_created=True)
    every = {model._meta.db_table for model in models}
    assert tables() == every
    make_mail(make_acceptance(make_user("bob")).invitation)
    call_command("migrate", "invitation", "zero", verbosity=0)
    assert tables() == set()
    call_command("migrate", "invitation", verbosity=0)
    assert tables() == every
    assert not InvitationKey.objects.exists()


@pytest.mark.django_db
def test_this_file_knows_the_latest() -> None:
    loader = MigrationExecutor(connection).loader
    assert loader.graph.leaf_nodes("invitation") == [("invitation", LATEST)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "setting",
    [
        {"INVITE_MODE": False},
        {"INVITATIONS_PER_USER": None},
        {"USE_TZ": False},
        {"DEFAULT_AUTO_FIELD": "django.db.models.AutoField"},
        {"LANGUAGE_CODE": "de"},
    ],
)
def test_no_setting_asks_for_a_migration_of_its_own(setting: dict[str, Any]) -> None:
    with override_settings(**setting):
        call_command("makemigrations", "invitation", check_changes=True, dry_run=True, verbosity=0)


@pytest.mark.django_db
def test_they_hold_the_guards_that_every_database_keeps() -> None:
    model = latest_state().apps.get_model("invitation", "InvitationKey")
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    checks = {name for name, about in found.items() if about["check"]}
    assert {"invitation_uses_within_max", "invitation_slot_only_pending"} <= checks
    unique = {tuple(about["columns"]) for about in found.values() if about["unique"]}
    assert {("pending_slot",), ("locator",)} <= unique
