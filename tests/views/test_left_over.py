"""What programs and people leave around a link still opens its page."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from invitation import keys
from invitation.flows.mail import is_suppressed
from invitation.keys import unsubscribing, written
from invitation.models import InvitationKey
from tests import scenes
from tests.scenes import DECLINE, LANDING, NEWCOMER, REGISTER, RENEWAL

pytestmark = [pytest.mark.django_db, pytest.mark.each_case]

LEFT_OVER = [
    *(".", ",", ";", ":", "!", "?", ")", "]", "}", ">", '"', "'", "*", "|", " ", "\t", "\n"),
    *("/.", "/)", "/>", "/ ", "/)_", ").", ">.", "&gt;", "/&gt;", "/&quot;>", "/&nbsp;"),
    *("…", "’", "”", "»", "。", "、", "）", "」", "！"),
    *("\xa0", "\u3000", "\u200b", "\ufeff", "\u2060"),
]


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


def key_of(invitation: InvitationKey) -> str:
    return str(keys.make(invitation.locator, keys.MAIL, invitation.site_id))


@pytest.mark.parametrize("slash", ["/", ""])
@pytest.mark.parametrize("append_slash", [True, False])
@pytest.mark.parametrize("more", ["", *LEFT_OVER])
def test_a_whole_key_opens_with_whatever_follows_it(
    settings: Any, invitation: InvitationKey, more: str, append_slash: bool, slash: str
) -> None:
    settings.APPEND_SLASH = append_slash
    browser = Client()
    answer = browser.get(f"/accounts/invited/{quote(key_of(invitation) + more)}{slash}")
    assert (answer.status_code, answer["Location"]) == (302, LANDING)
    assert browser.get(REGISTER).context["invitation_key"] == key_of(invitation)


@pytest.mark.parametrize("before", [" ", "<", "(", "\u200b", '"'])
def test_what_stands_before_a_key_makes_no_difference(
    invitation: InvitationKey, before: str
) -> None:
    answer = Client().get(f"/accounts/invited/{quote(before + key_of(invitation))}/")
    assert answer["Location"] == LANDING


@pytest.mark.parametrize("name", ["invitation_key", "registration_key"])
def test_a_key_in_a_parameter_opens_too(invitation: InvitationKey, name: str) -> None:
    page = Client().get(REGISTER, {name: f"{key_of(invitation)}>."})
    assert page.context["invitation_key"] == key_of(invitation)


def test_a_key_in_a_header_or_from_code_opens_too(invitation: InvitationKey) -> None:
    key = key_of(invitation)
    page = Client().get(REGISTER, headers={"X-Invitation-Key": f" {key}."})
    assert page.context["invitation_key"] == key
    assert InvitationKey.objects.is_key_valid(f"{key})")


def test_the_link_to_decline_opens_too(invitation: InvitationKey) -> None:
    answer = Client().get(f"{scenes.link(key_of(invitation))}?answer=no.")
    assert answer["Location"] == DECLINE


def test_an_ended_link_says_why_and_leads_to_a_new_one(invitation: InvitationKey) -> None:
    scenes.end(invitation, "expired")
    browser = Client()
    page = browser.get(f"/accounts/invited/{key_of(invitation)})/")
    assert (page.status_code, page.context["expired_key"]) == (410, True)
    assert browser.get(RENEWAL).context["invitation_hint"] == keys.mask(invitation.locator)


@pytest.mark.parametrize("append_slash", [True, False])
@pytest.mark.parametrize("text", ["x", "x.", "a.b.c", "\0", "x" * 3000, "é)"])
def test_the_apps_own_page_answers_also_without_the_slash(
    settings: Any, append_slash: bool, text: str
) -> None:
    settings.APPEND_SLASH = append_slash
    page = Client().get(f"/accounts/invited/{quote(text)}")
    assert page.status_code == 404
    assert "invitation/wrong_invitation_key.html" in [used.name for used in page.templates]


@pytest.mark.parametrize("page", ["accept", "decline", "renewal"])
def test_pages_beside_the_link_keep_their_addresses(settings: Any, page: str) -> None:
    answer = Client().get(f"/accounts/invited/{page}")
    assert (answer.status_code, answer["Location"]) == (301, f"/accounts/invited/{page}/")


@pytest.mark.parametrize("more", ["x", "_", "-", "x.", ".x", "\0", ".\0", "é", "." * 100])
def test_a_changed_key_still_opens_nothing(invitation: InvitationKey, more: str) -> None:
    answer = Client().get(f"/accounts/invited/{quote(key_of(invitation) + more)}/")
    assert answer.status_code == 404


@pytest.mark.parametrize("append_slash", [True, False])
@pytest.mark.parametrize("slash", ["/", ""])
@pytest.mark.parametrize("more", ["", ".", ")", ">", " ", "/)", "&gt;"])
def test_an_unsubscribe_link_unsubscribes_with_whatever_follows_it(
    settings: Any, append_slash: bool, slash: str, more: str
) -> None:
    settings.APPEND_SLASH = append_slash
    token = unsubscribing.make_token(NEWCOMER)
    url = f"/accounts/unsubscribe/{quote(token + more)}{slash}"
    assert Client().get(url).status_code == 200
    assert Client().post(url).status_code == 200
    assert is_suppressed(NEWCOMER)


def test_links_keep_their_slash() -> None:
    assert reverse("invitation_invited", args=["key"]) == "/accounts/invited/key/"
    assert reverse("invitation_unsubscribe", args=["token"]).endswith("/token/")


def test_a_long_run_of_left_over_characters_takes_no_time() -> None:
    text = "A" * 22 + "." + "B" * 43 + "&gt;" * 8 + "x"
    assert written.trim(text) == text
