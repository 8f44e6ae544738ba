"""Opening and refusing links, and registration without any."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from django.contrib.auth.models import AnonymousUser
from django.test import Client, RequestFactory

from invitation.backends.simple.views import RegistrationView
from tests import scenes
from tests.bench.measuring import compare, queries_of
from tests.bench.stage import Stage
from tests.bench.table import Result

KEYS = 2000


def opened(stage: Stage) -> Iterator[Result]:
    """Compare both requests of a link with the floor's one."""
    keys, others = cycle(stage.pending(KEYS)), cycle(stage.floor_keys(KEYS))
    visitor = Client()

    def ours() -> None:
        visitor.cookies.clear()
        assert visitor.get(scenes.link(next(keys)[0])).status_code == 302
        assert visitor.get(scenes.LANDING).status_code == 200

    def floor() -> None:
        assert visitor.get(f"/floor/{next(others)}/").status_code == 200

    ratio = compare(ours, floor)
    note = f"{ratio.ours:.2f} over {ratio.other:.2f} ms"
    yield Result("open", ratio.value, ratio.low, ratio.high, note)
    yield Result("open.queries", queries_of(ours))


def refused(stage: Stage) -> Iterator[Result]:
    """Compare a link that nobody signed with the floor's unknown key."""
    keys, others = cycle(stage.pending(KEYS)), cycle(stage.floor_keys(KEYS))
    visitor = Client()

    def ours() -> None:
        key = next(keys)[0]
        forged = key[:-8] + key[-8:][::-1].swapcase()
        assert visitor.get(scenes.link(forged)).status_code == 404

    def floor() -> None:
        assert visitor.get(f"/floor/{next(others)[::-1]}/").status_code == 404

    ratio = compare(ours, floor)
    note = f"{ratio.ours:.2f} over {ratio.other:.2f} ms"
    yield Result("refuse", ratio.value, ratio.low, ratio.high, note)
    yield Result("refuse.queries", queries_of(ours))


def not_allowed(stage: Stage) -> Iterator[Result]:
    """Count the statements of a registration without an invitation in the request."""
    request = RequestFactory().get(scenes.REGISTER)
    request.user = AnonymousUser()
    view = RegistrationView()
    view.setup(request)
    direct = queries_of(view.registration_allowed)
    yield Result("allowed", max(direct, queries_of(lambda: Client().get(scenes.REGISTER))))
