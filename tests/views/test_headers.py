"""What the headers of the pages of a key say: to caches, robots, other sites and the browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from invitation import keys
from invitation.keys import unsubscribing
from invitation.models import InvitationKey
from tests import scenes
from tests.scenes import DECLINE, LANDING, REGISTER, RENEWAL, answers

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere, pytest.mark.each_case]


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


def protected(response: HttpResponse) -> bool:
    """Tell whether a page stays out of caches and search engines."""
    cache = {part.strip() for part in response.headers.get("Cache-Control", "").split(",")}
    return {"no-store", "private"} <= cache and response.headers.get("X-Robots-Tag") == "noindex"


class TestPages:
    @pytest.mark.parametrize("key", ["valid", "dead", "garbage"])
    @pytest.mark.parametrize("method", ["get", "head", "options", "post"])
    def test_a_key_in_the_address_goes_nowhere(
        self, invitation: InvitationKey, key: str, method: str
    ) -> None:
        address = scenes.link(invitation.mail_key if key != "garbage" else "x")
        if key == "dead":
            scenes.end(invitation, "revoked")
        response = getattr(Client(), method)(address)
        assert protected(response)
        assert response["Referrer-Policy"] == "no-referrer"

    @pytest.mark.parametrize("token", ["valid", "garbage"])
    @pytest.mark.parametrize("method", ["get", "head", "options", "post"])
    def test_nor_does_the_link_to_unsubscribe(self, token: str, method: str) -> None:
        text = unsubscribing.make_token(scenes.NEWCOMER) if token == "valid" else "x"
        address = f"/accounts/unsubscribe/{text}/"
        response = getattr(Client(), method)(address)
        assert protected(response)
        assert response["Referrer-Policy"] == "no-referrer"
        assert not response.cookies

    @pytest.mark.parametrize("address", [LANDING, DECLINE, REGISTER, RENEWAL])
    @pytest.mark.parametrize("carrying", [True, False])
    def test_the_other_pages_may_be_posted_from(
        self, invitation: InvitationKey, address: str, carrying: bool
    ) -> None:
        client = scenes.visit(invitation) if carrying else Client()
        response = client.get(address)
        assert protected(response)
        # With "no-referrer" a browser posts "Origin: null", which the CSRF protection refuses.
        assert response["Referrer-Policy"] == "same-origin"

    @pytest.mark.parametrize("end", scenes.ENDS)
    def test_a_refusal_is_kept_nowhere(self, invitation: InvitationKey, end: str) -> None:
        client = scenes.visit(invitation)
        scenes.end(invitation, end)
        for address in (LANDING, REGISTER):
            assert protected(client.get(address))

    def test_what_is_answered_to_a_form_is_kept_nowhere(self, invitation: InvitationKey) -> None:
        visitor = scenes.visit(invitation)
        assert protected(visitor.post(REGISTER))
        assert protected(visitor.post(REGISTER, answers()))

    def test_the_answer_to_a_yes_is_kept_nowhere(self, invitation: InvitationKey) -> None:
        visitor = scenes.visit(invitation)
        assert protected(visitor.post("/accounts/invited/accept/"))
        visitor.force_login(scenes.make_user("invited", email=scenes.NEWCOMER))
        # Done, and done already.
        for _click in range(2):
            response = visitor.post("/accounts/invited/accept/")
            assert (response.status_code, protected(response)) == (200, True)

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_the_question_for_a_new_link_is_kept_nowhere_and_may_be_posted_from(
        self, invitation: InvitationKey, method: str
    ) -> None:
        client = Client()
        client.get(scenes.link("x"))
        response = getattr(client, method)(RENEWAL)
        assert response.status_code == 200
        assert protected(response)
        assert response["Referrer-Policy"] == "same-origin"

    def test_the_answer_to_a_no_is_kept_nowhere(self, invitation: InvitationKey) -> None:
        assert protected(scenes.visit(invitation).post(DECLINE))

    def test_who_is_signed_in_is_led_on_without_a_trace(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        response = member_client.get(REGISTER, {"invitation_key": invitation.key})
        assert response.status_code == 302
        assert protected(response)

    @pytest.mark.parametrize("address", [LANDING, DECLINE, REGISTER])
    def test_the_pages_cannot_be_framed(self, invitation: InvitationKey, address: str) -> None:
        assert scenes.visit(invitation).get(address)["X-Frame-Options"] == "DENY"


class TestCookie:
    def cookie(self, invitation: InvitationKey, **request: Any) -> Any:
        link = scenes.link(invitation.mail_key)
        return Client().get(link, **request).cookies["invitation_key"]

    def test_scripts_and_other_sites_do_not_get_it(self, invitation: InvitationKey) -> None:
        cookie = self.cookie(invitation)
        assert cookie["httponly"] is True
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] == "/"
        assert cookie["domain"] == ""

    def test_it_is_kept_for_a_day(self, invitation: InvitationKey) -> None:
        assert self.cookie(invitation)["max-age"] == 24 * 60 * 60

    @pytest.mark.parametrize("secure", [True, False])
    def test_it_is_secure_where_the_visitor_is(
        self, invitation: InvitationKey, secure: bool
    ) -> None:
        assert bool(self.cookie(invitation, secure=secure)["secure"]) is secure

    def test_it_is_secure_where_the_sites_sessions_are(
        self, settings: Any, invitation: InvitationKey
    ) -> None:
        settings.SESSION_COOKIE_SECURE = True
        assert self.cookie(invitation)["secure"] is True

    def test_it_is_no_session(self, invitation: InvitationKey) -> None:
        response = Client().get(scenes.link(invitation.mail_key))
        assert list(response.cookies) == ["invitation_key"]

    def test_it_is_overlong_for_nobody(self, invitation: InvitationKey) -> None:
        assert len(self.cookie(invitation).value) == keys.KEY_LENGTH

    def test_it_survives_a_login(self, invitation: InvitationKey, member: Any) -> None:
        visitor = scenes.visit(invitation)
        login = {"username": member.get_username(), "password": "secret"}
        assert visitor.post("/accounts/login/", login).status_code == 302
        assert visitor.get(LANDING).context["invitation"] == invitation
