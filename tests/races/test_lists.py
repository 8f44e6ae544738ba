"""Members invite with lists, and one by one, at the same moment."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.db.models import Sum

from invitation.addresses.recipients import Recipient
from invitation.flows import inviting, lists
from invitation.flows.lists import Verdict
from invitation.forms import ListForm
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota, QuotaEntry
from tests.factories import make_user
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import claim, make_held
from tests.races.wire import Answer, Site, session_of

pytestmark = pytest.mark.django_db(transaction=True)

CONFIRM = "/accounts/invite/list/confirm/"


def a_list(*names: str) -> list[Recipient]:
    return [Recipient(number, f"{name}@example.org") for number, name in enumerate(names, start=1)]


def fresh_member(number: int) -> Any:
    """Begin each round with empty tables and a member who has not invited yet."""
    InvitationKey.objects.all().delete()
    InvitationQuota.objects.all().delete()
    QuotaEntry.objects.all().delete()
    return make_user(f"member{number}")


def check_books(member: Any) -> int:
    """Check that all adds up, and return how many invitations the member has made."""
    books.check()
    made = InvitationKey.objects.filter(from_user=member).count()
    ledger = QuotaEntry.objects.filter(inviter=member).aggregate(sum=Sum("change"))["sum"] or 0
    spent = InvitationQuota.objects.get(inviter=member).spent
    assert made == spent == -ledger
    assert InvitationEmail.objects.count() == made
    return made


def test_lists_and_single_invitations_make_no_more_than_the_quota(
    arena: Arena, settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = 10

    def invite_own_list(member: Any, number: int) -> Counter[str]:
        people = a_list("all", *(f"of{number}-{index}" for index in range(3)))
        batch = lists.invite_many(member, people)
        return Counter(str(row.verdict) for row in batch.rows)

    def invite_one(member: Any, number: int) -> Counter[str]:
        created = inviting.invite(member, f"one{number}@example.org").created
        return Counter({"invited": int(created)})

    def after(member: Any, outcomes: list[Any]) -> None:
        told = [outcome for outcome in outcomes if isinstance(outcome, Counter)]
        refused = [outcome for outcome in outcomes if not isinstance(outcome, Counter)]
        assert set(count(refused)) <= {"no_invitations_left"}
        assert (
            check_books(member)
            == sum(one["invited"] for one in told)
            == min(10, 4 * (arena.threads // 2) + 1)
        )
        assert InvitationKey.objects.filter(email="all@example.org").count() <= 1

    arena.race([invite_own_list, invite_one], before=fresh_member, after=after)


def test_the_same_list_many_times_invites_everybody_once(arena: Arena) -> None:
    people = a_list(*(f"guest{index}" for index in range(6)), "guest0", "nobody at all")

    def invite(member: Any, number: int) -> str:
        # Each in an order of its own: only the lock keeps them from blocking each other.
        some = people if number % 2 else people[::-1]
        batch = lists.invite_many(member, some)
        return f"{batch.count(Verdict.INVITED)} invited, {batch.count(Verdict.ALREADY)} known"

    def after(member: Any, outcomes: list[Any]) -> None:
        first = {"6 invited, 0 known": 1, "0 invited, 6 known": arena.threads - 1}
        assert count(outcomes) == first
        assert check_books(member) == 6

    arena.race([invite], before=fresh_member, after=after)


@pytest.mark.usefixtures("atomic_requests")
def test_a_list_that_is_confirmed_many_times_gets_one_answer(
    short_arena: Arena, site: Site, settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = 5

    def before(number: int) -> tuple[Any, dict[str, str], str]:
        member = fresh_member(number)
        text = "\n".join(f"guest{index}@example.org" for index in range(7))
        form = ListForm({"people": text}, {}, inviter=member, site_id=1)
        assert form.is_valid()
        return member, session_of(member), form.payload(form.plan())

    def confirm(stage: Any, number: int) -> Answer:
        return site.post(CONFIRM, {"payload": stage[2], "confirmed": "on"}, stage[1])

    def after(stage: Any, got: list[Answer]) -> None:
        assert {x.status for x in got} == {200}
        assert all("5 people invited" in x.text for x in got)
        assert check_books(stage[0]) == 5

    short_arena.race([confirm], before=before, after=after)


def test_an_invitation_that_is_used_while_its_address_is_in_a_list(short_arena: Arena) -> None:
    def before(number: int) -> InvitationKey:
        member = fresh_member(number)
        InvitationQuota.objects.create(inviter=member)
        return make_held(member)

    def invite(invitation: InvitationKey, number: int) -> str:
        people = [Recipient(1, invitation.email), Recipient(2, f"of{number}@example.org")]
        return str(lists.invite_many(invitation.from_user, people).rows[0].verdict)

    def register(invitation: InvitationKey, number: int) -> str:
        return claim(invitation, f"user{number}-{invitation.pk}")

    def after(invitation: InvitationKey, outcomes: list[Any]) -> None:
        counts = count(outcomes)
        assert counts["claimed"] == 1
        assert counts["already_invited"] == short_arena.threads // 2
        assert InvitationKey.objects.filter(email=invitation.email).count() == 1
        books.check()

    short_arena.race([invite, register], before=before, after=after)
