"""Expired invitations are opened again, beside the cleanup and beside new ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from invitation.flows import inviting, upkeep
from invitation.models import InvitationKey, InvitationQuota
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import fresh, make_held, make_members

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def kept(settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 9


def make_expired(member: Any, number: int) -> list[InvitationKey]:
    """Return so many invitations that cleanup has marked and given back."""
    rows = [
        make_held(member, f"late{index}@example.org", left=-timedelta(hours=1))
        for index in range(number)
    ]
    upkeep.expire()
    return [fresh(row) for row in rows]


def clear() -> None:
    InvitationKey.objects.all().delete()
    InvitationQuota.objects.update(spent=0)


def test_one_invitation_left_opens_one_expired_one_again(arena: Arena, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 1
    [member] = make_members(1)

    def before(number: int) -> list[InvitationKey]:
        clear()
        InvitationQuota.objects.filter(inviter=member).update(spent=0)
        settings.INVITATIONS_PER_USER = None
        rows = make_expired(member, 3)
        settings.INVITATIONS_PER_USER = 1
        return rows

    def extend(rows: list[InvitationKey], number: int) -> str:
        inviting.extend(fresh(rows[number % len(rows)]))
        return "extended"

    def after(rows: list[InvitationKey], outcomes: list[Any]) -> None:
        counts = count(outcomes)
        assert set(counts) == {"extended", "no_invitations_left"}
        # All that came for the one that was first extended it, one after the other.
        place = rows.index(InvitationKey.objects.pending().get())
        assert counts["extended"] == len(range(place, arena.threads, len(rows)))
        books.check()

    arena.race([extend], before=before, after=after)


def test_an_expired_one_and_a_new_one_for_the_same_address(
    short_arena: Arena, settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = 2
    [member] = make_members(1)

    def before(number: int) -> InvitationKey:
        clear()
        [row] = make_expired(member, 1)
        return row

    def extend(row: InvitationKey, number: int) -> str:
        inviting.extend(fresh(row))
        return "extended"

    def invite(row: InvitationKey, number: int) -> str:
        return "created" if inviting.invite(member, row.email).created else "renewed"

    def clean(row: InvitationKey, number: int) -> str:
        upkeep.expire(1, timezone.now())
        return "cleaned"

    def after(row: InvitationKey, outcomes: list[Any]) -> None:
        assert set(count(outcomes)) <= {
            "extended",
            "created",
            "renewed",
            "cleaned",
            "already_invited",
        }
        assert InvitationKey.objects.pending().filter(email=row.email).count() == 1
        books.check()

    short_arena.race([extend, invite, clean], before=before, after=after)
