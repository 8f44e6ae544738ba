"""Many suppress an address at once, and lift it meanwhile: one row, and nobody is refused."""

from __future__ import annotations

from typing import Any

import pytest

from invitation.flows import mail
from invitation.keys import unsubscribing
from invitation.models import SuppressedAddress
from tests.factories import ADDRESS
from tests.races.arena import Arena, count

pytestmark = pytest.mark.django_db(transaction=True)
Reason = SuppressedAddress.Reason


def unsubscribe(token: str, number: int) -> bool:
    return mail.unsubscribe(token)


def suppress(token: str, number: int) -> bool:
    return mail.suppress(ADDRESS, Reason.COMPLAINED)


def bounce(token: str, number: int) -> bool:
    return mail.report_bounce(ADDRESS)


def lift(token: str, number: int) -> bool:
    return mail.lift(ADDRESS)


def fresh(number: int) -> str:
    SuppressedAddress.objects.all().delete()
    return unsubscribing.make_token(ADDRESS)


def test_of_many_one_writes_the_row(arena: Arena) -> None:
    def after(token: str, outcomes: list[Any]) -> None:
        assert count(outcomes) == {"True": 1, "False": arena.threads - 1}
        assert SuppressedAddress.objects.get().reason == Reason.COMPLAINED

    arena.race([suppress], before=fresh, after=after)


def test_what_people_want_is_left_whoever_was_first(arena: Arena) -> None:
    def after(token: str, outcomes: list[Any]) -> None:
        assert SuppressedAddress.objects.get().reason in (Reason.UNSUBSCRIBED, Reason.COMPLAINED)

    arena.race([unsubscribe, bounce, suppress], before=fresh, after=after)


def test_lifting_in_between_breaks_nothing(short_arena: Arena) -> None:
    def after(token: str, outcomes: list[Any]) -> None:
        assert SuppressedAddress.objects.count() <= 1
        mail.unsubscribe(token)
        assert mail.is_suppressed(ADDRESS)

    short_arena.race([unsubscribe, lift, bounce], before=fresh, after=after)
