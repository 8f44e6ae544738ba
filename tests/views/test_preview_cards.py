"""What a chat shows of a link: the site, the same for every link, and nothing of the invitation."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from invitation.models import InvitationKey
from tests import scenes
from tests.scenes import DECLINE, LANDING, REGISTER

pytestmark = pytest.mark.django_db

CARD = {
    "og:type": "website",
    "og:site_name": "example.com",
    "og:title": "You are invited to join example.com",
    "og:description": "Open the invitation to sign up.",
    "twitter:card": "summary",
}


class Meta(HTMLParser):
    """The named ``meta`` elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("property") or given.get("name") or ""
        if tag == "meta" and ":" in name:
            self.found[name] = str(given["content"])


def card(response: Any) -> dict[str, str]:
    return Meta(response.content.decode()).found


def fetch(url: str) -> Any:
    """Fetch a page as the programs of chats do: they follow redirects, without cookies."""
    response: Any = Client().get(url)
    while response.status_code == 302:
        response = Client().get(response["Location"])
    return response


@pytest.fixture
def named(member: Any) -> InvitationKey:
    """Return an invitation that would have something to tell."""
    member.first_name, member.last_name = "Grace", "Hopper"
    member.save()
    return scenes.invite(member, recipient_name="Adalina", note="Come to the rehearsal")


def test_a_link_has_a_card(named: InvitationKey) -> None:
    response = fetch(scenes.link(named.mail_key))
    assert response.status_code == 200  # Few programs show a card of another status.
    assert card(response) == CARD


def test_so_has_a_program_that_keeps_cookies(named: InvitationKey) -> None:
    assert card(scenes.visit(named).get(LANDING)) == CARD


@pytest.mark.parametrize("end", [*scenes.ENDS])
def test_a_dead_link_has_the_same(named: InvitationKey, end: str) -> None:
    key = named.mail_key
    scenes.end(named, end)
    response = fetch(scenes.link(key))
    assert response.status_code == scenes.ENDS[end][1]
    assert card(response) == CARD


@pytest.mark.parametrize("url", [scenes.link("x"), LANDING, REGISTER, DECLINE, "/accounts/join/"])
def test_so_has_what_is_no_invitation(url: str) -> None:
    assert card(fetch(url)) == CARD


def test_the_page_behind_the_card_tells_nothing(named: InvitationKey) -> None:
    response = fetch(scenes.link(named.mail_key))
    page = response.content.decode()
    for secret in ("Grace", "Hopper", "Adalina", "rehearsal", "new@", named.locator):
        assert secret not in page
    assert response["X-Robots-Tag"] == "noindex"
    assert "invitation_key" not in response.cookies


def test_the_site_says_what_is_on_it(settings: Any, tmp_path: Path, named: InvitationKey) -> None:
    settings.INVITATION_SITE_NAME = "Harbour Choir & Friends"
    settings.INVITATION_SITE_BLURB = 'We sing "on Tuesdays".'
    base = tmp_path / "invitation" / "base.html"
    base.parent.mkdir()
    image = '<meta property="og:image" content="https://choir.example/card.png">'
    base.write_text(
        '{% extends "invitation/base.html" %}'
        f"{{% block preview_image %}}{image}{{% endblock %}}"
        '{% block logo %}<img src="/logo.png" alt="Harbour Choir">{% endblock %}'
    )
    changed: Any = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    settings.TEMPLATES = changed
    response = fetch(scenes.link(named.mail_key))
    assert '<img src="/logo.png" alt="Harbour Choir">' in response.content.decode()
    assert card(response) == CARD | {
        "og:site_name": "Harbour Choir & Friends",
        "og:title": "You are invited to join Harbour Choir & Friends",
        "og:description": 'We sing "on Tuesdays".',
        "og:image": "https://choir.example/card.png",
    }
    landing = scenes.visit(named).get(LANDING).content.decode()
    assert "We sing &quot;on Tuesdays&quot;.</p>" in landing


def test_the_address_of_the_invitation_is_not_on_the_card(named: InvitationKey) -> None:
    """A program that knows a page's own address leads people to that one, without the key."""
    page = fetch(scenes.link(named.mail_key)).content.decode()
    assert "og:url" not in page
    assert "canonical" not in page
