"""A guest who signs up through dj-rest-auth keeps the account, and everything that is in it."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.test import Client
from rest_framework.authtoken.models import Token

from invitation.lazysignup import late_login
from invitation.lazysignup.models import LazyUser
from invitation.models import Acceptance, InvitationKey
from tests.factories import ADDRESS, make_invitation, make_user
from tests.hosts.guests.people import undone_once
from tests.lazysignup.people import PASSWORD, PERSON, answers
from tests.lazysignup.shop.models import Item

pytestmark = pytest.mark.django_db
User = get_user_model()
REGISTRATION = "/auth/registration/"


@pytest.fixture
def invitation() -> InvitationKey:
    return make_invitation(make_user())


def register(client: Client, key: str = "", **typed: Any) -> Any:
    data = answers(email=ADDRESS) | ({"invitation_key": key} if key else {}) | typed
    return client.post(REGISTRATION, data, content_type="application/json")


def has_signed_up(before: Any) -> bool:
    account = User.objects.get(username="newcomer")
    assert account.check_password(PASSWORD)
    assert (account.pk, account.email) == (before.pk, ADDRESS)
    return not LazyUser.objects.exists() and Item.objects.get().owner == account


def stays_a_guest(client: Client, account: Any) -> bool:
    return (
        LazyUser.objects.get().user == account == Item.objects.get().owner
        and client.get("/who/").content.decode() == account.get_username()
        and client.session["basket"] == ["seed"]
        and not Acceptance.objects.exists()
        and not EmailAddress.objects.exists()
    )


@pytest.mark.parametrize("channel", ["mail_key", "key"])
def test_a_guest_signs_up(
    guest: Client, account: Any, invitation: InvitationKey, channel: str
) -> None:
    session, other = guest.session.session_key, Client(headers=PERSON)
    other.cookies = guest.cookies.copy()
    response = register(guest, getattr(invitation, channel))
    assert response.status_code == 201, response.content
    assert has_signed_up(account)
    # The key of the email proves the address. That of a copied link leaves it to be confirmed.
    proven = channel == "mail_key"
    assert EmailAddress.objects.get(user=account).verified is proven
    assert guest.get("/who/").content == (b"newcomer" if proven else b"nobody")
    assert guest.session["basket"] == ["seed"]
    assert guest.session.session_key != session
    assert other.get("/who/").content == b"nobody"
    acceptance = Acceptance.objects.get()
    assert (acceptance.invitation, acceptance.user) == (invitation, account)


def test_a_guest_signs_up_with_the_invitation_they_came_with(invitation: InvitationKey) -> None:
    client = Client(headers=PERSON)
    client.get(f"/accounts/invited/{invitation.mail_key}/")
    client.post("/convert/look-around/")
    client.post("/put/")
    del client.cookies["invitation_key"]
    before = LazyUser.objects.get().user
    assert register(client).status_code == 201
    assert has_signed_up(before)
    assert Acceptance.objects.get().invitation == invitation


def test_a_guest_of_an_app_is_known_by_a_token(
    guest: Client, account: Any, invitation: InvitationKey
) -> None:
    token = Token.objects.create(user=account)
    app = Client(headers=PERSON | {"authorization": f"Token {token.key}"})
    assert register(app, invitation.mail_key).status_code == 201
    assert has_signed_up(account)
    assert Acceptance.objects.get().user == account
    # What the guest does in a browser has ended.
    assert guest.get("/who/").content == b"nobody"


def test_without_invitations_a_guest_signs_up_as_well(
    guest: Client, account: Any, settings: Any
) -> None:
    settings.INVITE_MODE = False
    assert register(guest).status_code == 201
    assert has_signed_up(account)


def test_a_browser_sends_the_csrf_token_of_the_guest(
    guest: Client, account: Any, invitation: InvitationKey
) -> None:
    browser = Client(headers=PERSON, enforce_csrf_checks=True)
    browser.cookies = guest.cookies
    assert register(browser, invitation.mail_key).status_code == 403
    assert stays_a_guest(guest, account)
    browser.get("/accounts/login/")
    browser.defaults["HTTP_X_CSRFTOKEN"] = browser.cookies["csrftoken"].value
    assert register(browser, invitation.mail_key).status_code == 201
    assert has_signed_up(account)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ({"invitation_key": ""}, 403),
        ({"email": "eve@example.org"}, 403),
        ({"password2": "another"}, 400),
        ({"password1": "newcomer", "password2": "newcomer"}, 400),
    ],
)
def test_a_guest_who_is_refused_stays_a_guest(
    guest: Client,
    account: Any,
    invitation: InvitationKey,
    typed: dict[str, str],
    code: int,
    settings: Any,
) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"}
    ]
    assert register(guest, invitation.mail_key, **typed).status_code == code
    assert stays_a_guest(guest, account)
    assert register(guest, invitation.mail_key).status_code == 201
    assert has_signed_up(account)


def test_a_try_that_the_database_undoes_leaves_one_account(
    transactional_db: None, guest: Client, invitation: InvitationKey
) -> None:
    before = LazyUser.objects.get().user
    with undone_once() as tries:
        response = register(guest, invitation.mail_key)
    assert response.status_code == 201
    assert {pk for _tried, pk in tries} == {before.pk}
    assert has_signed_up(before)
    assert User.objects.count() == 2  # the inviter, and who was a guest


def test_a_guest_logs_in_to_an_account_they_have(
    guest: Client, account: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(late_login, "_handlers", {})

    @late_login.register
    def move(guest: Any, user: Any) -> list[str]:
        return [str(Item.objects.filter(owner=guest).update(owner=user))]

    member = make_user("bob")
    EmailAddress.objects.create(user=member, email=member.email, primary=True, verified=True)
    typed = {"username": "bob", "password": "secret"}
    response = guest.post("/auth/login/", typed, content_type="application/json")
    assert response.status_code == 200, response.content
    assert guest.get("/who/").content == b"bob"
    assert Item.objects.get().owner == member
    assert guest.session["basket"] == ["seed"]
    assert LazyUser.objects.get().user == account
