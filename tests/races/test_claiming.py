"""Many people hold one key, and all of them register at once."""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from invitation import signals
from invitation.flows import arriving, sharing
from invitation.flows.after_commit import repeat
from invitation.models import Acceptance, InvitationKey
from tests.factories import make_invitation, make_user
from tests.races import books
from tests.races.arena import PATIENCE, Arena, count
from tests.races.nodes import NODES
from tests.races.people import User, claim, make_account
from tests.races.wire import Answer, Site
from tests.scenes import REGISTER, Crash, answers, received

pytestmark = pytest.mark.django_db(transaction=True)

ATTEMPTS = int(os.environ.get("INVITATION_TEST_ATTEMPTS", 100))


def address(number: int) -> str:
    return f"round{number}@example.org"


@pytest.fixture
def inviter() -> Any:
    return make_user("inviter")


def carry(invitation: InvitationKey) -> dict[str, str]:
    """Return the cookies of somebody who has followed the link of an invitation."""
    return {"invitation_key": invitation.mail_key}


def check_registered_once(invitation: InvitationKey) -> None:
    invitation.refresh_from_db()
    assert (invitation.uses, invitation.status) == (1, "accepted")
    account = User.objects.get(email=invitation.email)
    assert Acceptance.objects.get(invitation=invitation).user == account
    books.check_invitations()


@pytest.mark.parametrize("urls", ["tests.urls", "tests.urls_simple", "tests.urls_verified"])
def test_one_key_registers_one_account_and_shows_the_others_a_page(
    arena: Arena,
    short_arena: Arena,
    site: Site,
    inviter: Any,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    atomic_requests: bool,
    urls: str,
) -> None:
    settings.ROOT_URLCONF = urls
    if atomic_requests or urls != "tests.urls":
        arena = short_arena
    claim_alone = arriving.claim
    past_the_gate = threading.Barrier(arena.threads, timeout=PATIENCE)
    together = False
    waited: set[str] = set()

    def claim_together(*args: Any, **kwargs: Any) -> Any:
        # Once each: a claim that the database undoes is made again, by some of them.
        name = threading.current_thread().name
        if together and name not in waited:
            waited.add(name)
            past_the_gate.wait()
        return claim_alone(*args, **kwargs)

    monkeypatch.setattr(arriving, "claim", claim_together)

    def before(number: int) -> InvitationKey:
        # In every other round nobody claims before all of them have passed the gate.
        nonlocal together
        together = number % 2 == 0
        waited.clear()
        return make_invitation(inviter, address(number))

    def register(invitation: InvitationKey, number: int) -> Answer:
        form = answers(invitation.email, f"newcomer{number}-of-{invitation.pk}")
        return site.post(REGISTER, form, carry(invitation))

    def after(invitation: InvitationKey, got: list[Answer]) -> None:
        assert sorted(x.status for x in got) == [302] + [410] * (arena.threads - 1)
        assert all("This invitation was already used" in x.text for x in got if x.status == 410)
        check_registered_once(invitation)

    with received(signals.invitation_accepted) as accepted:
        arena.race([register], before=before, after=after)
    assert len(accepted) == arena.rounds


def test_of_many_attempts_at_a_key_so_many_succeed_as_it_has_uses(
    arena: Arena, site: Site, settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = None
    site.tries_again = bool(NODES)
    inviter = make_user("owner", is_staff=True, is_superuser=True)
    places = ATTEMPTS // 4
    turns = itertools.count()

    def before(number: int) -> tuple[InvitationKey, InvitationKey]:
        alone = make_invitation(inviter, "alone@example.org")
        return alone, sharing.share(inviter, label="many", max_uses=places, expires_at=None)

    def attempt(invitations: tuple[InvitationKey, InvitationKey], number: int) -> Counter[Any]:
        alone, many = invitations
        got: Counter[Any] = Counter()
        while (turn := next(turns)) < ATTEMPTS:
            if turn % 2:
                key, email = alone.mail_key, alone.email
            else:
                key, email = many.key, f"newcomer{turn}@example.org"
            form = answers(email, f"newcomer{turn}")
            got[turn % 2, site.post(REGISTER, form, {"invitation_key": key}).status] += 1
        return got

    def after(invitations: Any, got: list[Counter[Any]]) -> None:
        counts = sum(got, Counter[Any]())
        print(counts, len(site.busy))  # noqa: T201 (the figures are in the docs)
        assert len(site.busy) <= ATTEMPTS // 1000
        for number, uses in enumerate((places, 1)):
            assert counts[number, 302] == uses
            # 200: the form says that the winner of the other key has this address.
            told = counts[number, 410] + counts[number, 200] * number
            assert counts[number, 302] + told == ATTEMPTS // 2
            invitation = InvitationKey.objects.get(pk=invitations[1 - number].pk)
            assert (invitation.uses, invitation.acceptances.count()) == (uses, uses)
        assert User.objects.filter(username__startswith="newcomer").count() == places + 1
        books.check_invitations()

    # All attempts are one round.
    patience = max(PATIENCE, ATTEMPTS / 20)
    replace(arena, rounds=1, patience=patience).race([attempt], before=before, after=after)


def test_a_form_that_is_sent_many_times_registers_once(
    short_arena: Arena, site: Site, inviter: Any
) -> None:
    def register(invitation: InvitationKey, number: int) -> Answer:
        form = answers(invitation.email, f"newcomer-of-{invitation.pk}")
        return site.post(REGISTER, form, carry(invitation))

    def after(invitation: InvitationKey, got: list[Answer]) -> None:
        statuses = [x.status for x in got]
        assert statuses.count(302) == 1
        # Who came after the winner's commit is told so by the form, or by the gate.
        assert set(statuses) <= {302, 200, 410}
        assert all("already exists" in x.text for x in got if x.status == 200)
        check_registered_once(invitation)

    short_arena.race([register], before=lambda n: make_invitation(inviter, address(n)), after=after)


def test_two_keys_and_one_name_make_one_account(
    short_arena: Arena, site: Site, inviter: Any
) -> None:
    def before(number: int) -> list[InvitationKey]:
        return [make_invitation(inviter, f"{side}{number}@example.org") for side in "ab"]

    def register(invitations: list[InvitationKey], number: int) -> Answer:
        invitation = invitations[number % 2]
        form = answers(invitation.email, f"same-name-{invitations[0].pk}")
        return site.post(REGISTER, form, carry(invitation))

    def after(invitations: list[InvitationKey], got: list[Answer]) -> None:
        statuses = [x.status for x in got]
        assert statuses.count(302) == 1
        assert set(statuses) <= {302, 200, 410}
        uses = [InvitationKey.objects.get(pk=x.pk).uses for x in invitations]
        assert sorted(uses) == [0, 1]
        books.check_invitations()

    short_arena.race([register], before=before, after=after)


def test_a_key_is_claimed_by_exactly_one(arena: Arena, inviter: Any) -> None:
    def after(invitation: InvitationKey, outcomes: list[Any]) -> None:
        assert count(outcomes) == {"claimed": 1, "no_uses_left_key": arena.threads - 1}
        check_registered_once(invitation)

    arena.race(
        [lambda invitation, number: claim(invitation, f"user{number}-{invitation.pk}")],
        before=lambda number: make_invitation(inviter, address(number)),
        after=after,
    )


def test_a_key_for_several_is_claimed_by_so_many(short_arena: Arena, inviter: Any) -> None:
    places = short_arena.threads // 4

    def after(invitation: InvitationKey, outcomes: list[Any]) -> None:
        assert count(outcomes) == {
            "claimed": places,
            "no_uses_left_key": short_arena.threads - places,
        }
        assert InvitationKey.objects.get(pk=invitation.pk).uses == places
        assert User.objects.filter(email=invitation.email).count() == places
        books.check_invitations()

    short_arena.race(
        [lambda invitation, number: claim(invitation, f"user{number}-{invitation.pk}")],
        before=lambda number: make_invitation(inviter, address(number), max_uses=places),
        after=after,
    )


def test_a_registration_that_fails_leaves_the_key_to_the_next(
    short_arena: Arena, inviter: Any
) -> None:
    def fail(invitation: InvitationKey, number: int) -> str:
        def create() -> Any:
            make_account(f"failed{number}-{invitation.pk}", invitation.email)
            raise Crash

        try:
            opened = arriving.Opened(invitation, "mail", invitation.mail_key)
            repeat(lambda: arriving.claim(opened, create, email=invitation.email))
        except Crash:
            return "crashed"
        raise AssertionError("The claim did not fail.")

    def after(invitation: InvitationKey, outcomes: list[Any]) -> None:
        counts = count(outcomes)
        assert counts["claimed"] == 1
        assert set(counts) <= {"claimed", "crashed", "no_uses_left_key"}
        check_registered_once(invitation)

    short_arena.race(
        [fail, lambda invitation, number: claim(invitation, f"user{number}-{invitation.pk}")],
        before=lambda number: make_invitation(inviter, address(number)),
        after=after,
    )
