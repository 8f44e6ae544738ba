"""Visitors use the site first and sign up later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.test import Client
from django.utils import timezone

from invitation.lazysignup import late_login, signals
from invitation.lazysignup.guests import is_lazy_user
from invitation.lazysignup.models import GuestCounter, LazyUser
from tests.lazysignup.shop.models import Item

pytestmark = pytest.mark.django_db
PERSON = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"}
PASSWORD = "correct-horse-battery"
User = get_user_model()


@pytest.fixture
def visitor() -> Client:
    return Client(headers=PERSON)


@pytest.fixture
def guest(visitor: Client) -> Client:
    visitor.get("/remember/")
    visitor.post("/put/", {"name": "seed"})
    return visitor


def answers(**more: Any) -> dict[str, Any]:
    return {
        "username": "newcomer",
        "email": "new@example.com",
        "password1": PASSWORD,
        "password2": PASSWORD,
    } | more


@pytest.mark.parametrize("path", ["/put/", "/put-async/", "/put-class/"])
def test_who_posts_becomes_a_guest(visitor: Client, path: str) -> None:
    name = visitor.post(path).content.decode()
    assert name.startswith("Guest ")
    user = LazyUser.objects.get().user
    assert user.get_username() == name
    assert not user.has_usable_password()
    assert not user.is_staff
    assert visitor.get("/who/").content.decode() == name


def test_who_looks_does_not(visitor: Client) -> None:
    for method in ("get", "head", "options"):
        getattr(visitor, method)("/put/")
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}, {"X-Moz": "prefetch"}],
)
def test_a_page_that_is_loaded_in_advance_makes_no_guest(visitor: Client, headers: Any) -> None:
    assert visitor.get("/look/", headers=headers).content == b"nobody"
    assert visitor.get("/look/").content.startswith(b"Guest ")


def test_the_session_stays_and_has_a_new_id(visitor: Client) -> None:
    visitor.get("/remember/")
    before = visitor.session.session_key
    visitor.post("/put/")
    assert visitor.session["basket"] == ["seed"]
    assert visitor.session.session_key != before


def test_nobody_logs_in_by_name(guest: Client, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [
        "invitation.lazysignup.backends.LazySignupBackend",
        *settings.AUTHENTICATION_BACKENDS,
    ]
    name = LazyUser.objects.get().user.get_username()
    assert authenticate(username=name) is None
    assert authenticate(username=name, password="") is None


def test_a_deactivated_guest_is_signed_out(guest: Client) -> None:
    User.objects.update(is_active=False)
    assert guest.get("/who/").content == b"nobody"


def test_a_guest_signs_up_and_keeps_everything(
    guest: Client, django_capture_on_commit_callbacks: Any
) -> None:
    user, key = LazyUser.objects.get().user, guest.session.session_key
    other = Client(headers=PERSON)
    other.cookies = guest.cookies.copy()
    heard: list[Any] = []
    signals.converted.connect(lambda user, **_: heard.append(user.pk), weak=False, dispatch_uid="t")
    with django_capture_on_commit_callbacks(execute=True):
        response = guest.post("/convert/", answers())
    signals.converted.disconnect(dispatch_uid="t")
    assert response.status_code == 302, response.context["form"].errors
    assert response["Location"] == "/convert/done/"
    account = User.objects.get()
    assert (account.pk, account.username, account.email) == (user.pk, "newcomer", "new@example.com")
    assert account.check_password(PASSWORD)
    assert Item.objects.get().owner == account
    assert guest.session["basket"] == ["seed"]
    assert guest.session.session_key != key
    assert guest.get("/who/").content == b"newcomer"
    assert not LazyUser.objects.exists()
    assert heard == [user.pk]


def test_other_sessions_of_the_guest_end(guest: Client) -> None:
    other = Client(headers=PERSON)
    user = LazyUser.objects.get().user
    other.force_login(user)
    guest.post("/convert/", answers())
    assert other.get("/who/").content == b"nobody"


def test_who_logs_in_to_an_account_keeps_the_session(guest: Client) -> None:
    User.objects.create_user("member", password=PASSWORD)
    response = guest.post("/accounts/login/", {"username": "member", "password": PASSWORD})
    assert response.status_code == 302
    assert guest.get("/who/").content == b"member"
    assert guest.session["basket"] == ["seed"]
    assert LazyUser.objects.exists()


def test_what_a_guest_has_moves_to_the_account(guest: Client, monkeypatch: Any) -> None:
    def move(guest: Any, user: Any) -> list[str]:
        return [f"{Item.objects.filter(owner=guest).update(owner=user)} items"]

    monkeypatch.setattr(late_login, "_handlers", {})
    late_login.register(move)
    member = User.objects.create_user("member", password=PASSWORD)
    account = LazyUser.objects.get().user
    assert late_login.merge(account, member, dry_run=True) == ["1 items"]
    assert Item.objects.get().owner == account
    guest.post("/accounts/login/", {"username": "member", "password": PASSWORD})
    assert Item.objects.get().owner == member


def test_cleanup_deletes_who_has_not_been_here(guest: Client) -> None:
    assert LazyUser.objects.delete_expired() == 0
    LazyUser.objects.update(last_seen=timezone.now() - timedelta(days=99))
    assert LazyUser.objects.delete_expired() == 1
    assert not User.objects.exists()
    assert not Item.objects.exists()


def test_who_comes_back_is_not_deleted(guest: Client) -> None:
    LazyUser.objects.update(last_seen=timezone.now() - timedelta(days=99))
    session = guest.session
    session["lazysignup_seen"] = 0
    session.save()
    guest.get("/who/")
    assert LazyUser.objects.delete_expired() == 0


def test_a_client_makes_only_so_many(settings: Any) -> None:
    settings.LAZYSIGNUP_LIMIT_PER_CLIENT = 2
    codes = [Client(headers=PERSON).post("/put/").status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert LazyUser.objects.count() == 2
    GuestCounter.objects.update(begun=timezone.now() - timedelta(hours=2))
    assert Client(headers=PERSON).post("/put/").status_code == 200


def test_asking_costs_nothing(guest: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):  # the session and the account
        assert guest.get("/no-lazy/").status_code == 302
    user = LazyUser.objects.get().user
    with django_assert_num_queries(1):
        assert is_lazy_user(user)
        assert is_lazy_user(user)
