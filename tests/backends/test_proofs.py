"""Which addresses count as proven by default, and why nobody gets in by typing one."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.core import mail
from django.test import Client
from registration.models import RegistrationProfile

from invitation import keys
from invitation.backends.proofs import activated_address, invited_address
from tests import scenes
from tests.factories import make_invitation, make_user, register
from tests.scenes import NEWCOMER, REGISTER, answers

pytestmark = pytest.mark.django_db


def make_member(name: str = "ann", *, activated: bool = True, **fields: Any) -> Any:
    """Return a member who registered with redux, and has followed its mail or not."""
    user = make_user(name, **fields)
    RegistrationProfile.objects.create(user=user, activation_key="x", activated=activated)
    return user


class TestActivatedAddress:
    def test_who_followed_the_activation_mail_has_proven_his_address(self) -> None:
        assert activated_address(make_member(email="Ann@Example.com")) == ["ann@example.com"]

    def test_who_did_not_has_not(self) -> None:
        assert activated_address(make_member(activated=False)) == []

    def test_an_account_that_was_made_otherwise_has_not(self) -> None:
        assert activated_address(make_user()) == []

    @pytest.mark.parametrize("email", ["", "nonsense", "a@b"])
    def test_an_account_without_a_good_address_has_not(
        self, email: str, django_assert_num_queries: Any
    ) -> None:
        user = make_member(email=email)
        with django_assert_num_queries(0):
            assert activated_address(user) == []

    def test_it_costs_one_query(self, django_assert_num_queries: Any) -> None:
        user = make_member()
        with django_assert_num_queries(1):
            activated_address(user)

    def test_who_came_by_an_invitation_to_this_address_has(self) -> None:
        user = register(make_invitation(email=NEWCOMER))
        RegistrationProfile.objects.create(user=user, activation_key="x", activated=True)
        assert activated_address(user) == [NEWCOMER]

    def test_who_has_typed_another_address_since_has_not(self) -> None:
        user = register(make_invitation(email=NEWCOMER))
        RegistrationProfile.objects.create(user=user, activation_key="x", activated=True)
        user.email = "victim@example.com"
        user.save()
        assert activated_address(user) == []

    def test_accepting_later_with_the_account_tells_nothing_of_its_address(self) -> None:
        user = make_member("bob", email=NEWCOMER)
        from invitation.models import Acceptance

        other = make_invitation(email="other@example.com", status="accepted", uses=1)
        Acceptance.objects.create(invitation=other, user=user, new_account=False)
        assert activated_address(user) == [NEWCOMER]

    def test_who_came_by_a_shared_link_has_by_his_activation(self) -> None:
        user = register(make_invitation(email="", shared=True), email=NEWCOMER)
        assert activated_address(user) == []
        RegistrationProfile.objects.create(user=user, activation_key="x", activated=True)
        assert activated_address(user) == [NEWCOMER]

    def test_without_redux_nobody_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        user = make_member()
        monkeypatch.setattr(apps, "is_installed", lambda name: False)
        assert activated_address(user) == []

    def test_a_copied_link_and_one_step_prove_nothing(self, settings: Any, member: Any) -> None:
        settings.ROOT_URLCONF = "tests.urls_simple"
        scenes.visit(scenes.invite(member), channel=keys.COPY).post(REGISTER, answers())
        assert activated_address(scenes.accounts().get()) == []


class TestInvitedAddress:
    def test_who_came_by_the_mailed_link_has_proven_his_address(
        self, settings: Any, member: Any
    ) -> None:
        settings.ROOT_URLCONF = "tests.urls_verified"
        scenes.visit(scenes.invite(member)).post(REGISTER, answers())
        assert invited_address(scenes.accounts().get()) == [NEWCOMER]

    def test_who_came_by_a_copied_one_has_after_the_activation(
        self, settings: Any, member: Any, commit: Any
    ) -> None:
        settings.ROOT_URLCONF = "tests.urls_verified"
        visitor = scenes.visit(scenes.invite(member), channel=keys.COPY)
        with commit():
            visitor.post(REGISTER, answers())
        assert invited_address(scenes.accounts().get()) == []
        Client().post(scenes.path_in(mail.outbox[-1], part="activate"))
        Client().get(scenes.path_in(mail.outbox[-1], part="activate"))
        assert invited_address(scenes.accounts().get()) == [NEWCOMER]

    def test_who_has_typed_another_address_since_has_not(self) -> None:
        user = register(make_invitation(email=NEWCOMER))
        user.email = "victim@example.com"
        assert invited_address(user) == []

    def test_who_has_no_address_has_not(self) -> None:
        assert invited_address(make_user(email="")) == []
