"""The commands for cron: what they do, print and refuse."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from invitation.flows import inviting
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import ADDRESS, DAY, make_invitation, make_mail, spent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_retention")]


def run(*arguments: Any, **options: Any) -> str:
    """Run a command and return what it prints; nothing may go to stderr."""
    output, errors = StringIO(), StringIO()
    call_command(*arguments, stdout=output, stderr=errors, **options)
    assert errors.getvalue() == ""
    return output.getvalue()


@pytest.fixture
def overdue(member: Any) -> list[InvitationKey]:
    """Return three invitations that were made, paid for, and ran out."""
    with time_machine.travel(timezone.now() - 8 * DAY, tick=False):
        return [
            inviting.invite(member, f"guest{number}@example.org").invitation for number in range(3)
        ]


# -- cleanupinvitation --


def test_cleanup_expires_refunds_deletes_and_counts(
    member: Any, overdue: list[InvitationKey]
) -> None:
    make_invitation(member)
    assert run("cleanupinvitation") == "Expired: 3, deleted: 3.\n"
    assert InvitationKey.objects.get().email == ADDRESS
    assert spent(member) == 0


def test_cleanup_keeps_what_the_retention_says(overdue: list[InvitationKey], settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 30
    assert run("cleanupinvitation") == "Expired: 3, deleted: 0.\n"
    assert run("cleanupinvitation") == "Expired: 0, deleted: 0.\n"
    with time_machine.travel(timezone.now() + 31 * DAY, tick=False):
        assert run("cleanupinvitation") == "Expired: 0, deleted: 3.\n"


def test_cleanup_only_counts_when_asked_to(member: Any, overdue: list[InvitationKey]) -> None:
    before = list(InvitationKey.objects.values())
    assert run("cleanupinvitation", dry_run=True) == "Would expire: 3, would delete: 3.\n"
    assert list(InvitationKey.objects.values()) == before
    assert spent(member) == 3


def test_cleanup_works_in_batches_of_the_given_size(
    overdue: list[InvitationKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    end_free = InvitationKey.objects.end_free

    def count(pks: list[int], *args: Any, **kwargs: Any) -> Any:
        sizes.append(len(pks))
        return end_free(pks, *args, **kwargs)

    monkeypatch.setattr(InvitationKey.objects, "end_free", count)
    assert run("cleanupinvitation", "--batch-size=2") == "Expired: 3, deleted: 3.\n"
    assert sizes == [2, 1]


@pytest.mark.parametrize("size", ["0", "-1", "many"])
def test_cleanup_refuses_a_batch_of_nothing(size: str) -> None:
    with pytest.raises(CommandError):
        run("cleanupinvitation", f"--batch-size={size}")


def test_cleanup_with_nothing_to_do_says_so() -> None:
    assert run("cleanupinvitation") == "Expired: 0, deleted: 0.\n"


# -- sendinvitations --


def test_send_sends_what_waits(mailoutbox: list[Any]) -> None:
    make_mail()
    assert run("sendinvitations") == "Sent: 1, not sent: 0.\n"
    assert [message.to for message in mailoutbox] == [[ADDRESS]]
    assert run("sendinvitations") == "Sent: 0, not sent: 0.\n"


def test_send_picks_up_what_a_crash_left_behind(mailoutbox: list[Any]) -> None:
    now = timezone.now()
    make_mail(state="sending", attempts=1, lease_until=now)
    make_mail(
        make_invitation(email="eve@example.org"),
        state="sending",
        attempts=1,
        lease_until=now + InvitationEmail.objects.LEASE,
    )
    sent = run("sendinvitations")
    assert sent.startswith("Sent: 1, not sent: 0. Waiting: 1, next try: ")
    assert [message.to for message in mailoutbox] == [[ADDRESS]]


@time_machine.travel("2126-11-22T10:03:00Z", tick=False)
def test_send_says_how_many_wait_and_when_it_goes_on(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    first = datetime(2126, 11, 22, 10, 5, tzinfo=ZoneInfo("UTC"))
    make_mail(not_before=first + timedelta(hours=1))
    leased = make_invitation(email="eve@example.org")
    make_mail(leased, state="sending", attempts=1, lease_until=first)
    make_mail(make_invitation(email="sent@example.org"), state="sent")
    make_mail(make_invitation(email="failed@example.org"), state="failed")
    said = "Sent: 0, not sent: 0. Waiting: 2, next try: 2126-11-22 15:50:00 +0545.\n"
    assert run("sendinvitations") == said


@time_machine.travel("2126-11-22T10:03:00Z", tick=False)
def test_send_says_it_also_without_time_zones(settings: Any) -> None:
    settings.USE_TZ = False
    make_mail(not_before=datetime(2126, 11, 22, 10, 5))
    said = "Sent: 0, not sent: 0. Waiting: 1, next try: 2126-11-22 10:05:00.\n"
    assert run("sendinvitations") == said


def test_send_counts_what_did_not_go() -> None:
    make_mail(make_invitation(status="revoked"))
    assert run("sendinvitations") == "Sent: 0, not sent: 1.\n"


def test_send_tries_at_most_so_many(mailoutbox: list[Any]) -> None:
    for number in range(3):
        make_mail(make_invitation(email=f"guest{number}@example.org"))
    sent = run("sendinvitations", "--limit=2")
    assert sent.startswith("Sent: 2, not sent: 0. Waiting: 1, next try: ")
    assert len(mailoutbox) == 2


@pytest.mark.parametrize(
    "option",
    [
        "sendinvitations --limit",
        "sendinvitations --interval",
        "sendinvitations --workers",
        "sendinvitations --status --fail-after",
        "cleanupinvitation --batch-size",
    ],
)
def test_a_number_is_refused_that_no_database_and_no_clock_knows(option: str) -> None:
    with pytest.raises(CommandError, match="is more than 2147483647"):
        run(*f"{option}={10**40}".split())


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_send_refuses_a_limit_of_nothing(limit: str) -> None:
    with pytest.raises(CommandError):
        run("sendinvitations", f"--limit={limit}")


# -- both --


@pytest.mark.parametrize("command", ["cleanupinvitation", "sendinvitations"])
def test_a_quiet_command_prints_nothing(overdue: list[InvitationKey], command: str) -> None:
    make_mail()
    assert run(command, verbosity=0) == ""
