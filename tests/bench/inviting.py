"""Inviting one person, with few accounts on the site and with a million."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from django.contrib.auth import get_user_model
from django.core import mail

from tests import scenes
from tests.bench import seeding
from tests.bench.measuring import Ratio, compare, queries_of
from tests.bench.stage import BLOCK, Stage
from tests.bench.table import Result

ACCOUNTS = 1_000_000

_number = count()


def _compare(stage: Stage) -> tuple[Ratio, int]:
    browser = stage.browser(stage.member)
    mail.outbox = []

    def sent(address: str) -> None:
        email = f"guest{next(_number)}@site{next(_number) % 1000}.example.org"
        assert browser.post(address, {"email": email}).status_code == 302
        assert mail.outbox.pop().to == [email]

    def ours() -> None:
        sent(scenes.INVITE)

    ratio = compare(ours, lambda: sent("/floor/invite/"))
    return ratio, queries_of(ours)


def invited(stage: Stage) -> Iterator[Result]:
    """Compare the form that invites with the floor's."""
    ratio, queries = _compare(stage)
    note = f"{ratio.ours:.2f} over {ratio.other:.2f} ms"
    yield Result("invite", ratio.value, ratio.low, ratio.high, note)
    yield Result("invite.queries", queries)


def invited_among_accounts(stage: Stage) -> Iterator[Result]:
    """Compare them where the site has as many accounts as invitations.

    It is measured last. The accounts stay: to delete them would take longer than all of this.
    """
    model: Any = get_user_model()
    known = model._default_manager.latest("pk")
    begin, block = known.pk + 1, min(stage.size, BLOCK) if seeding.can_repeat() else stage.size
    seeding.write(
        known,
        range(begin, begin + block),
        lambda n: {"id": n, "username": f"account{n}", "email": f"Account{n}@mail{n % 9}.example"},
    )
    for more in range(block, stage.size, block):
        number = f"(id + {more})"
        email = f"'Account' || {number} || '@mail' || {number} % 9 || '.example'"
        changes = {"id": number, "username": f"'account' || {number}", "email": email}
        rows = min(block, stage.size - more)
        seeding.repeat(model, range(begin, begin + block), rows, changes)
    seeding.begin_at(known.pk + stage.size + 10, [known])
    seeding.settle()
    ratio, _ = _compare(stage)
    note = f"{ratio.ours:.2f} over {ratio.other:.2f} ms; {stage.size:,} accounts"
    yield Result("accounts", ratio.value, ratio.low, ratio.high, note)
