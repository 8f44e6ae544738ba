"""Lists: a member's own, and those of the admin."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from itertools import cycle
from urllib.parse import urlencode

from django.db import connection
from django.test import Client

from invitation.models import InvitationKey
from tests.bench.measuring import compare, seconds_of
from tests.bench.stage import MANY_OWN, Stage
from tests.bench.table import Result

OWN = "/accounts/invitations/"
ADMIN = "/admin/invitation"
PAGE = 300

#: The list over the floor's page, at the smallest size of this run.
_first: dict[str, tuple[int, float]] = {}


def own(stage: Stage) -> Iterator[Result]:
    """Compare a member's list with the same at the smallest size; both over the floor's page."""
    browser, keys = stage.browser(stage.lister), cycle(stage.floor_keys(500))

    def ours() -> None:
        assert browser.get(OWN).status_code == 200

    ratio = compare(ours, lambda: browser.get(f"/floor/{next(keys)}/"))
    size, first = _first.setdefault("own", (stage.size, ratio.value))
    note = f"{ratio.ours:.1f} ms; {ratio.value:.1f} x the floor's page"
    if size != stage.size:
        low, high = ratio.low / first, ratio.high / first
        note += f", {first:.1f} x at {size:,} rows"
        yield Result("member", ratio.value / first, low, high, note)


def late_page(stage: Stage) -> Iterator[Result]:
    """Compare page 300 of ten thousand own invitations with page 1."""
    stage.write_many_own()
    browser = stage.browser(stage.many)
    late = _address_of_page(browser, stage, PAGE)
    first = browser.get(OWN).content
    assert late != OWN
    assert browser.get(late).content != first
    ratio = compare(lambda: browser.get(late), lambda: browser.get(OWN))
    note = f"{ratio.ours:.1f} over {ratio.other:.1f} ms"
    yield Result("member.page300", ratio.value, ratio.low, ratio.high, note)
    assert len(MANY_OWN) > PAGE * 25


def _address_of_page(browser: Client, stage: Stage, number: int) -> str:
    """Return the address of a page. The link to the second one names the last row of the first."""
    found = re.search(r'rel="next" href="\?before=(\d+)"', browser.get(OWN).content.decode())
    assert found is not None
    own = InvitationKey.objects.filter(from_user=stage.many).order_by("-pk")
    newest = list(own.values_list("pk", flat=True))
    size = newest.index(int(found.group(1))) + 1
    return f"{OWN}?before={newest[size * (number - 1) - 1]}"


# -- the admin --------------------------------------------------------------------------------


def admin(stage: Stage) -> Iterator[Result]:
    """Measure the admin's lists, in seconds, and how many rows they read."""
    browser = stage.browser(stage.boss)
    invitations = f"{ADMIN}/invitationkey/"
    status = InvitationKey.Status
    one = stage.email_of(stage.size // 2 + 51)
    searched = [one, one.partition("@")[0], "nobody@nowhere.example", "nobody"]
    pages = {
        "admin.invitations": [invitations],
        "admin.state": [f"{invitations}?state={state}" for state in (*status.values, "overdue")],
        "admin.search": [f"{invitations}?{urlencode({'q': text})}" for text in searched],
        "admin.mails": [f"{ADMIN}/invitationemail/"],
        "admin.ledger": [f"{ADMIN}/quotaentry/"],
    }
    for name, addresses in pages.items():
        slowest = max((*_seconds(browser, address), address) for address in addresses)
        seconds, low, high, read, address = slowest
        rows = "" if read is None else f"{read:,} rows read"
        note = f"{rows} {address.partition('?')[2]}".strip()
        yield Result(name, seconds, low, high, note)


def _seconds(browser: Client, address: str) -> tuple[float, float, float, int | None]:
    """Return the least seconds of a page, twice, their median, and how many rows it reads.

    The least, because a busy machine only adds to it and nothing is compared.
    """

    def ask() -> None:
        assert browser.get(address).status_code == 200

    seconds_of(ask)
    before = _rows_read()
    seconds = [seconds_of(ask)]
    after = _rows_read()
    # A page that is far too slow need not be asked for again.
    while len(seconds) < 4 and sum(seconds) < 1.5:
        seconds.append(seconds_of(ask))
    read = None if before is None or after is None else after - before
    return min(seconds), min(seconds), statistics.median(seconds), read


def _rows_read() -> int | None:
    """Return how many rows and index entries PostgreSQL has read so far; else ``None``."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables)"
            " + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)"
        )
        (read,) = cursor.fetchone()
    return int(read)
