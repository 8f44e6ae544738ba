"""``invitationprivacy`` and ``cleanupinvitation --forget-after``."""

from __future__ import annotations

import json
import sys
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from invitation.models import InvitationKey
from tests.factories import ADDRESS, DAY, make_invitation, make_user

pytestmark = pytest.mark.django_db


def run(*arguments: str, **options: Any) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output, **options)
    return output.getvalue()


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_kept_is_printed_as_json() -> None:
    make_invitation(make_user(), note="Grüße")
    told = json.loads(run("invitationprivacy", "export", ADDRESS))
    assert told["invitations"][0]["note"] == "Grüße"


def test_a_person_is_forgotten_and_the_address_not_repeated() -> None:
    make_invitation(make_user(), note=ADDRESS)
    said = run("invitationprivacy", "forget", ADDRESS, "--yes")
    assert said == (
        "Forgotten: 1 invitations, revoked: 1, other texts: 0, "
        "unsubscribe dropped: no, proofs of accounts: 0.\n"
    )
    assert InvitationKey.objects.get().email == ""


def test_a_rehearsal_asks_nothing_and_changes_nothing() -> None:
    make_invitation(make_user())
    said = run("invitationprivacy", "forget", ADDRESS, "--dry-run", "--drop-unsubscribe")
    assert said.startswith("Would forget: 1 invitations, would revoke: 1,")
    assert InvitationKey.objects.get().email == ADDRESS


def test_it_says_that_an_account_is_left_as_it_is() -> None:
    make_user("bob", email=ADDRESS)
    said = run("invitationprivacy", "forget", ADDRESS, "--yes")
    assert said.endswith("There is an account with this address. It was not changed.\n")


@pytest.mark.parametrize(("answer", "email"), [("yes\n", ""), ("y\n", ADDRESS), ("", ADDRESS)])
def test_it_asks_whether_it_is_meant(monkeypatch: Any, answer: str, email: str) -> None:
    make_invitation(make_user())
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    try:
        said = run("invitationprivacy", "forget", ADDRESS)
    except CommandError as error:
        said = str(error)
    assert ("Nothing was erased." in said) is bool(email)
    assert InvitationKey.objects.get().email == email


def test_before_it_asks_it_says_of_whom_and_how_much(monkeypatch: Any) -> None:
    make_invitation(make_user())
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    said = run("invitationprivacy", "forget", f" {ADDRESS}").splitlines()
    assert said == [
        f"Address: '{ADDRESS}'",
        "Would forget: 1 invitations, would revoke: 1, other texts: 0, "
        "unsubscribe dropped: no, proofs of accounts: 0.",
        "This cannot be undone. Type yes to erase it: "
        "Forgotten: 1 invitations, revoked: 1, other texts: 0, "
        "unsubscribe dropped: no, proofs of accounts: 0.",
    ]


def test_where_nobody_can_be_asked_it_does_nothing(monkeypatch: Any) -> None:
    make_invitation(make_user())
    monkeypatch.setattr(sys, "stdin", StringIO("yes\n"))
    with pytest.raises(CommandError, match="--yes"):
        run("invitationprivacy", "forget", ADDRESS)
    assert InvitationKey.objects.get().email == ADDRESS


@pytest.mark.parametrize("action", ["export", "forget"])
def test_a_blank_address_is_refused(action: str) -> None:
    with pytest.raises(CommandError, match="Name an email address"):
        run("invitationprivacy", action, " ")


@pytest.mark.parametrize("action", ["export", "forget --yes", "forget --dry-run"])
def test_what_is_no_address_is_refused(action: str) -> None:
    with pytest.raises(CommandError, match="not an email address"):
        run("invitationprivacy", *action.split(), "nonsense")


def test_unless_somebody_was_invited_with_it() -> None:
    make_invitation(make_user())
    InvitationKey.objects.update(email="nonsense", email_key="nonsense")
    told = json.loads(run("invitationprivacy", "export", "nonsense"))
    assert told["invitations"][0]["address"] == "nonsense"
    run("invitationprivacy", "forget", "nonsense", "--yes")
    assert InvitationKey.objects.get().email == ""


# cleanupinvitation


def test_cleanup_forgets_what_ended_so_long_ago() -> None:
    old = {"status": "accepted", "uses": 1, "ended_at": timezone.now() - 31 * DAY}
    make_invitation(**old)
    assert run("cleanupinvitation", "--forget-after", "30", "--dry-run") == (
        "Would expire: 0, would delete: 0, would forget: 1.\n"
    )
    assert InvitationKey.objects.get().email == ADDRESS
    assert run("cleanupinvitation", "--forget-after", "32") == (
        "Expired: 0, deleted: 0, forgotten: 0.\n"
    )
    assert run("cleanupinvitation", "--forget-after", "30") == (
        "Expired: 0, deleted: 0, forgotten: 1.\n"
    )
    assert InvitationKey.objects.get().email == ""


def test_cleanup_forgets_also_in_silence() -> None:
    make_invitation(status="accepted", uses=1, ended_at=timezone.now() - 31 * DAY)
    assert run("cleanupinvitation", "--forget-after", "30", "--verbosity", "0") == ""
    assert InvitationKey.objects.get().email == ""


@pytest.mark.parametrize("days", ["0", "-1"])
def test_cleanup_forgets_nothing_of_today(days: str) -> None:
    with pytest.raises(CommandError, match="not at least 1"):
        run("cleanupinvitation", f"--forget-after={days}")


@pytest.mark.parametrize("days", ["36501", "99999999", "9" * 40])
def test_cleanup_refuses_more_days_than_there_can_be(days: str) -> None:
    with pytest.raises(CommandError, match="is more than 36500"):
        run("cleanupinvitation", f"--forget-after={days}", "--dry-run")
    assert run("cleanupinvitation", "--forget-after=36500", "--dry-run").endswith("forget: 0.\n")
