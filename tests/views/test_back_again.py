"""Back, reload and a second visit after a sign-up: the account is ready, and nothing is missing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from registration import views as redux

from invitation.flows import sharing
from invitation.models import InvitationKey
from tests import scenes
from tests.scenes import LANDING, NEWCOMER, REGISTER, RENEWAL

pytestmark = pytest.mark.django_db

READY, SIGNED_UP = "Your account is ready", "You have signed up"
NEEDED = "You need an invitation"
PAGES = [LANDING, REGISTER]


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


def heading(response: Any) -> str:
    page: str = response.content.decode()
    assert page.count("<h1>") == 1
    return page.partition("<h1>")[2].partition("</h1>")[0]


def sign_up(invitation: InvitationKey) -> Client:
    client = scenes.visit(invitation)
    assert client.post(REGISTER, scenes.answers()).status_code == 302
    return client


@pytest.mark.urls("tests.urls_simple")
class TestSignedIn:
    def test_the_account_is_ready(self, invitation: InvitationKey) -> None:
        client = sign_up(invitation)
        for _ in range(2):
            response = client.get(LANDING)
            assert heading(response) == READY
            assert "You are logged in as <bdi>newcomer</bdi>" in response.content.decode()

    def test_the_form_leads_into_the_site_as_for_each_member(
        self, invitation: InvitationKey
    ) -> None:
        response = sign_up(invitation).get(REGISTER)
        assert (response.status_code, response["Location"]) == (302, "/")

    @pytest.mark.parametrize("page", PAGES)
    def test_without_that_redirect_it_says_so_too(
        self, invitation: InvitationKey, monkeypatch: pytest.MonkeyPatch, page: str
    ) -> None:
        monkeypatch.setattr(redux, "ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS", False)
        assert heading(sign_up(invitation).get(page)) == READY

    def test_it_takes_no_cookie(self, member_client: Client) -> None:
        assert heading(member_client.get(LANDING)) == READY

    def test_it_costs_what_the_login_costs(
        self, invitation: InvitationKey, django_assert_num_queries: Any
    ) -> None:
        client = sign_up(invitation)
        with django_assert_num_queries(2):  # session and account
            client.get(LANDING)

    def test_the_link_itself_says_what_was_done(self, invitation: InvitationKey) -> None:
        client = sign_up(invitation)
        link = scenes.link(invitation.mail_key)
        assert heading(client.get(link)) == "You already accepted this invitation"


class TestSignedOut:
    """After redux's first step, the account waits for its activation."""

    @pytest.mark.parametrize("page", PAGES)
    def test_what_to_do_is_said(self, invitation: InvitationKey, page: str) -> None:
        response = sign_up(invitation).get(page)
        assert heading(response) == SIGNED_UP
        assert 'href="/accounts/login/"' in response.content.decode()

    def test_a_shared_link_is_not_offered_again(self, member: Any) -> None:
        link = sharing.share(scenes.may_share(member), label="", max_uses=3, expires_at=None)
        client = scenes.visit(link, channel="copy")
        assert client.post(REGISTER, scenes.answers()).status_code == 302
        assert heading(client.get(LANDING)) == SIGNED_UP

    @pytest.mark.parametrize("page", PAGES)
    def test_nothing_about_the_account_or_the_invitation_is_left(
        self, invitation: InvitationKey, django_assert_num_queries: Any, page: str
    ) -> None:
        client = sign_up(invitation)
        carried = {name: cookie.value for name, cookie in client.cookies.items() if cookie.value}
        assert carried["invitation_ended_key"] == "signed-up"
        assert invitation.locator not in str(carried)
        stranger = Client()
        stranger.cookies["invitation_ended_key"] = "signed-up"
        with django_assert_num_queries(0):
            said = stranger.get(page).content.decode()
        for secret in (NEWCOMER, "newcomer", "member", invitation.locator):
            assert secret not in said
        assert stranger.get(RENEWAL).status_code == 404

    def test_another_invitation_opens_as_ever(self, invitation: InvitationKey, member: Any) -> None:
        client = sign_up(invitation)
        other = scenes.invite(member, "other@example.com")
        client.get(scenes.link(other.mail_key))
        assert client.get(LANDING).context["invitation"] == other

    @pytest.mark.parametrize("page", PAGES)
    def test_who_has_not_signed_up_needs_an_invitation(self, page: str) -> None:
        assert heading(Client().get(page)) == NEEDED
