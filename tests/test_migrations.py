"""The migrations: complete, reversible, and the same for every site."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState
from django.test.utils import override_settings

from invitation.flows import quota
from invitation.models import InvitationKey, QuotaEntry
from tests.factories import make_acceptance, make_mail, make_user

LATEST = "0008_failures_of_recipients"


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


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_migrated_again")
def test_the_ledger_begins_with_what_each_counter_says(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("invitation.migrations.0003_opening_entries")
    monkeypatch.setattr(module, "BATCH_SIZE", 2)
    counters = [(0, 3), (5, 0), (2, 2), (0, 0), (4, 1), (0, 7)]
    people = [make_user(f"member{number}") for number in range(len(counters))]
    call_command("migrate", "invitation", "0001", verbosity=0)
    state = MigrationExecutor(connection).loader.project_state(("invitation", "0001_initial"))
    old = state.apps.get_model("invitation", "InvitationQuota").objects
    for user, (granted, spent) in zip(people, counters, strict=True):
        old.create(inviter_id=user.pk, granted=granted, spent=spent)
    call_command("migrate", "invitation", verbosity=0)
    entries = QuotaEntry.objects.order_by("pk").values_list("inviter", "change", "reason")
    assert list(entries) == [
        (people[0].pk, -3, "opening"),
        (people[1].pk, 5, "opening"),
        (people[4].pk, 3, "opening"),
        (people[5].pk, -7, "opening"),
    ]
    assert quota.ledger_differences() == []


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
