"""Many people hold one key, one address or one link, and all sign up at once through allauth."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model

from invitation.flows import arriving, sharing
from invitation.models import Acceptance, InvitationKey
from tests.factories import make_invitation, make_user
from tests.races import books
from tests.races.arena import PATIENCE, Arena
from tests.races.wire import Answer, Site
from tests.scenes import answers

SIGNUP = "/accounts/signup/"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def inviter(settings: Any) -> Any:
    settings.INVITATIONS_PER_USER = None
    return make_user("inviter", is_staff=True, is_superuser=True)


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch, arena: Arena) -> None:
    """Let nobody claim before all of them have passed the gate and the checks of the form."""
    claiming = arriving.claiming
    past_the_gate = threading.Barrier(arena.threads, timeout=PATIENCE)
    seen: Counter[str] = Counter()

    def late(*args: Any, **kwargs: Any) -> Any:
        # Once in each round: a claim that the database undoes is made again.
        name, key = threading.current_thread().name, str(args[0].invitation.pk)
        if not seen[f"{name} {key}"]:
            seen[f"{name} {key}"] += 1
            past_the_gate.wait()
        return claiming(*args, **kwargs)

    monkeypatch.setattr(arriving, "claiming", late)


def people(invitation: InvitationKey) -> int:
    accounts = [entry.user for entry in Acceptance.objects.filter(invitation=invitation)]
    assert EmailAddress.objects.filter(user__in=accounts).count() == len(accounts)
    return len(accounts)


@pytest.mark.usefixtures("together")
def test_one_key_signs_up_one_person_and_shows_the_others_a_page(
    arena: Arena, site: Site, inviter: Any, atomic_requests: bool
) -> None:
    def before(number: int) -> InvitationKey:
        return make_invitation(inviter, f"round{number}@example.org")

    def sign_up(invitation: InvitationKey, number: int) -> Answer:
        form = answers(invitation.email, f"newcomer{number}-of-{invitation.pk}")
        return site.post(SIGNUP, form, {"invitation_key": invitation.mail_key})

    def after(invitation: InvitationKey, got: list[Answer]) -> None:
        assert sorted(x.status for x in got) == [302] + [410] * (arena.threads - 1)
        assert all("This invitation was already used" in x.text for x in got if x.status == 410)
        invitation.refresh_from_db()
        assert (invitation.uses, invitation.status) == (1, "accepted")
        assert get_user_model().objects.filter(email=invitation.email).count() == 1
        assert people(invitation) == 1
        books.check_invitations()

    arena.race([sign_up], before=before, after=after)


def test_one_address_with_two_keys_gets_one_account(arena: Arena, site: Site, inviter: Any) -> None:
    second = make_user("second", is_staff=True, is_superuser=True)

    def before(number: int) -> list[InvitationKey]:
        email = f"round{number}@example.org"
        return [make_invitation(inviter, email), make_invitation(second, email)]

    def sign_up(invitations: list[InvitationKey], number: int) -> Answer:
        invitation = invitations[number % 2]
        form = answers(invitation.email, f"newcomer{number}-of-{invitation.pk}")
        return site.post(SIGNUP, form, {"invitation_key": invitation.mail_key})

    def after(invitations: list[InvitationKey], got: list[Answer]) -> None:
        email = invitations[0].email
        assert {x.status for x in got} <= {302, 410}
        # allauth keeps a verified address unique in the database.
        assert EmailAddress.objects.filter(email=email, verified=True).count() == 1
        used = sum(map(people, invitations))
        assert used == get_user_model().objects.filter(email=email).count() == 1
        books.check_invitations()

    arena.race([sign_up], before=before, after=after)


@pytest.mark.parametrize("places", [1, 3])
def test_the_last_uses_of_a_shared_link_are_taken_once(
    arena: Arena, site: Site, inviter: Any, places: int
) -> None:
    def before(number: int) -> InvitationKey:
        return sharing.share(inviter, label=f"{number}", max_uses=places, expires_at=None)

    def sign_up(invitation: InvitationKey, number: int) -> Answer:
        name = f"newcomer{number}-of-{invitation.pk}"
        form = answers(f"{name}@example.org", name)
        return site.post(SIGNUP, form, {"invitation_key": invitation.key})

    def after(invitation: InvitationKey, got: list[Answer]) -> None:
        counted = Counter(x.status for x in got)
        assert counted == {302: places, 410: arena.threads - places}
        assert people(invitation) == places
        made = get_user_model().objects.filter(username__endswith=f"-of-{invitation.pk}")
        assert made.count() == places
        books.check_invitations()

    arena.race([sign_up], before=before, after=after)
