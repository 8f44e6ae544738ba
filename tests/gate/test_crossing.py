"""Members who come from webmail are known again where the session cookie is SameSite=Strict."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.http import HttpResponse
from django.test import Client

from invitation.flows import arriving, sharing
from invitation.models import InvitationKey
from tests import scenes
from tests.factories import make_user
from tests.scenes import DECLINE, INVITE, LANDING

pytestmark = pytest.mark.django_db

CROSS = {"sec-fetch-site": "cross-site"}
LIST = "/accounts/invitations/"


@pytest.fixture(autouse=True)
def _strict(settings: Any) -> None:
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    # It leads to the login before any page is asked.
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != required]


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member, "bob@example.com")


def leads_to(response: HttpResponse) -> str:
    """Return where a page leads by itself, after a look at what it is."""
    assert response.status_code == 200
    seconds, _, url = response["Refresh"].partition("; url=")
    assert seconds == "0"
    assert f'href="{url}"' in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    return url


@pytest.mark.parametrize("headers", [CROSS, {}], ids=["told", "unknown"])
@pytest.mark.parametrize(("query", "page"), [("", LANDING), ("?answer=no", DECLINE)])
def test_a_link_leads_to_a_page_that_goes_on_by_itself(
    invitation: InvitationKey,
    headers: dict[str, str],
    query: str,
    page: str,
    django_assert_num_queries: Any,
) -> None:
    visitor = Client()
    with django_assert_num_queries(1):
        response = visitor.get(scenes.link(invitation.mail_key) + query, headers=headers)
    assert leads_to(response) == page
    assert response["Referrer-Policy"] == "no-referrer"
    assert invitation.mail_key not in response.content.decode()
    assert "sessionid" not in response.cookies
    assert visitor.get(page).context["invitation"] == invitation


@pytest.mark.parametrize("began", ["same-origin", "same-site", "none"])
def test_who_does_not_come_from_another_site_is_redirected(
    invitation: InvitationKey, began: str
) -> None:
    headers = {"sec-fetch-site": began}
    response = Client().get(scenes.link(invitation.mail_key), headers=headers)
    assert (response.status_code, response["Location"]) == (302, LANDING)


def test_who_has_sent_the_session_is_redirected(
    invitation: InvitationKey, member_client: Client
) -> None:
    response = member_client.get(scenes.link(invitation.mail_key), headers=CROSS)
    assert response.status_code == 302


@pytest.mark.parametrize("value", ["Lax", "None", None, False])
def test_other_sessions_are_not_withheld(
    settings: Any, invitation: InvitationKey, value: Any
) -> None:
    settings.SESSION_COOKIE_SAMESITE = value
    response = Client().get(scenes.link(invitation.mail_key), headers=CROSS)
    assert response.status_code == 302


def test_a_dead_link_says_so_at_once(invitation: InvitationKey) -> None:
    scenes.end(invitation, "revoked")
    response = Client().get(scenes.link(invitation.mail_key), headers=CROSS)
    assert response.status_code == 410


def test_who_has_accepted_is_known_again(invitation: InvitationKey) -> None:
    bob = make_user("bob", email="bob@example.com")
    arriving.accept(arriving.open_invitation(invitation.mail_key), bob)
    path = scenes.link(invitation.mail_key)
    browser = Client()
    assert leads_to(browser.get(path, headers=CROSS)) == LANDING
    assert browser.get(LANDING).status_code == 410
    browser.force_login(bob)
    response = browser.get(LANDING, headers={"sec-fetch-site": "same-origin"})
    assert response.templates[0].name == "invitation/invitation_accepted.html"


def test_a_word_leads_on_as_well() -> None:
    owner = make_user("owner", is_superuser=True)
    sharing.share(owner, label="Fair", max_uses=3, word="fair-2026", expires_at=None)
    assert leads_to(Client().get("/accounts/join/fair-2026/", headers=CROSS)) == LANDING


@pytest.mark.parametrize(
    "page",
    [LIST, *(f"{LIST}{part}/" for part in ("7", "7/renew", "links", "received")), INVITE],
)
def test_the_pages_that_emails_lead_to_ask_once_more(
    page: str, django_assert_num_queries: Any
) -> None:
    Site.objects.get_current()
    with django_assert_num_queries(0):
        response = Client().get(page + "?x=1", headers=CROSS)
    assert leads_to(response) == page + "?x=1"
    for headers in ({"sec-fetch-site": "same-origin"}, {}):
        assert Client().get(page, headers=headers).status_code == 302


def test_a_form_is_not_sent_once_more() -> None:
    response = Client().post("/accounts/invite/", {"email": "x@example.org"}, headers=CROSS)
    assert response.status_code == 302
