"""A guest who signs up with django-allauth keeps the account, and everything that is in it."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.signals import social_account_added
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.test import Client

from invitation.lazysignup import late_login
from invitation.lazysignup.models import LazyUser
from invitation.models import Acceptance, InvitationKey
from tests.factories import ADDRESS, make_invitation, make_user
from tests.hosts.guests import people
from tests.hosts.guests.people import follow
from tests.lazysignup.people import PASSWORD, PERSON, answers
from tests.lazysignup.shop.models import Item

pytestmark = pytest.mark.django_db
User = get_user_model()


@pytest.fixture(autouse=True, scope="session")
def addresses_of_the_site() -> None:
    """Read the URLconf under the site's own settings: allauth's depends on them."""
    import_module("tests.hosts.guests_allauth.urls")


@pytest.fixture
def invitation() -> InvitationKey:
    return make_invitation(make_user())


def come(browser: Client, email: str = ADDRESS, *, process: str = "login", **typed: Any) -> Any:
    """Go to the provider, agree there, and return what the site answers."""
    away = browser.post(f"/accounts/dummy/login/?process={process}")
    assert away.status_code == 302
    known = {"id": 7, "email": email, "username": "newcomer"} | typed
    return browser.post(away["Location"], known)


def signed_up(client: Client, before: Any, *, logged_in: bool = True) -> None:
    account = User.objects.get(username="newcomer")
    assert (account.pk, account.email) == (before.pk, ADDRESS)
    assert not LazyUser.objects.exists()
    assert Item.objects.get().owner == account
    assert client.session["basket"] == ["seed"]
    assert client.get("/who/").content == (b"newcomer" if logged_in else b"nobody")
    [address] = EmailAddress.objects.filter(user=account)
    assert (address.email, address.primary, address.verified) == (ADDRESS, True, logged_in)


def stays_a_guest(client: Client) -> bool:
    return people.stays_a_guest(client) and not SocialAccount.objects.exists()


@pytest.mark.parametrize("invite_mode", [True, False])
@pytest.mark.parametrize("channel", ["mail_key", "key"])
def test_a_guest_signs_up_with_the_form(
    guest: Client, invitation: InvitationKey, channel: str, invite_mode: bool, settings: Any
) -> None:
    settings.INVITE_MODE = invite_mode
    before, session = LazyUser.objects.get().user, guest.session.session_key
    # An address that a guest has entered on allauth's page before.
    EmailAddress.objects.create(user=before, email="old@example.org", primary=True)
    other = Client(headers=PERSON)
    other.cookies = guest.cookies.copy()
    follow(guest, invitation, channel)
    form = guest.get("/accounts/signup/")
    assert form.status_code == 200
    assert not form.context["form"]["username"].value()
    response = guest.post("/accounts/signup/", answers(email=ADDRESS))
    assert response.status_code == 302, response.content
    signed_up(guest, before, logged_in=channel == "mail_key")
    assert User.objects.get(pk=before.pk).check_password(PASSWORD)
    assert guest.session.session_key != session
    assert other.get("/who/").content == b"nobody"
    assert Acceptance.objects.get().user == before


def test_a_guest_signs_up_without_an_invitation_where_none_is_needed(
    guest: Client, settings: Any
) -> None:
    settings.INVITE_MODE = False
    before = LazyUser.objects.get().user
    response = guest.post("/accounts/signup/", answers(email=ADDRESS))
    assert response["Location"] == "/accounts/confirm-email/"
    signed_up(guest, before, logged_in=False)


@pytest.mark.parametrize("process", ["login", "connect"])
def test_a_guest_signs_up_with_a_provider(
    guest: Client, invitation: InvitationKey, process: str
) -> None:
    before, session = LazyUser.objects.get().user, guest.session.session_key
    User.objects.update(last_name="Beet")  # what the site knows, and the provider does not
    follow(guest, invitation)
    response = come(guest, process=process, first_name="Bea")
    assert response.status_code == 302
    signed_up(guest, before)
    assert SocialAccount.objects.get().user == before
    account = User.objects.get(pk=before.pk)
    assert (account.first_name, account.last_name) == ("Bea", "Beet")
    assert guest.session.session_key != session
    assert Acceptance.objects.get().user == before


def test_a_guest_signs_up_with_a_provider_and_a_form(
    guest: Client, invitation: InvitationKey, settings: Any
) -> None:
    settings.SOCIALACCOUNT_AUTO_SIGNUP = False
    before = LazyUser.objects.get().user
    follow(guest, invitation)
    response = come(guest)
    assert response["Location"] == "/accounts/3rdparty/signup/"
    assert stays_a_guest(guest)
    assert guest.get(response["Location"]).status_code == 200
    response = guest.post(response["Location"], {"username": "newcomer", "email": ADDRESS})
    assert response.status_code == 302, response.content
    signed_up(guest, before)
    assert SocialAccount.objects.get().user == before


@pytest.mark.parametrize("process", ["login", "connect"])
def test_a_provider_without_an_invitation_leaves_a_guest_a_guest(
    guest: Client, process: str
) -> None:
    response = come(guest, process=process)
    assert (response.status_code, response.context["no_key"]) == (403, True)
    assert stays_a_guest(guest)


@pytest.mark.parametrize("process", ["login", "connect"])
def test_another_address_from_a_provider_leaves_a_guest_a_guest(
    guest: Client, invitation: InvitationKey, process: str
) -> None:
    follow(guest, invitation)
    assert come(guest, "eve@example.org", process=process).status_code == 403
    assert stays_a_guest(guest)


def test_a_connected_provider_alone_makes_no_member(guest: Client) -> None:
    """What makes one on a site without invitations is not connected."""
    request = HttpRequest()
    request.session, request.user = guest.session, LazyUser.objects.get().user
    login = SocialLogin(user=request.user)
    social_account_added.send(SocialLogin, request=request, sociallogin=login)
    assert stays_a_guest(guest)


def test_a_password_from_the_page_of_allauth_makes_no_member(guest: Client) -> None:
    """The page gives any account a password that has none, without an invitation."""
    account = LazyUser.objects.get().user
    typed = {"password1": PASSWORD, "password2": PASSWORD}
    assert guest.post("/accounts/password/set/", typed).status_code == 302
    assert User.objects.get(pk=account.pk).has_usable_password()
    EmailAddress.objects.create(user=account, email=ADDRESS, primary=True, verified=True)
    elsewhere = Client(headers=PERSON)
    elsewhere.get("/accounts/login/")
    elsewhere.post("/accounts/login/", {"login": account.username, "password": PASSWORD})
    for browser in (guest, elsewhere):
        assert browser.get("/who/").content.decode() == account.username
        assert browser.get("/accounts/invite/").context["reason"] == "guest_forbidden"
        assert browser.post("/convert/", answers(email=ADDRESS)).context["no_key"]
    assert LazyUser.objects.get().user == account


def test_a_guest_without_an_invitation_is_told_how_to_get_in(guest: Client) -> None:
    for response in (
        guest.get("/accounts/signup/"),
        guest.post("/accounts/signup/", answers(email=ADDRESS)),
    ):
        assert (response.status_code, response.context["no_key"]) == (403, True)
    assert stays_a_guest(guest)


def test_a_guest_signs_up_in_the_api(guest: Client, invitation: InvitationKey) -> None:
    before = LazyUser.objects.get().user
    data = {
        "email": ADDRESS,
        "username": "newcomer",
        "password": PASSWORD,
        "invitation_key": invitation.mail_key,
    }
    response = guest.post(
        "/_allauth/browser/v1/auth/signup", json.dumps(data), content_type="application/json"
    )
    assert response.status_code == 200, response.content
    signed_up(guest, before)


def in_an_app(session: str, address: str, **data: Any) -> Any:
    """Send a request of an app, which names its session and has no cookies."""
    headers = {"x-session-token": session} if session else {}
    client = Client(headers=PERSON | headers)
    return client.post(f"/_allauth/app/v1/auth/{address}", data, content_type="application/json")


def token_of_a_provider(email: str = ADDRESS) -> dict[str, Any]:
    known = {"id": 7, "email": email, "username": "newcomer", "email_verified": True}
    token = {"id_token": json.dumps(known), "client_id": "x"}
    return {"provider": "dummy", "process": "login", "token": token}


@pytest.mark.parametrize("way", ["signup", "provider/token"])
def test_a_guest_signs_up_in_an_app(guest: Client, invitation: InvitationKey, way: str) -> None:
    before, session = LazyUser.objects.get().user, guest.session.session_key or ""
    typed = {"email": ADDRESS, "username": "newcomer", "password": PASSWORD}
    data = typed if way == "signup" else token_of_a_provider()
    response = in_an_app(session, way, **data, invitation_key=invitation.mail_key)
    assert response.status_code == 200, response.content
    new = response.json()["meta"]["session_token"]
    assert new != session
    assert guest.get("/who/").content == b"nobody"
    guest.cookies["sessionid"] = new
    signed_up(guest, before)
    assert Acceptance.objects.get().user == before


@pytest.mark.parametrize("way", ["signup", "provider/token"])
def test_a_guest_who_is_refused_in_an_app_stays_a_guest(guest: Client, way: str) -> None:
    typed = {"email": ADDRESS, "username": "newcomer", "password": PASSWORD}
    data = typed if way == "signup" else token_of_a_provider()
    assert in_an_app(guest.session.session_key or "", way, **data).status_code == 403
    assert stays_a_guest(guest)


def asks_early(get_response: Any) -> Any:
    """Ask who a visitor is before the view, as a middleware of a site may."""

    def middleware(request: HttpRequest) -> Any:
        assert not request.user.is_authenticated
        return get_response(request)

    return middleware


def test_an_app_is_known_by_its_session_also_where_the_site_asks_early(
    client: Client, guest: Client, settings: Any
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.asks_early"]
    client.force_login(make_user("bob"))
    for browser in (guest, client):
        token = browser.session.session_key
        answer = Client(headers={"x-session-token": token}).get("/_allauth/app/v1/auth/session")
        assert answer.status_code == 200
        assert str(answer.json()["data"]["user"]["id"]) == browser.session["_auth_user_id"]


@pytest.mark.parametrize("way", ["form", "provider"])
def test_a_try_that_the_database_undoes_begins_with_a_fresh_guest(
    transactional_db: None, guest: Client, invitation: InvitationKey, way: str
) -> None:
    before = LazyUser.objects.get().user
    follow(guest, invitation)
    with people.undone_once() as tries:
        if way == "form":
            guest.post("/accounts/signup/", answers(email=ADDRESS))
        else:
            come(guest)
    assert {pk for _tried, pk in tries} == {before.pk}
    assert tries[0][0] is not tries[1][0]
    signed_up(guest, before)


def test_a_member_who_is_logged_in_is_led_to_the_invitation(
    client: Client, invitation: InvitationKey
) -> None:
    client.force_login(make_user("bob"))
    follow(client, invitation)
    assert client.get("/accounts/signup/")["Location"].endswith("/invited/")


@pytest.mark.parametrize("way", ["form", "provider", "browser", "app", "token"])
def test_a_guest_logs_in_to_an_account_they_have(guest: Client, way: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(late_login, "_handlers", {})

    @late_login.register
    def move(guest: Any, user: Any) -> list[str]:
        return [str(item) for item in Item.objects.filter(owner=guest)] * Item.objects.filter(
            owner=guest
        ).update(owner=user)

    account = make_user("bob")
    EmailAddress.objects.create(user=account, email=account.email, primary=True, verified=True)
    typed, session = {"username": "bob", "password": "secret"}, guest.session.session_key or ""
    if way == "form":
        assert guest.get("/accounts/login/").status_code == 200
        guest.post("/accounts/login/", {"login": "bob", "password": "secret"})
    elif way == "browser":
        address = "/_allauth/browser/v1/auth/login"
        assert guest.post(address, typed, content_type="application/json").status_code == 200
    elif way == "app":
        response = in_an_app(session, "login", **typed)
        guest.cookies["sessionid"] = response.json()["meta"]["session_token"]
    else:
        SocialAccount.objects.create(user=account, provider="dummy", uid="7")
        if way == "provider":
            come(guest, account.email)
        else:
            response = in_an_app(session, "provider/token", **token_of_a_provider(account.email))
            guest.cookies["sessionid"] = response.json()["meta"]["session_token"]
    assert guest.get("/who/").content == b"bob"
    assert Item.objects.get().owner == account
    assert guest.session["basket"] == ["seed"]


def test_an_invited_guest_signs_up_with_allauth_days_later(
    invitation: InvitationKey,
) -> None:
    client = Client(headers=PERSON)
    client.get("/remember/")
    follow(client, invitation)
    client.post("/convert/look-around/")
    client.post("/put/")
    del client.cookies["invitation_key"]
    before = LazyUser.objects.get().user
    assert client.post("/accounts/signup/", answers(email=ADDRESS)).status_code == 302
    signed_up(client, before)
    assert Acceptance.objects.get().invitation == invitation


@pytest.mark.parametrize("way", ["form", "provider"])
def test_a_member_who_has_no_name_gets_another_than_that_of_a_guest(
    guest: Client, invitation: InvitationKey, settings: Any, way: str
) -> None:
    settings.ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
    settings.ACCOUNT_LOGIN_METHODS = {"email"}
    before = LazyUser.objects.get().user
    follow(guest, invitation)
    if way == "form":
        guest.post("/accounts/signup/", {"email": ADDRESS, "password1": PASSWORD})
    else:
        come(guest, username="")
    assert not LazyUser.objects.exists()
    assert User.objects.get(pk=before.pk).username == ADDRESS.partition("@")[0]
