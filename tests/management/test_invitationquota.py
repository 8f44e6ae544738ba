"""The command for quotas: what it does, prints and refuses."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from invitation.flows import inviting, quota
from invitation.models import InvitationQuota, QuotaEntry
from tests.factories import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]
NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)


def run(*arguments: Any, **options: Any) -> str:
    """Run the command and return what it prints."""
    output = StringIO()
    call_command("invitationquota", *arguments, stdout=output, **options)
    return output.getvalue()


@pytest.fixture
def people(db: None) -> list[Any]:
    return [make_user(name) for name in ("ann", "bob", "eve")]


def granted(people: list[Any]) -> list[int]:
    return [InvitationQuota.objects.of(user).granted for user in people]


def test_all_are_granted_more(people: list[Any]) -> None:
    assert run("add", "5", "--all") == "Granted 5 to 3 members.\n"
    assert granted(people) == [5, 5, 5]


@pytest.mark.parametrize("by", ["login", "address", "ADDRESS"])
def test_one_is_named_by_login_name_or_address(people: list[Any], by: str) -> None:
    name = {"login": people[1].get_username(), "address": people[1].email}.get(
        by, people[1].email.upper()
    )
    assert run("add", "5", "--user", name) == "Granted 5 to 1 member.\n"
    assert granted(people) == [0, 5, 0]


def test_several_are_named(people: list[Any]) -> None:
    run("add", "1", "--user", people[0].email, "--user", people[2].get_username())
    assert granted(people) == [1, 0, 1]


def test_a_group_is_named(people: list[Any]) -> None:
    group = Group.objects.create(name="helpers")
    if not hasattr(people[0], "groups"):
        with pytest.raises(CommandError, match="has no groups"):
            run("add", "1", "--group", "helpers")
        return
    group.user_set.add(*people[:2])
    assert run("add", "1", "--group", "helpers") == "Granted 1 to 2 members.\n"
    assert granted(people) == [1, 1, 0]


def test_who_has_less_is_topped_up(people: list[Any], settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 3
    quota.grant(people[0], 5)
    assert run("topup", "4", "--all") == "Topped up to 4: 2 members.\n"
    assert granted(people) == [5, 1, 1]


def test_the_limit_is_lifted_and_put_back(people: list[Any]) -> None:
    name = people[0].get_username()
    said = run("unlimited", "--user", name)
    assert said == "Limit removed: 1 member.\n"
    assert quota.remaining_invitations(people[0]) is None
    assert run("limited", "--all") == "Limit applied: 1 member.\n"
    assert quota.remaining_invitations(people[0]) == 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "5"], "Granted 5 to 3 members."),
        (["topup", "12"], "Topped up to 12: 3 members."),
        (["unlimited"], "Limit removed: 3 members."),
        (["limited"], "Limit applied: 0 members."),
    ],
)
def test_a_dry_run_counts_and_changes_nothing(
    people: list[Any], arguments: list[str], said: str
) -> None:
    assert run(*arguments, "--all", "--dry-run") == f"Would do: {said}\n"
    assert not InvitationQuota.objects.exists()
    assert not QuotaEntry.objects.exists()


def test_it_can_be_silent(people: list[Any]) -> None:
    assert run("add", "5", "--all", verbosity=0) == ""
    assert run("verify", verbosity=0) == ""


@time_machine.travel(NOON, tick=False)
def test_a_table_shows_what_members_have(people: list[Any], settings: Any) -> None:
    settings.INVITATIONS_PER_USER, settings.INVITATION_QUOTA_PERIOD = 2, timedelta(days=30)
    settings.TIME_ZONE = "UTC"
    inviting.invite(people[0], "guest@example.org")
    quota.grant(people[0], 3)
    quota.set_unlimited(get_user_model()._default_manager.filter(pk=people[1].pk))
    lines = [line.split() for line in run("show", "--all").splitlines()]
    assert lines == [
        ["Member", "Limit", "Granted", "Spent", "Left", "Refills"],
        [people[0].get_username(), "2", "3", "1", "4", "2026-04-28", "12:00", "UTC"],
        [people[1].get_username(), "unlimited", "0", "0", "unlimited"],
        [people[2].get_username(), "2", "0", "0", "2"],
    ]


def test_naive_times_do_as_well(people: list[Any], settings: Any) -> None:
    settings.USE_TZ, settings.TIME_ZONE = False, "America/New_York"
    settings.INVITATION_QUOTA_PERIOD = timedelta(days=30)
    inviting.invite(people[0], "guest@example.org")
    assert run("show", "--user", people[0].email).rstrip()[-16:-12].isdigit()


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "ACTION"),
        (["add", "5"], "--user --group --all is required"),
        (["add", "5", "--all", "--group", "x"], "not allowed with"),
        (["add", "0", "--all"], "not from 1 to"),
        (["topup", "many", "--all"], "invalid amount"),
        (["add", "--all"], "N"),
        (["show", "--user", "nobody"], 'There is no member "nobody"'),
        (["show", "--group", "nothing"], "no group"),
        (["verify", "--all"], "unrecognized arguments"),
    ],
)
def test_what_makes_no_sense_is_refused(
    people: list[Any], arguments: list[str], complaint: str
) -> None:
    with pytest.raises(CommandError, match=complaint):
        run(*arguments)


def test_an_address_of_several_is_no_name(people: list[Any]) -> None:
    if get_user_model().USERNAME_FIELD == "email":
        return
    make_user("ann2", email="Ann@Example.com")
    with pytest.raises(CommandError, match="Several members have the address"):
        run("show", "--user", "ann@example.com")
    assert "ann2" in run("show", "--user", "ann2")


def test_a_user_model_without_addresses_has_login_names(
    people: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(people[0]), "get_email_field_name", lambda: "no_such_field")
    assert len(run("show", "--user", people[0].get_username()).splitlines()) == 2
    with pytest.raises(CommandError, match="There is no member"):
        run("show", "--user", "nobody@example.com")


def test_a_ledger_in_order_is_said_to_be(people: list[Any]) -> None:
    quota.grant(people[0], 1)
    assert run("verify") == "Every counter is its ledger's sum.\n"


def test_a_ledger_that_differs_is_a_failure_until_it_is_repaired(people: list[Any]) -> None:
    InvitationQuota.objects.create(inviter=people[0], granted=3)
    output = StringIO()
    with pytest.raises(CommandError, match=r"differ: 1\.") as failed:
        call_command("invitationquota", "verify", stdout=output)
    assert failed.value.returncode == 1
    line = f"{people[0].get_username()}: counter 3, ledger 0\n"
    assert output.getvalue() == line
    assert run("verify", "--repair") == f"{line}Corrected: 1.\n"
    assert run("verify") == "Every counter is its ledger's sum.\n"
    assert QuotaEntry.objects.get().reason == "corrected"
