"""The contract of all hosts, through both workflows of django-registration."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django_registration import signals

from tests import scenes
from tests.backends.host_contract import Commit, OneStepHostContract, TwoStepHostContract
from tests.hosts.registration5.activating import follow
from tests.scenes import REGISTER


class Registration5Contract:
    """What the tests know of django-registration."""

    register_url = REGISTER
    form_template = "django_registration/registration_form.html"
    claim_verb = "claim"
    landing_url = "/accounts/register/complete/"
    late_signal = (signals.user_registered, {})
    urlconf: str

    @pytest.fixture(autouse=True)
    def site(self, settings: Any) -> None:
        settings.ROOT_URLCONF = f"tests.hosts.registration5.{self.urlconf}"

    @pytest.mark.parametrize("invite_mode", [True, False])
    def test_a_site_that_is_closed_is_closed_to_everybody(
        self, settings: Any, visitor: Client, invite_mode: bool
    ) -> None:
        settings.REGISTRATION_OPEN = False
        settings.INVITE_MODE = invite_mode
        for client in (visitor, Client()):
            for response in (client.get(REGISTER), client.post(REGISTER, scenes.answers())):
                assert response["Location"] == "/accounts/register/closed/"
        page = visitor.get("/accounts/register/closed/")
        assert "Sign-up is closed" in page.content.decode()
        assert 'href="/accounts/login/"' in page.content.decode()
        assert not scenes.accounts().exists()

    def test_without_invite_mode_a_member_may_register_again(
        self, settings: Any, member_client: Client
    ) -> None:
        settings.INVITE_MODE = False
        assert member_client.get(REGISTER).status_code == 200

    def test_the_host_still_refuses_other_addresses_of_its_own(
        self, settings: Any, visitor: Client
    ) -> None:
        settings.INVITATION_EMAIL_POLICY = "any"
        response = visitor.post(REGISTER, scenes.answers("new@bücher.example"))
        assert "email" in response.context["form"].errors


class TestOneStep(Registration5Contract, OneStepHostContract):
    """The account is usable at once, whichever link the person has."""

    urlconf = "urls_one_step"
    active_with_any_key = True

    def test_the_next_page_says_that_the_account_is_ready(self, visitor: Client) -> None:
        page = visitor.post(REGISTER, scenes.answers(), follow=True).content.decode()
        assert "You are logged in" in page


class TestActivation(Registration5Contract, TwoStepHostContract):
    """The account waits for the link in the activation email."""

    urlconf = "urls_activation"
    activated_url = "/accounts/activate/complete/"

    def activate(self, visitor: Client, commit: Commit) -> Any:
        with commit():
            return follow(visitor, mail.outbox[0])
