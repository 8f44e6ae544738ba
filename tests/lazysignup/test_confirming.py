"""A site asks guests to confirm their address before they sign up."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client
from django.utils import timezone

from invitation.lazysignup.models import GuestCounter, LazyUser
from tests.lazysignup.people import NAME_FIELD, NEWCOMER, PASSWORD, PERSON, answers

pytestmark = pytest.mark.django_db
ADDRESS = "new@example.com"


@pytest.fixture(autouse=True)
def asks_first(settings: Any) -> None:
    settings.LAZYSIGNUP_CONFIRM_EMAIL = True
    settings.ALLOWED_HOSTS = ["testserver"]


def ask(guest: Client, email: str = ADDRESS, query: str = "", **headers: str) -> Any:
    return guest.post(f"/convert/{query}", {"email": email}, headers=headers)


def link() -> str:
    found = re.search(r"http://testserver(/convert/confirm/\S+/)", str(mail.outbox[-1].body))
    assert found is not None
    return found[1]


def test_a_guest_confirms_an_address_and_signs_up(guest: Client, account: Any) -> None:
    assert list(guest.get("/convert/").context["form"].fields) == ["email"]
    page = ask(guest)
    assert ADDRESS in page.content.decode()
    [sent] = mail.outbox
    assert (sent.to, sent.subject) == ([ADDRESS], "Confirm your email address")
    assert "works for 24 hours" in sent.body
    assert LazyUser.objects.exists()
    assert guest.get(link())["Location"] == "/convert/"
    form = guest.get("/convert/").context["form"]
    assert form["email"].value() == ADDRESS
    assert "password1" in form.fields
    response = guest.post("/convert/", answers(email="another@example.com"))
    assert response.status_code == 302, response.context["form"].errors
    user = get_user_model()._default_manager.get()
    assert (user.pk, user.email) == (account.pk, ADDRESS)
    assert not [key for key in dict(guest.session.items()) if key.startswith("lazysignup")]


@pytest.mark.parametrize(
    ("to", "query"), [("/who/", "?redirect_to=%2Fwho%2F"), ("https://evil.example/", "")]
)
def test_the_page_to_go_to_survives(guest: Client, to: str, query: str) -> None:
    ask(guest, query=f"?next={to}")
    assert guest.get(link())["Location"] == f"/convert/{query}"


def test_the_pages_say_what_comes_next(guest: Client) -> None:
    page = guest.get("/convert/?next=/who/").content.decode()
    assert "We send you a link" in page
    assert "Send link" in page
    assert "Choose how to log in" not in page
    sent = ask(guest, query="?next=/who/").content.decode()
    assert 'href="/convert/?redirect_to=/who/"' in sent  # to send the email again
    page = guest.get(link(), follow=True).content.decode()
    assert "Choose how to log in" in page
    assert "Send link" not in page


def test_a_form_without_an_address_gets_the_confirmed_one(guest: Client, settings: Any) -> None:
    settings.LAZYSIGNUP_CUSTOM_USER_CREATION_FORM = "tests.lazysignup.test_converting.OldForm"
    ask(guest)
    guest.get(link())
    assert guest.post("/convert/", {"name": NEWCOMER}).status_code == 302
    user = get_user_model()._default_manager.get()
    assert user.email == (NEWCOMER if NAME_FIELD == "email" else ADDRESS)
    assert user.check_password(PASSWORD)


def test_a_script_hears_that_an_address_has_to_be_confirmed(guest: Client) -> None:
    assert ask(guest, accept="application/json").status_code == 202
    assert ask(guest, "nowhere", accept="application/json").json()["errors"]["email"]


def test_the_link_works_in_the_browser_of_the_guest_alone(guest: Client) -> None:
    ask(guest)
    for other in (Client(headers=PERSON), another_guest()):
        page = other.get(link())
        assert page.status_code == 403
        assert "in the browser in which you entered" in page.content.decode()
        assert "lazysignup_confirmed" not in other.session
    assert guest.get(link()).status_code == 302


def another_guest() -> Client:
    client = Client(headers=PERSON)
    client.post("/put/")
    return client


def test_a_link_that_is_changed_does_not_work(guest: Client) -> None:
    ask(guest)
    whole = link()
    for changed in (
        whole[:-3] + "xx/",
        whole.replace("confirm/", "confirm/x"),
        "/convert/confirm/x/",
    ):
        page = guest.get(changed)
        assert page.status_code == 404
        assert "Get new link" in page.content.decode()
    assert list(guest.get("/convert/").context["form"].fields) == ["email"]


def test_a_link_is_good_for_a_day(guest: Client) -> None:
    with time_machine.travel(timezone.now() - timedelta(hours=25), tick=False):
        ask(guest)
    assert guest.get(link()).status_code == 404


def test_a_link_of_another_purpose_does_not_work(guest: Client, account: Any) -> None:
    from django.core import signing

    token = signing.dumps([str(account.pk), ADDRESS, ""], salt="something else")
    assert guest.get(f"/convert/confirm/{token}/").status_code == 404


def test_the_next_guest_of_a_browser_confirms_again(guest: Client, account: Any) -> None:
    ask(guest)
    guest.get(link())
    account.delete()
    guest.post("/put/")
    assert guest.session["basket"] == ["seed"]
    assert list(guest.get("/convert/").context["form"].fields) == ["email"]


def test_two_tabs_confirm_two_addresses_and_the_last_counts(guest: Client) -> None:
    ask(guest, "first@example.com")
    first = link()
    ask(guest, ADDRESS)
    guest.get(first)
    guest.get(link())
    guest.post("/convert/", answers(email="first@example.com"))
    assert get_user_model()._default_manager.get().email == ADDRESS


def test_a_guest_who_has_signed_up_follows_the_link_again(guest: Client) -> None:
    ask(guest)
    guest.get(link())
    guest.post("/convert/", answers())
    assert guest.get(link(), follow=True).redirect_chain[-1] == ("/convert/done/", 302)
    assert "lazysignup_confirmed" not in guest.session


def test_one_mailbox_gets_only_so_many(guest: Client) -> None:
    codes = [ask(guest).status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]
    assert len(mail.outbox) == 5
    assert not GuestCounter.objects.filter(scope__contains="@").exists()


def test_one_client_writes_to_only_so_many(guest: Client) -> None:
    codes = [ask(guest, f"person{number}@example.com").status_code for number in range(21)]
    assert codes == [200] * 20 + [429]


def test_a_view_with_its_own_form_asks_first_as_well(guest: Client) -> None:
    assert list(guest.get("/convert-old/").context["form"].fields) == ["email"]
