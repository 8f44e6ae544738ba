"""A whole room types a code at the same moment, and somebody beside it guesses."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from invitation.flows import sharing
from invitation.flows.after_commit import repeat
from invitation.flows.quota import Limit
from invitation.models import InvitationKey, ThrottleCounter
from tests.factories import DAY, make_user
from tests.races.arena import Arena
from tests.races.wire import Answer, Site

pytestmark = pytest.mark.django_db(transaction=True)

JOIN = "/accounts/join/"
#: Fewer than there are threads, so that those who come at once could fill it.
MOST = 2


def share(number: int) -> InvitationKey:
    ThrottleCounter.objects.all().delete()
    owner = make_user(f"owner{number}", is_superuser=True)
    return sharing.share(owner, label="Room", max_uses=None, expires_at=None)


def limits() -> list[Limit]:
    return [Limit("join:192.0.2.1", MOST, DAY), Limit("join", 1_000, DAY)]


def counts() -> set[int]:
    return set(ThrottleCounter.objects.values_list("count", flat=True))


def said(outcomes: list[Any]) -> Counter[str]:
    return Counter(str(getattr(one, "code", one)) for one in outcomes)


def right(link: InvitationKey, number: int) -> str:
    repeat(lambda: sharing.join(link.code, limits()))
    return "in"


def wrong(link: InvitationKey, number: int) -> None:
    repeat(lambda: sharing.join(f"0000-0000-{number:04}", limits()))


def test_no_right_code_is_refused_because_of_others(arena: Arena) -> None:
    def after(link: InvitationKey, outcomes: list[Any]) -> None:
        assert said(outcomes) == {"in": arena.threads}
        assert counts() == {0}

    arena.race([right], before=share, after=after)


def test_of_wrong_ones_at_once_so_many_are_looked_up(arena: Arena) -> None:
    def after(link: InvitationKey, outcomes: list[Any]) -> None:
        left = arena.threads - MOST
        assert said(outcomes) == {"invalid_code": MOST, "too_many_attempts": left}
        assert counts() == {MOST}

    arena.race([wrong], before=share, after=after)


def test_right_ones_before_the_last_wrong_one_come_in(arena: Arena) -> None:
    def after(link: InvitationKey, outcomes: list[Any]) -> None:
        found = said(outcomes)
        assert found["invalid_code"] == MOST
        # A right one is refused only after so many wrong ones, which is what the docs say.
        assert set(found) <= {"in", "invalid_code", "too_many_attempts"}
        assert counts() == {MOST}

    arena.race([right, wrong], before=share, after=after)


def test_a_room_comes_in_over_the_wire(short_arena: Arena, site: Site) -> None:
    def join(link: InvitationKey, number: int) -> Answer:
        return site.post(JOIN, {"code": link.code})

    def after(link: InvitationKey, outcomes: list[Answer]) -> None:
        assert {answer.status for answer in outcomes} == {302}

    short_arena.race([join], before=share, after=after)
