"""Accounts are activated by their holders while somebody else deletes them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from registration.models import RegistrationProfile

from invitation.models import Acceptance
from tests.factories import make_user
from tests.races import books
from tests.races.arena import Arena
from tests.races.people import claim, delete_account, make_held
from tests.races.wire import Answer, Site, session_of

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()
URLS = ["urls", "urls_admin_approval", "faults.urls_classic"]


@pytest.fixture
def staff() -> dict[str, str]:
    return session_of(make_user("staff", is_staff=True, is_superuser=True))


def make_waiting(inviter: Any, number: int, *, supervised: bool = False) -> list[Any]:
    """Return profiles of people who have registered and are not active yet."""
    profiles = RegistrationProfile
    if supervised:
        from registration.models import SupervisedRegistrationProfile as profiles  # noqa: N813
    made = []
    for n in range(number):
        invitation = make_held(inviter, f"n{number}-{n}-{inviter.pk}@example.org")
        claim(invitation, f"newcomer-{invitation.pk}")
        account = User.objects.get(username=f"newcomer-{invitation.pk}")
        made.append(profiles.objects.create_profile(account))
    return made


def check(profiles: list[Any]) -> None:
    """See that each account is active and tied to its invitation, or gone without a trace."""
    for profile in profiles:
        came = Acceptance.objects.filter(user=profile.user_id).first()
        account = User.objects.filter(pk=profile.user_id).first()
        assert (account is None) == (came is None)
        if account is not None and came is not None and account.is_active:
            assert came.activated_at is not None
        left = RegistrationProfile.objects.filter(pk=profile.pk).exists()
        assert left == (account is not None)
    books.check_invitations()


@pytest.mark.parametrize("urls", URLS)
def test_a_visitor_who_activates_never_meets_an_error(
    short_arena: Arena,
    site: Site,
    settings: Any,
    staff: dict[str, str],
    urls: str,
    atomic_requests: bool,
) -> None:
    settings.ROOT_URLCONF = f"tests.{urls}"
    pairs = max(short_arena.threads // 2, 1)

    def before(number: int) -> list[Any]:
        inviter = make_user(f"inviter{number}")
        return make_waiting(inviter, pairs, supervised="approval" in urls)

    def activate(profiles: list[Any], number: int) -> Answer:
        profile = profiles[number // 2 % pairs]
        return site.post(f"/accounts/activate/{profile.activation_key}/", {})

    def delete(profiles: list[Any], number: int) -> str:
        return delete_account(profiles[number // 2 % pairs].user_id)

    def after(profiles: list[Any], outcomes: list[Any]) -> None:
        assert {got.status for got in outcomes if isinstance(got, Answer)} <= {200, 302}
        check(profiles)

    short_arena.race([activate, delete], before=before, after=after)
