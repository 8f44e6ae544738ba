"""Many remind and clean up at once, beside those who register: each gets one email."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from invitation.flows import mail as mail_room
from invitation.flows import upkeep
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota
from tests.factories import DAY, make_mail
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import claim, fresh, make_held, make_members

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
ROWS = 5


@pytest.fixture(autouse=True)
def kept(settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 9
    settings.INVITATIONS_PER_USER = None
    settings.INVITATION_REMINDER_DAYS = 2
    settings.INVITATION_NOTIFY_INVITER = ["expired"]


def clear(member: Any) -> None:
    InvitationKey.objects.all().delete()
    InvitationQuota.objects.update_or_create(inviter=member, defaults={"spent": 0})


def mailed(member: Any, email: str) -> InvitationKey:
    ago = timezone.now() - 6 * DAY
    row = make_held(member, email, left=DAY, mail_requested_at=ago)
    make_mail(row, state="sent", sent_at=ago)
    return row


def remind(rows: list[InvitationKey], number: int) -> int:
    return mail_room.remind(batch_size=2)


def register(rows: list[InvitationKey], number: int) -> int:
    claim(fresh(rows[number % ROWS]), f"bob{number}-{rows[0].pk}")
    return 0


def of_kind(kind: str) -> list[InvitationEmail]:
    return list(InvitationEmail.objects.filter(kind=kind).select_related("invitation"))


def test_of_many_who_remind_at_once_each_invitation_has_one_mail(short_arena: Arena) -> None:
    [member] = make_members(1)

    def before(number: int) -> list[InvitationKey]:
        clear(member)
        return [mailed(member, f"g{one}@example.org") for one in range(ROWS)]

    def after(rows: list[InvitationKey], outcomes: list[Any]) -> None:
        assert sum(outcomes) == ROWS
        assert sorted(mail.invitation_id for mail in of_kind("reminder")) == [r.pk for r in rows]
        assert all(mail.invitation.reminded_at for mail in of_kind("reminder"))

    short_arena.race([remind], before=before, after=after)


def test_who_reminds_and_who_registers_do_not_block_each_other(short_arena: Arena) -> None:
    [member] = make_members(1)

    def before(number: int) -> list[InvitationKey]:
        clear(member)
        return [mailed(member, f"g{one}@example.org") for one in range(ROWS)]

    def after(rows: list[InvitationKey], outcomes: list[Any]) -> None:
        for mail in of_kind("reminder"):
            assert mail.invitation.reminded_at is not None
        reminded = InvitationKey.objects.exclude(reminded_at=None).count()
        assert reminded == len(of_kind("reminder"))
        books.check()

    short_arena.race([remind, register], before=before, after=after)


def test_of_many_cleanups_at_once_one_tells_each_inviter(short_arena: Arena) -> None:
    members = make_members(2)

    def before(number: int) -> list[InvitationKey]:
        for member in members:
            clear(member)
        return [
            make_held(member, f"g{one}@example.org", left=-HOUR)
            for one in range(ROWS)
            for member in members
        ]

    def clean_up(rows: list[InvitationKey], number: int) -> str:
        upkeep.expire(batch_size=3)
        return "cleaned up"

    def after(rows: list[InvitationKey], outcomes: list[Any]) -> None:
        assert count(outcomes) == {"cleaned up": short_arena.threads}
        assert sorted(mail.invitation.from_user_id for mail in of_kind("expired")) == sorted(
            member.pk for member in members
        )
        told = [InvitationKey.objects.get_queryset().told_by(mail) for mail in of_kind("expired")]
        assert sorted(row.pk for some in told for row in some) == sorted(row.pk for row in rows)
        books.check()

    short_arena.race([clean_up], before=before, after=after)
