"""The site invites in its own name at the same moment: each address once, without errors."""

from __future__ import annotations

from typing import Any

import pytest

from invitation.addresses.recipients import Recipient
from invitation.flows import inviting, lists
from invitation.flows.lists import Verdict
from invitation.models import InvitationEmail, InvitationKey
from tests.races.arena import Arena, count

pytestmark = pytest.mark.django_db(transaction=True)

#: Of each round, because MariaDB keeps traces of what was just deleted.
rounds = iter(range(10**6))


def fresh(number: int) -> str:
    InvitationKey.objects.all().delete()
    return f"round{next(rounds)}.org"


def test_one_address_is_invited_once(arena: Arena) -> None:
    def invite(domain: str, number: int) -> str:
        return "created" if inviting.invite(None, f"kim@{domain}").created else "renewed"

    def after(domain: str, outcomes: list[Any]) -> None:
        assert count(outcomes) == {"created": 1, "renewed": arena.threads - 1}
        assert InvitationKey.objects.get().from_site
        assert InvitationEmail.objects.count() == 1

    arena.race([invite], before=fresh, after=after)


def test_lists_and_single_invitations_invite_nobody_twice(arena: Arena) -> None:
    def invite_list(domain: str, number: int) -> str:
        people = [Recipient(row, f"guest{row}@{domain}") for row in range(5)]
        made = lists.invite_many(None, people)
        assert made.count(Verdict.INVITED) + made.count(Verdict.ALREADY) == 5
        return "list"

    def invite(domain: str, number: int) -> str:
        inviting.invite(None, f"guest{number % 5}@{domain}")
        return "one"

    def after(domain: str, outcomes: list[Any]) -> None:
        assert set(count(outcomes)) == {"list", "one"}
        assert InvitationKey.objects.count() == InvitationEmail.objects.count() == 5

    arena.race([invite_list, invite], before=fresh, after=after)
