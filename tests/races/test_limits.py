"""Members email at the same moment: of each limit, the last email is asked for once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from invitation.addresses.recipients import Recipient
from invitation.flows import inviting, lists, upkeep
from invitation.flows.lists import Verdict
from invitation.flows.mail import limits as limits_module
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota, MailCounter
from tests import scenes
from tests.factories import DAY
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import User, fresh

pytestmark = pytest.mark.django_db(transaction=True)

#: Whom each thread invites, so that all of them count for one limit and else for few.
WHOM: dict[str, Callable[[int], str]] = {
    "inviter": lambda number: f"guest{number}@{number}.round{Round.number}.org",
    "recipient": lambda number: f"guest+{number}@round{Round.number}.org",
    "domain": lambda number: f"guest{number}@round{Round.number}.org",
    "site": lambda number: f"guest{number}@{number}.round{Round.number}.org",
}


class Round:
    """Count the rounds of all tests."""

    number = 0


def members(arena: Arena) -> Callable[[int], list[Any]]:
    """Return what begins a round with empty tables and a new member for each thread."""

    def before(number: int) -> list[Any]:
        InvitationKey.objects.all().delete()
        InvitationQuota.objects.all().delete()
        # Emptied and not deleted, and other people in each round: of what was just deleted,
        # MariaDB keeps traces for a moment, of which those who insert it again may deadlock.
        MailCounter.objects.update(hours={})
        Round.number += 1
        names = [f"member{Round.number}-{thread}" for thread in range(arena.threads)]
        return [User.objects.create(username=name, email=f"{name}@x.org") for name in names]

    return before


def limit(settings: Any, **limits: int | None) -> None:
    settings.INVITATIONS_PER_USER = None
    settings.INVITATION_LIMITS = {**getattr(settings, "INVITATION_LIMITS", {}), **limits}


def check_books() -> int:
    """Check that all adds up, and return how many emails there are."""
    books.check()
    mails = InvitationEmail.objects.count()
    assert InvitationKey.objects.count() == mails
    return mails


@pytest.mark.parametrize("others", [10_000, None], ids=["beside_others", "alone"])
@pytest.mark.parametrize("name", WHOM)
def test_the_last_mail_of_a_limit_is_asked_for_once(
    arena: Arena, settings: Any, name: str, others: int | None
) -> None:
    most = 3
    limit(settings, **dict.fromkeys(WHOM, others) | {name: most})

    def invite(people: list[Any], number: int) -> str:
        member = people[0] if name == "inviter" else people[number]
        inviting.invite(member, WHOM[name](number))
        return "invited"

    def after(people: list[Any], outcomes: list[Any]) -> None:
        refused = {f"{name}_limit_reached": arena.threads - most}
        assert count(outcomes) == Counter({"invited": most, **refused})
        assert check_books() == most

    arena.race([invite], before=members(arena), after=after)


def test_many_who_reach_no_limit_are_all_let(arena: Arena, settings: Any) -> None:
    """Each wants counters of their own between those that all want: nobody deadlocks."""
    limit(settings, inviter=999, recipient=999, domain=999, site=999)

    def invite(people: list[Any], number: int) -> str:
        for turn in range(3):
            inviting.invite(
                people[number], f"guest{number}@{(number + turn) % 3}.round{Round.number}.org"
            )
        return "invited"

    def after(people: list[Any], outcomes: list[Any]) -> None:
        assert count(outcomes) == {"invited": arena.threads}
        assert check_books() == 3 * arena.threads
        most = max(sum(row.hours.values()) for row in MailCounter.objects.all())
        assert most == 3 * arena.threads

    arena.race([invite], before=members(arena), after=after)


def test_resending_and_inviting_share_the_limit_of_a_mailbox(arena: Arena, settings: Any) -> None:
    limit(settings, recipient=arena.threads, domain=999, site=999, inviter=999)
    people = members(arena)

    def before(number: int) -> list[tuple[Any, InvitationKey]]:
        found = [
            (x, scenes.invite(x, f"kim+{x.pk}@round{Round.number}.org")) for x in people(number)
        ]
        InvitationKey.objects.update(mail_requested_at=None)
        InvitationEmail.objects.update(state=InvitationEmail.State.SENT)
        MailCounter.objects.update(hours={})
        # Half of the room is taken already.
        for _email in range(arena.threads - arena.threads // 2):
            assert limits_module.has_counted(found[0][1], "reminder")
        return found

    def resend(stage: Any, number: int) -> str:
        inviting.resend(fresh(stage[number][1]))
        return "mailed"

    def invite(stage: Any, number: int) -> str:
        inviting.invite(stage[number][0], f"k.i.m+{number}@round{Round.number}.org")
        return "mailed"

    def after(stage: Any, outcomes: list[Any]) -> None:
        half = arena.threads // 2
        assert count(outcomes) == {"mailed": half, "recipient_limit_reached": half}
        books.check()

    arena.race([resend, invite], before=before, after=after)


@pytest.mark.parametrize("name", ["domain", "site"])
def test_lists_and_single_invitations_share_a_limit(
    short_arena: Arena, settings: Any, name: str
) -> None:
    """Lists of the same people, each in an order of its own."""
    most = 20
    limit(settings, inviter=999, recipient=999, domain=999, site=999)
    limit(settings, **{name: most})

    def invite_list(people: list[Any], number: int) -> int:
        guests = [f"guest{place}@round{Round.number}.org" for place in range(8)]
        some = guests if number % 4 else guests[::-1]
        rows = [Recipient(place, email) for place, email in enumerate(some, start=1)]
        batch = lists.invite_many(people[number], rows)
        invited = batch.count(Verdict.INVITED)
        assert invited + batch.count(Verdict.OVER_LIMIT) == 8
        return invited

    def invite(people: list[Any], number: int) -> int:
        inviting.invite(people[number], f"alone{number}@round{Round.number}.org")
        return 1

    def after(people: list[Any], outcomes: list[Any]) -> None:
        refused = [outcome for outcome in outcomes if not isinstance(outcome, int)]
        assert set(count(refused)) <= {f"{name}_limit_reached"}
        made = sum(outcome for outcome in outcomes if isinstance(outcome, int))
        half = short_arena.threads // 2
        assert made == check_books() == min(most, half * 9)

    short_arena.race([invite_list, invite], before=members(short_arena), after=after)


def test_cleanup_forgets_nothing_that_is_being_counted(short_arena: Arena, settings: Any) -> None:
    limit(settings, recipient=3, domain=999, site=999, inviter=999)
    start = members(short_arena)

    def before(number: int) -> list[Any]:
        people = start(number)
        scenes.invite(people[0], "kim@x.org")
        InvitationKey.objects.all().delete()
        MailCounter.objects.update(hours={}, updated_at=timezone.now() - 2 * DAY)
        return people

    def invite(people: list[Any], number: int) -> str:
        inviting.invite(people[number], f"kim+{number}@x.org")
        return "invited"

    def clean_up(people: list[Any], number: int) -> str:
        upkeep.forget_mail_counts()
        return "cleaned"

    def after(people: list[Any], outcomes: list[Any]) -> None:
        half = short_arena.threads // 2
        told = Counter({"invited": min(3, half), "cleaned": half})
        if half > 3:
            told["recipient_limit_reached"] = half - 3
        assert count(outcomes) == told

    short_arena.race([invite, clean_up], before=before, after=after)
