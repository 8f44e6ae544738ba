"""``sendinvitations --status``: what an operator reads, and what monitoring goes by."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from invitation.models import DeliveryPause, InvitationEmail
from tests.factories import make_invitation, make_mail

pytestmark = pytest.mark.django_db


def status(*arguments: str) -> str:
    out = StringIO()
    call_command("sendinvitations", *arguments, stdout=out)
    return out.getvalue()


def test_it_says_how_the_outbox_is_and_sends_nothing() -> None:
    made = timezone.now() - timedelta(minutes=2)
    make_mail(make_invitation(email=""), created_at=made, attempts=1)
    said = status("--status")
    assert (
        "Queued: 1 (due: 1), sending: 0 (left behind: 0), failed in the last 24 hours: 0." in said
    )
    assert "The oldest waits for 120 seconds." in said
    assert InvitationEmail.objects.get().state == "queued"


def test_of_an_empty_outbox_it_says_no_more() -> None:
    assert status("--status").count("\n") == 1


def test_it_says_until_when_all_is_paused_and_why() -> None:
    now = timezone.now()
    DeliveryPause.objects.create(
        until=now + timedelta(minutes=20), since=now, failures=1, reason="535 no"
    )
    assert ": 535 no\n" in status("--status")
    assert "Paused until " in status("--status")


def test_it_does_not_say_so_when_that_moment_has_passed() -> None:
    now = timezone.now()
    DeliveryPause.objects.create(
        until=now - timedelta(seconds=30), since=now, failures=1, reason="535 no"
    )
    make_mail(make_invitation(email=""), not_before=now)
    assert "Paused" not in status("--status")


def test_it_fails_if_a_mail_waits_too_long() -> None:
    made = timezone.now() - timedelta(minutes=2)
    make_mail(make_invitation(email=""), not_before=made)
    assert status("--status", "--fail-after", "130")
    with pytest.raises(CommandError, match="more than 110 seconds") as failure:
        status("--fail-after", "110")
    assert failure.value.returncode == 1


def test_a_mail_that_waits_for_its_next_try_is_no_failure() -> None:
    now = timezone.now()
    made, later = now - timedelta(hours=9), now + timedelta(hours=1)
    make_mail(make_invitation(email=""), created_at=made, attempts=5, not_before=later)
    assert "The oldest waits for " in (said := status("--fail-after", "900"))
    assert "overdue" not in said


def test_it_says_for_how_long_a_mail_is_overdue() -> None:
    now = timezone.now()
    due = now - timedelta(minutes=2)
    make_mail(make_invitation(email=""), created_at=now - timedelta(hours=1), not_before=due)
    assert "The longest due is overdue for 120 seconds.\n" in status("--status")


def test_it_can_be_silent_and_still_fail() -> None:
    make_mail(make_invitation(email=""), not_before=timezone.now() - timedelta(minutes=2))
    assert status("--status", "--verbosity", "0") == ""
    with pytest.raises(CommandError):
        status("--status", "--fail-after", "1", "--verbosity", "0")


def test_nothing_waits_is_no_failure() -> None:
    assert status("--status", "--fail-after", "1")


@pytest.mark.parametrize("question", ["--status", "--fail-after=1"])
@pytest.mark.parametrize("option", ["--loop", "--workers=2", "--limit=5"])
def test_it_refuses_what_is_about_sending(question: str, option: str) -> None:
    with pytest.raises(CommandError, match="sends nothing") as failure:
        status(question, option)
    assert failure.value.returncode == 2


def test_it_counts_what_was_only_probably_sent() -> None:
    make_mail(state="sent", failure="unconfirmed")
    make_mail(make_invitation(email="b@example.org"), state="sent")
    words = "Probably sent, not confirmed in the last 24 hours: 1.\n"
    assert words in status("--status")
