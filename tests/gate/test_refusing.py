"""The page of a refusal, and the addresses on it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.urls import NoReverseMatch, path

from invitation import gate
from invitation.exceptions import KeyRefused
from invitation.flows import sharing
from invitation.views import register
from tests import scenes
from tests.scenes import LANDING, REGISTER

JOIN = "/accounts/join/"
#: A URLconf without pages that take codes.
urlpatterns = [path("accounts/register/", register)]


class Snowed(KeyRefused):
    """A reason of a site's own."""

    code = "snowed_in"


@pytest.mark.django_db
def test_a_reason_that_no_page_knows_is_shown_as_a_link_that_opens_nothing() -> None:
    request: Any = RequestFactory().get("/accounts/invited/")
    request.user = AnonymousUser()
    page = gate.refuse(request, Snowed("It snows."), key="")
    assert "This link does not work" in page.content.decode()
    assert page.status_code == Snowed.status


def test_a_path_is_the_address_itself_and_a_name_that_of_its_page() -> None:
    assert gate.page_url("/a/path/?x=1") == "/a/path/?x=1"
    assert gate.page_url("home") == "/"
    assert gate.page_url("https://example.org/in/") == "https://example.org/in/"
    with pytest.raises(NoReverseMatch):
        gate.page_url("nowhere")


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        (None, REGISTER),
        ("home", "/"),
        ("/join-us/?from=mail", "/join-us/?from=mail"),
        ("https://app.example.org/", "https://app.example.org/"),
        ("nowhere", ""),
        ("", ""),
    ],
)
def test_the_sign_up_page_is_the_sites_or_the_one_of_the_include(
    settings: Any, setting: str | None, url: str
) -> None:
    settings.INVITATION_SIGNUP_URL = setting
    assert gate.signup_url() == url


def test_a_site_may_have_no_sign_up_page(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    assert gate.signup_url() == ""


@pytest.mark.django_db
class TestClosedPage:
    def test_it_says_how_to_get_in(self) -> None:
        page = Client().get(REGISTER).content.decode()
        for words in ("invitation email", "cookies", "Invitation code", "Ask a member"):
            assert words in page
        assert 'href="/accounts/login/"' in page

    def test_its_field_takes_a_code(self, member: Any) -> None:
        link = sharing.share(scenes.may_share(member), label="", max_uses=3, expires_at=None)
        browser = Client(enforce_csrf_checks=True)
        page = browser.get(REGISTER)
        assert f'action="{JOIN}"' in page.content.decode()
        typed = {"code": link.code, "csrfmiddlewaretoken": page.context["csrf_token"]}
        response = browser.post(JOIN, typed)
        assert (response.status_code, response["Location"]) == (302, LANDING)
        assert browser.get(REGISTER).status_code == 200

    def test_where_the_token_is_in_the_session_it_is_a_link(self, settings: Any) -> None:
        settings.CSRF_USE_SESSIONS = True
        before = scenes.dump()
        response = Client().get(REGISTER)
        assert response.status_code == 403
        page = response.content.decode()
        assert f'href="{JOIN}"' in page
        assert "<form" not in page
        assert scenes.dump() == before
        assert response.cookies == {}

    def test_where_no_page_takes_codes_there_is_neither(self, settings: Any) -> None:
        settings.ROOT_URLCONF = __name__
        page = Client().get(REGISTER).content.decode()
        assert "You need an invitation" in page
        assert "<form" not in page
        assert "code" not in page.lower().replace("invitation-code", "")

    @pytest.mark.parametrize("key", ["x", "x" * 66])
    def test_the_page_of_another_reason_asks_for_no_code(self, key: str) -> None:
        page = Client().get(REGISTER, {"invitation_key": key}).content.decode()
        assert "<form" not in page


@pytest.mark.django_db
def test_the_page_of_an_unknown_word_takes_another_one() -> None:
    response = Client().get(f"{JOIN}an-unknown-word/")
    assert response.status_code == 404
    assert f'action="{JOIN}"' in response.content.decode()


@pytest.mark.django_db
def test_each_page_leads_to_the_sign_up_page_of_the_site(settings: Any, member: Any) -> None:
    settings.INVITATION_SIGNUP_URL = "/join-us/"
    visitor = scenes.visit(scenes.invite(member))
    for address in (LANDING, "/accounts/login/"):
        page = visitor.get(address).content.decode()
        assert 'href="/join-us/"' in page
        assert REGISTER not in page


@pytest.mark.django_db
def test_the_page_for_new_accounts_leads_to_the_sites_own_login_page(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    settings.LOGIN_URL = "/in/"
    for name in ("registration_form", "registration_closed"):
        assert 'href="/in/"' in render_to_string(f"registration/{name}.html", {"user": None})
