"""A list of ten thousand people, rows only, over the floor's two ``bulk_create``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from typing import Any

from django.contrib.auth import get_user_model
from django.test import override_settings

from invitation.addresses import recipients as reading
from invitation.flows import lists
from tests.bench import alone
from tests.bench.floor import work
from tests.bench.measuring import compare
from tests.bench.stage import OUTBOX, Stage
from tests.bench.table import Result

NUMBER = 10_000

_number = count()


def emails(number: int) -> list[str]:
    """Return addresses that nobody has invited, at a thousand domains."""
    turn = f"{os.getpid()}.{next(_number)}"
    return [f"list{turn}.{n}@site{n % 1000}.example.org" for n in range(number)]


def recipients(number: int) -> list[reading.Recipient]:
    """Return such a list as the reader of lists gives it."""
    return [reading.Recipient(n, email, f"Person {n}") for n, email in enumerate(emails(number), 1)]


def invite_these(people: list[reading.Recipient]) -> None:
    """Invite them in the name of the member, without sending."""
    member: Any = get_user_model()._default_manager.get(username="boss")
    with override_settings(INVITATION_DELIVERY=OUTBOX):
        done = lists.invite_many(member, people, site_id=1)
    assert done.count(lists.Verdict.INVITED) == len(people)


def invite(number: int) -> None:
    """Invite so many people."""
    invite_these(recipients(number))


def listed(stage: Stage) -> Iterator[Result]:
    """Compare a list with the floor's."""
    invite(100)
    ours = alone.said_by(alone.start("list", str(NUMBER)))
    ratio = compare(
        lambda: invite(NUMBER),
        lambda: work.invite_many(stage.boss, emails(NUMBER)),
        warm=0,
        rounds=(3, 3),
        seconds=8,
        turn=0,
    )
    note = f"{ratio.ours / 1000:.2f} over {ratio.other / 1000:.2f} s"
    yield Result("list", ratio.value, ratio.low, ratio.high, note)
    yield Result("list.queries", ours["statements"])
    yield Result("list.memory", ours["megabytes"])
