"""An invitation is ended in two ways at once: exactly one of them wins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from invitation import signals
from invitation.flows import inviting, upkeep
from invitation.models import Acceptance, InvitationKey
from tests.factories import make_user
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import User, claim, decline, fresh, make_held
from tests.races.wire import Answer, Site
from tests.scenes import DECLINE, REGISTER, answers, received

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def inviter() -> Any:
    return make_user("inviter")


def register(invitation: InvitationKey, number: int) -> str:
    return claim(invitation, f"user{number}-{invitation.pk}")


def revoke(invitation: InvitationKey, number: int) -> str:
    inviting.revoke(fresh(invitation))
    return "revoked"


def say_no(invitation: InvitationKey, number: int) -> str:
    return decline(fresh(invitation))


def expire(invitation: InvitationKey, number: int) -> str:
    """Run the cleanup on a machine whose clock is ahead: to it, the invitation has expired."""
    return "expired" if upkeep.expire(now=timezone.now() + timedelta(days=2)) else "found nothing"


OPPONENTS = {
    "revoke": (revoke, "revoked", {"not_pending"}, "revoked_key"),
    "decline": (say_no, "declined", {"no_uses_left_key", "declined_key"}, "declined_key"),
    "expire": (expire, "expired", {"found nothing"}, "expired_key"),
}


@pytest.mark.parametrize(
    ("opponent", "status", "too_late", "turned_away"), OPPONENTS.values(), ids=OPPONENTS
)
def test_an_invitation_is_claimed_or_ended(
    arena: Arena,
    inviter: Any,
    opponent: Any,
    status: str,
    too_late: set[str],
    turned_away: str,
) -> None:
    def after(invitation: InvitationKey, outcomes: list[Any]) -> None:
        counts = count(outcomes)
        invitation.refresh_from_db()
        accounts = User.objects.filter(email=invitation.email).count()
        acceptances = Acceptance.objects.filter(invitation=invitation).count()
        claimed = counts.pop("claimed", 0)
        ended = counts.pop(status, 0)
        assert (claimed, ended) in {(1, 0), (0, 1)}
        assert (accounts, acceptances, invitation.uses) == (claimed,) * 3
        assert invitation.status == ("accepted" if claimed else status)
        assert set(counts) <= too_late | ({"no_uses_left_key"} if claimed else {turned_away})
        books.check()

    with received(signals.invitation_accepted) as accepted:
        arena.race(
            [register, opponent],
            before=lambda number: make_held(inviter, f"round{number}@example.org"),
            after=after,
        )
    assert len(accepted) == Acceptance.objects.count()


def test_an_invitation_ends_in_one_way(short_arena: Arena, inviter: Any) -> None:
    endings = [signals.invitation_revoked, signals.invitation_declined, signals.invitations_expired]

    def after(invitation: InvitationKey, outcomes: list[Any]) -> None:
        counts = count(outcomes)
        invitation.refresh_from_db()
        assert counts["revoked"] + counts["declined"] + counts["expired"] == 1
        assert counts[invitation.status] == 1
        books.check()

    with received(endings[0]) as a, received(endings[1]) as b, received(endings[2]) as c:
        short_arena.race(
            [revoke, say_no, expire],
            before=lambda number: make_held(inviter, f"round{number}@example.org"),
            after=after,
        )
    assert len(a) + len(b) + len(c) == short_arena.rounds


@pytest.mark.usefixtures("atomic_requests")
def test_visitors_who_decline_and_register_at_once_all_get_a_page(
    short_arena: Arena, site: Site, inviter: Any
) -> None:
    def register_by_form(invitation: InvitationKey, number: int) -> Answer:
        form = answers(invitation.email, f"newcomer{number}-of-{invitation.pk}")
        return site.post(REGISTER, form, {"invitation_key": invitation.mail_key})

    def decline_by_form(invitation: InvitationKey, number: int) -> Answer:
        return site.post(DECLINE, {}, {"invitation_key": invitation.mail_key})

    def after(invitation: InvitationKey, got: list[Answer]) -> None:
        statuses = [x.status for x in got]
        won = [x for x in statuses if x != 410]
        assert len(won) == 1
        invitation.refresh_from_db()
        assert invitation.status == {302: "accepted", 200: "declined"}[won[0]]
        assert User.objects.filter(email=invitation.email).count() == invitation.uses
        books.check()

    short_arena.race(
        [register_by_form, decline_by_form],
        before=lambda number: make_held(inviter, f"round{number}@example.org"),
        after=after,
    )
