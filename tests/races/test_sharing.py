"""Many people use one shared link at once, while its owner changes or closes it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Sum
from django.utils import timezone

from invitation import keys
from invitation.flows import arriving, sharing, upkeep
from invitation.flows.after_commit import repeat, retrying
from invitation.models import InvitationKey, InvitationQuota, QuotaEntry, ThrottleCounter
from tests.factories import make_user, spent
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import User, fresh, make_account
from tests.races.wire import Answer, Site
from tests.scenes import REGISTER, answers

pytestmark = pytest.mark.django_db(transaction=True)

PLACES = 5


@pytest.fixture
def owner(settings: Any) -> Any:
    settings.INVITATIONS_PER_USER = 100_000
    return make_user("owner", is_staff=True, is_superuser=True)


def share(owner: Any, number: int, places: int | None = PLACES, **fields: Any) -> InvitationKey:
    fields = {"label": f"round {number}", "expires_at": None, **fields}
    return sharing.share(owner, max_uses=places, **fields)


def come(link: InvitationKey, number: int) -> str:
    """Register somebody who has opened the link while it was still open."""
    name = f"user{number}-of-{link.pk}"
    opened = arriving.Opened(fresh(link), keys.COPY, link.key)
    email = f"{name}@example.org"
    repeat(lambda: arriving.claim(opened, lambda: make_account(name), email=email))
    return "came"


def edit(link: InvitationKey, places: int | None, **changes: Any) -> None:
    terms: dict[str, Any] = {"label": link.label, "expires_at": None, **changes}
    sharing.edit_shared(fresh(link), max_uses=places, **terms)


def check_ledger(owner: Any) -> None:
    """See that the sum of the ledger is what the counter says, and that it is what is held."""
    quota = InvitationQuota.objects.get(inviter=owner)
    written = QuotaEntry.objects.filter(inviter=owner).aggregate(sum=Sum("change"))["sum"]
    assert written == quota.granted - quota.spent
    books.check()


def test_the_last_uses_go_to_exactly_so_many(arena: Arena, owner: Any) -> None:
    def after(link: InvitationKey, outcomes: list[Any]) -> None:
        places = min(PLACES, arena.threads)
        assert count(outcomes)["came"] == places
        assert set(count(outcomes)) <= {"came", "no_uses_left_key"}
        assert User.objects.filter(username__endswith=f"-of-{link.pk}").count() == places
        row = fresh(link)
        assert (row.uses, row.status == "accepted") == (places, places == PLACES)
        check_ledger(owner)

    arena.race([come], before=lambda number: share(owner, number), after=after)


def test_so_do_they_over_the_wire(
    short_arena: Arena, site: Site, owner: Any, atomic_requests: bool
) -> None:
    def register(link: InvitationKey, number: int) -> Answer:
        name = f"user{number}-of-{link.pk}"
        return site.post(
            REGISTER, answers(f"{name}@example.org", name), {"invitation_key": link.key}
        )

    def after(link: InvitationKey, got: list[Answer]) -> None:
        places = min(3, short_arena.threads)
        statuses = Counter(answer.status for answer in got)
        assert statuses[302] == places
        assert set(statuses) <= {302, 410}
        assert User.objects.filter(username__endswith=f"-of-{link.pk}").count() == places
        check_ledger(owner)

    short_arena.race([register], before=lambda n: share(owner, n, 3), after=after)


def test_no_link_is_reduced_below_those_who_come(arena: Arena, owner: Any) -> None:
    def reduce(link: InvitationKey, number: int) -> str:
        if number:
            return come(link, number)
        edit(link, 2)
        return "reduced"

    def after(link: InvitationKey, outcomes: list[Any]) -> None:
        counts = count(outcomes)
        row = fresh(link)
        assert row.max_uses == (2 if counts["reduced"] else PLACES)
        assert row.uses == counts["came"] <= row.max_uses
        assert set(counts) <= {
            "came",
            "reduced",
            "no_uses_left_key",
            "too_few_uses",
            "not_pending",
        }
        assert row.quota_held == row.max_uses
        check_ledger(owner)

    arena.race([reduce], before=lambda number: share(owner, number), after=after)


def test_a_link_that_is_closed_gives_back_what_nobody_used(arena: Arena, owner: Any) -> None:
    def close(link: InvitationKey, number: int) -> str:
        if number > 1:
            return come(link, number)
        sharing.close(fresh(link))
        return "closed"

    def after(link: InvitationKey, outcomes: list[Any]) -> None:
        counts = count(outcomes)
        row = fresh(link)
        assert set(counts) <= {
            "came",
            "closed",
            "not_pending",
            "revoked_key",
            "no_uses_left_key",
        }
        assert row.uses == counts["came"] == row.quota_held or row.status == "accepted"
        returned = QuotaEntry.objects.filter(invitation=link, reason="returned")
        changes = list(returned.values_list("change", flat=True))
        unused = PLACES - row.uses
        assert changes == ([unused] if unused else [])
        assert counts["closed"] == (1 if row.status == "revoked" else 0)
        check_ledger(owner)

    arena.race([close], before=lambda number: share(owner, number), after=after)


def test_edits_closes_and_new_links_of_one_member_block_nobody(
    short_arena: Arena, owner: Any
) -> None:
    """Row before quota, quota before a new row: whoever has one of them waits for no other."""

    def enlarge(link: InvitationKey, number: int) -> str:
        edit(link, PLACES + number, word=f"word-{link.pk}-{number % 3}")
        return "edited"

    def another(link: InvitationKey, number: int) -> str:
        share(owner, number, 2, word=f"word-{link.pk}-{number % 3}")
        return "made"

    def close(link: InvitationKey, number: int) -> str:
        sharing.close(fresh(link))
        return "closed"

    def expire(link: InvitationKey, number: int) -> str:
        upkeep.expire()
        return "expired"

    def after(link: InvitationKey, outcomes: list[Any]) -> None:
        allowed = {"edited", "made", "closed", "expired", "came"}
        assert set(count(outcomes)) <= allowed | {
            "not_pending",
            "word_taken",
            "too_few_uses",
            "revoked_key",
            "no_uses_left_key",
        }
        kept = Counter[int]()
        assert spent(owner) >= 0
        books.check_invitations()
        books.check_quotas(kept)

    short_arena.race(
        [enlarge, another, come, close, expire, come],
        before=lambda number: share(owner, number),
        after=after,
    )


def test_no_more_attempts_are_counted_than_the_limit(arena: Arena) -> None:
    def attempt(scope: bytes, number: int) -> str:
        hit = retrying(ThrottleCounter.objects.hit)
        counted = hit(scope, 3, timedelta(hours=1), timezone.now())
        return "counted" if counted else "stopped"

    def after(scope: bytes, outcomes: list[Any]) -> None:
        assert count(outcomes)["counted"] == min(3, arena.threads)
        assert ThrottleCounter.objects.get(scope=scope).count == min(3, arena.threads)

    arena.race([attempt], before=lambda number: b"round %d" % number, after=after)


def test_a_window_that_is_over_begins_again_once(arena: Arena) -> None:
    hour = timedelta(hours=1)

    def before(number: int) -> bytes:
        start = timezone.now() - 2 * hour
        scope = str(number).encode()
        return ThrottleCounter.objects.create(scope=scope, window_start=start, count=3).scope

    def attempt(scope: bytes, number: int) -> str:
        if number == 0:
            now = timezone.now()
            retrying(ThrottleCounter.objects.forget)(now - hour, 10, now)
            return "cleaned"
        return str(retrying(ThrottleCounter.objects.hit)(scope, 3, hour, timezone.now()))

    def after(scope: bytes, outcomes: list[Any]) -> None:
        assert count(outcomes)["True"] == min(3, arena.threads - 1)

    arena.race([attempt], before=before, after=after)
