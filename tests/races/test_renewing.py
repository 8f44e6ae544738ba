"""Many ask for a new link at once, beside those who renew, invite and clean up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from invitation.flows import inviting, upkeep
from invitation.flows.inviting.renewing import REQUESTS_PER_INVITER
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import fresh, make_held, make_members

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def kept(settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 9
    settings.INVITATIONS_PER_USER = None


def ask(row: InvitationKey, number: int) -> bool:
    return inviting.ask_for_renewal(row.mail_key, row.site_id)


def clear(member: Any) -> None:
    InvitationKey.objects.all().delete()
    InvitationQuota.objects.update_or_create(inviter=member, defaults={"spent": 0})


def requests() -> int:
    return InvitationEmail.objects.filter(kind="renewal").count()


@pytest.mark.parametrize("state", ["overdue", "expired", "revoked"])
def test_of_many_who_ask_at_once_one_is_heard(arena: Arena, state: str) -> None:
    [member] = make_members(1)

    def before(number: int) -> InvitationKey:
        clear(member)
        row = make_held(member, left=-HOUR if state != "revoked" else HOUR)
        if state == "expired":
            upkeep.expire()
        elif state == "revoked":
            inviting.revoke(row)
        return fresh(row)

    def after(row: InvitationKey, outcomes: list[Any]) -> None:
        assert count(outcomes) == {"True": 1, "False": arena.threads - 1}
        assert requests() == 1
        assert InvitationEmail.objects.get().state == "sent"
        books.check()

    arena.race([ask], before=before, after=after)


def test_no_member_is_asked_more_often_a_day_than_he_should(short_arena: Arena) -> None:
    [member] = make_members(1)
    most = min(REQUESTS_PER_INVITER, short_arena.threads)

    def before(number: int) -> list[InvitationKey]:
        clear(member)
        rows = [make_held(member, f"{n}@example.org", left=-HOUR) for n in range(24)]
        # Where few threads run, most of what a member may get has been asked for already.
        for row in rows[short_arena.threads :][: REQUESTS_PER_INVITER - 2]:
            assert ask(row, 0)
        return rows

    def one_each(rows: list[InvitationKey], number: int) -> bool:
        return ask(rows[number], number)

    def after(rows: list[InvitationKey], outcomes: list[Any]) -> None:
        assert requests() == REQUESTS_PER_INVITER
        assert 0 < count(outcomes)["True"] <= most
        asked = InvitationKey.objects.exclude(renewal_requested_at=None).count()
        assert asked == REQUESTS_PER_INVITER

    short_arena.race([one_each], before=before, after=after)


def test_beside_those_who_renew_invite_and_clean_up(short_arena: Arena) -> None:
    [member] = make_members(1)

    def before(number: int) -> InvitationKey:
        clear(member)
        return make_held(member, left=-HOUR)

    def renew(row: InvitationKey, number: int) -> str:
        inviting.renew(fresh(row))
        return "renewed"

    def invite(row: InvitationKey, number: int) -> str:
        return "created" if inviting.invite(member, row.email).created else "renewed"

    def clean(row: InvitationKey, number: int) -> str:
        upkeep.expire(1)
        upkeep.purge(1)
        return "cleaned"

    def after(row: InvitationKey, outcomes: list[Any]) -> None:
        refused = {"mail_too_soon", "not_renewable", "already_invited", "not_pending"}
        done = {"True", "False", "renewed", "created", "cleaned"}
        assert set(count(outcomes)) <= done | refused
        assert requests() <= 1
        assert InvitationKey.objects.pending().filter(email=row.email).count() == 1
        books.check()

    short_arena.race([ask, renew, invite, clean], before=before, after=after)


def test_beside_cleanup_that_keeps_nothing(short_arena: Arena, settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 0
    [member] = make_members(1)

    def before(number: int) -> InvitationKey:
        clear(member)
        return make_held(member, left=-HOUR)

    def clean(row: InvitationKey, number: int) -> str:
        upkeep.expire(1)
        upkeep.purge(1)
        return "cleaned"

    def after(row: InvitationKey, outcomes: list[Any]) -> None:
        asked = count(outcomes)["True"]
        assert asked <= 1
        # Either it was asked for in time, and stays, or it has gone, and nobody is asked.
        assert (InvitationKey.objects.count(), requests()) == (asked, asked)

    short_arena.race([ask, clean], before=before, after=after)
