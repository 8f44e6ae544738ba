"""Which addresses count as proven by default, and why nobody gets in by typing one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client, override_settings
from registration.models import RegistrationProfile

from invitation import keys
from invitation.backends.proofs import activated_address, invited_address
from invitation.flows import arriving, privacy
from invitation.keys import unsubscribing
from invitation.models import ProvenAddress
from tests import scenes
from tests.factories import make_invitation, make_user, open_it, register
from tests.scenes import NEWCOMER, REGISTER, answers

pytestmark = pytest.mark.django_db

RULES = [activated_address, invited_address]


def make_member(name: str = "ann", **fields: Any) -> Any:
    """Return a member who has proven the address of the account."""
    user = make_user(name, **fields)
    arriving.prove(user)
    return user


@pytest.mark.parametrize("rule", RULES)
class TestRules:
    def test_what_was_proven_counts(self, rule: Any) -> None:
        assert rule(make_member(email=NEWCOMER)) == [NEWCOMER]

    def test_an_account_without_a_proof_has_none(self, rule: Any) -> None:
        assert rule(make_user()) == []

    def test_an_activated_profile_alone_proves_nothing(self, rule: Any) -> None:
        user = make_user()
        RegistrationProfile.objects.create(user=user, activation_key="x", activated=True)
        assert rule(user) == []

    @pytest.mark.parametrize("email", ["", "nonsense", "a@b"])
    def test_an_account_without_a_good_address_costs_nothing(
        self, rule: Any, email: str, django_assert_num_queries: Any
    ) -> None:
        user = make_member(email=email)
        with django_assert_num_queries(0):
            assert rule(user) == []

    def test_it_costs_one_query(self, rule: Any, django_assert_num_queries: Any) -> None:
        user = make_member()
        with django_assert_num_queries(1):
            rule(user)

    def test_who_has_typed_another_address_since_has_not(self, rule: Any) -> None:
        user = make_member()
        user.email = "victim@example.com"
        assert rule(user) == []
        user.save()
        assert rule(user) == []

    def test_letters_of_another_case_are_the_same_address(self, rule: Any) -> None:
        user = make_member(email=NEWCOMER)
        user.email = NEWCOMER.upper()
        user.save()
        assert rule(user) == [NEWCOMER.upper()]
        assert arriving.proven_addresses(user) == {NEWCOMER}

    def test_the_proof_of_one_account_is_not_that_of_another(self, rule: Any) -> None:
        make_member(email=NEWCOMER)
        assert rule(make_user("second", email=NEWCOMER)) == []


class TestMoments:
    @pytest.mark.parametrize("urlconf", ["tests.urls_simple", "tests.urls_verified"])
    @pytest.mark.parametrize("channel", keys.CHANNELS)
    def test_one_step_proves_by_the_mailed_link_alone(
        self, settings: Any, member: Any, urlconf: str, channel: str
    ) -> None:
        settings.ROOT_URLCONF = urlconf
        scenes.visit(scenes.invite(member), channel=channel).post(REGISTER, answers())
        assert arriving.has_proven(scenes.accounts().get()) is (channel == keys.MAIL)

    def test_another_address_than_the_invited_one_is_not_proven(self) -> None:
        with override_settings(INVITATION_EMAIL_POLICY="any"):
            user = register(make_invitation(email=NEWCOMER), email="other@example.com")
        assert not arriving.has_proven(user)

    def test_the_address_of_the_account_counts_and_not_what_was_said_of_it(self) -> None:
        opened = open_it(make_invitation(email=NEWCOMER))
        user = arriving.claim(opened, lambda: make_user("x", email="x@example.com"), email=NEWCOMER)
        assert not arriving.has_proven(user)

    def test_a_shared_link_proves_nothing(self) -> None:
        assert not arriving.has_proven(register(make_invitation(email="", shared=True)))

    @pytest.mark.parametrize("channel", keys.CHANNELS)
    def test_accepting_with_an_account_proves_by_the_mailed_link_alone(
        self, settings: Any, channel: str
    ) -> None:
        settings.INVITATION_EMAIL_POLICY = "any"
        user = make_user("bob", email=NEWCOMER)
        arriving.accept(open_it(make_invitation(make_user(), NEWCOMER), channel), user)
        assert arriving.has_proven(user) is (channel == keys.MAIL)

    def test_what_staff_activate_is_not_proven(self, member: Any) -> None:
        scenes.visit(scenes.invite(member), channel=keys.COPY).post(REGISTER, answers())
        RegistrationProfile.objects.activate_user(
            RegistrationProfile.objects.get().activation_key, None
        )
        assert scenes.accounts().get().is_active
        assert not arriving.has_proven(scenes.accounts().get())

    def test_a_link_that_was_sent_to_the_address_of_before_proves_nothing(
        self, member: Any, commit: Callable[..., Any]
    ) -> None:
        with commit():
            scenes.visit(scenes.invite(member), channel=keys.COPY).post(REGISTER, answers())
        link = scenes.path_in(mail.outbox[-1], part="/activate/")
        get_user_model().objects.filter(email=NEWCOMER).update(email="ceo@example.com")
        scenes.activate(Client(), link)
        user = scenes.accounts("ceo@example.com").get()
        assert user.is_active
        assert not arriving.has_proven(user)

    def test_a_link_that_is_sent_again_proves_the_address_that_it_is_sent_to(
        self, member: Any, commit: Callable[..., Any]
    ) -> None:
        with commit():
            scenes.visit(scenes.invite(member), channel=keys.COPY).post(REGISTER, answers())
        first = scenes.path_in(mail.outbox[-1], part="/activate/")
        get_user_model().objects.filter(email=NEWCOMER).update(email="late@example.com")
        Client().post(scenes.RESEND, {"email": "late@example.com"})
        second = scenes.path_in(mail.outbox[-1], part="/activate/")
        assert second != first
        scenes.activate(Client(), first)
        assert not scenes.accounts("late@example.com").get().is_active
        scenes.activate(Client(), second)
        assert arriving.has_proven(scenes.accounts("late@example.com").get())


class TestTheEnd:
    def test_an_address_that_comes_back_has_to_be_proven_again(self) -> None:
        user = make_member(email=NEWCOMER)
        for email in ("other@example.com", NEWCOMER):
            user.email = email
            user.save(update_fields=["email"])
        assert not arriving.has_proven(user)

    @pytest.mark.parametrize("fields", [None, ["last_login"], ["email"]])
    def test_what_else_is_saved_ends_nothing(self, fields: list[str] | None) -> None:
        user = make_member()
        user.save(update_fields=fields)
        assert arriving.has_proven(user)

    def test_what_is_loaded_from_a_file_ends_nothing(self) -> None:
        user = make_member()
        user.save_base(raw=True)
        assert arriving.has_proven(user)

    def test_it_goes_with_the_account(self) -> None:
        make_member().delete()
        assert not ProvenAddress.objects.exists()

    def test_a_new_signing_key_ends_nothing_and_a_lost_one_does(self, settings: Any) -> None:
        settings.INVITATION_SIGNING_KEYS = ["old"]
        user = make_member()
        settings.INVITATION_SIGNING_KEYS = ["new", "old"]
        assert arriving.has_proven(user)
        settings.INVITATION_SIGNING_KEYS = ["new"]
        assert not arriving.has_proven(user)

    def test_forgetting_a_person_takes_the_proof(self) -> None:
        user = make_member(email=NEWCOMER)
        assert privacy.forget(NEWCOMER, dry_run=True).proofs == 1
        assert privacy.export(NEWCOMER)["proven_at"] != []
        assert privacy.forget(NEWCOMER.upper()).proofs == 1
        assert not arriving.has_proven(user)
        assert privacy.export(NEWCOMER)["proven_at"] == []


class TestRows:
    def test_a_second_proof_writes_no_second_row(self, django_assert_num_queries: Any) -> None:
        user = make_member()
        with django_assert_num_queries(1):
            arriving.prove(user)
        assert ProvenAddress.objects.count() == 1

    def test_the_row_names_nobody_and_cannot_be_matched_with_an_unsubscribe(self) -> None:
        make_member(email=NEWCOMER)
        row = ProvenAddress.objects.get()
        assert NEWCOMER not in str(vars(row))
        assert str(row) == f"{row.digest.hex()[:6]}…"
        assert row.digest not in [known.digest for known in unsubscribing.digests(NEWCOMER)]
        assert row.key_id in unsubscribing.key_ids()
