"""Many people hold one key, and accounts are activated while somebody else deletes them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from invitation.backends.registration5.activation.accounts import key_for
from invitation.models import Acceptance, InvitationKey
from tests.factories import make_invitation, make_user
from tests.races import books
from tests.races.arena import Arena
from tests.races.people import claim, delete_account
from tests.races.wire import Answer, Site
from tests.scenes import REGISTER, answers

pytestmark = pytest.mark.django_db(transaction=True)
User = get_user_model()


@pytest.fixture
def inviter(settings: Any) -> Any:
    settings.INVITATIONS_PER_USER = None
    return make_user("inviter", is_staff=True, is_superuser=True)


@pytest.mark.parametrize("workflow", ["activation", "one_step"])
def test_one_key_signs_up_one_person_and_shows_the_others_a_page(
    arena: Arena,
    site: Site,
    inviter: Any,
    settings: Any,
    workflow: str,
    atomic_requests: bool,
) -> None:
    settings.ROOT_URLCONF = f"tests.hosts.registration5.urls_{workflow}"

    def before(number: int) -> InvitationKey:
        return make_invitation(inviter, f"round{number}@example.org")

    def sign_up(invitation: InvitationKey, number: int) -> Answer:
        form = answers(invitation.email, f"newcomer{number}-of-{invitation.pk}")
        return site.post(REGISTER, form, {"invitation_key": invitation.mail_key})

    def after(invitation: InvitationKey, got: list[Answer]) -> None:
        assert sorted(x.status for x in got) == [302] + [410] * (arena.threads - 1)
        invitation.refresh_from_db()
        assert (invitation.uses, invitation.status) == (1, "accepted")
        assert User.objects.filter(email=invitation.email).count() == 1
        assert Acceptance.objects.filter(invitation=invitation).count() == 1
        books.check_invitations()

    arena.race([sign_up], before=before, after=after)


def test_a_visitor_who_activates_never_meets_an_error(
    short_arena: Arena, site: Site, inviter: Any, atomic_requests: bool
) -> None:
    pairs = max(short_arena.threads // 2, 1)

    def before(number: int) -> list[Any]:
        made = []
        for n in range(pairs):
            invitation = make_invitation(inviter, f"n{number}-{n}@example.org")
            claim(invitation, f"newcomer-{invitation.pk}")
            made.append(User.objects.get(username=f"newcomer-{invitation.pk}"))
        return [(account, key_for(account)) for account in made]

    def activate(waiting: list[Any], number: int) -> Answer:
        _account, key = waiting[number // 2 % pairs]
        return site.post("/accounts/activate/", {"activation_key": key})

    def delete(waiting: list[Any], number: int) -> str:
        return delete_account(waiting[number // 2 % pairs][0].pk)

    def after(waiting: list[Any], outcomes: list[Any]) -> None:
        assert {got.status for got in outcomes if isinstance(got, Answer)} <= {200, 302}
        for account, _key in waiting:
            found = User.objects.filter(pk=account.pk).first()
            came = Acceptance.objects.filter(user=account.pk).first()
            assert (found is None) == (came is None)
            if found is not None and came is not None and found.is_active:
                assert came.activated_at is not None
        books.check_invitations()

    short_arena.race([activate, delete], before=before, after=after)
