"""A guest logs in to an account that they have already."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.messages import get_messages
from django.test import AsyncClient, Client

from invitation.lazysignup import late_login
from invitation.lazysignup.exceptions import NotLazyError
from invitation.lazysignup.models import LazyUser
from tests.lazysignup.people import MEMBER, PASSWORD, PERSON, answers, make_member
from tests.lazysignup.shop.models import Item

pytestmark = pytest.mark.django_db
User = get_user_model()
KEPT = "What you did as a guest did not move to your account. It is kept for a while."
MOVED = "What you did as a guest is in your account now."


@pytest.fixture(autouse=True)
def handlers(monkeypatch: Any) -> dict[str, Any]:
    """Let each test register its own handlers."""
    known: dict[str, Any] = {}
    monkeypatch.setattr(late_login, "_handlers", known)
    return known


@pytest.fixture
def member(db: None) -> Any:
    return make_member()


def move(guest: Any, user: Any) -> list[str]:
    number = Item.objects.filter(owner=guest).update(owner=user)
    return [f"{number} items"]


def log_in(client: Client) -> Any:
    response = client.post("/accounts/login/", {"username": MEMBER, "password": PASSWORD})
    assert response.status_code == 302
    return response


def told(client: Client) -> list[str]:
    return [str(message) for message in get_messages(client.get("/who/").wsgi_request)]


def test_the_session_stays_with_a_new_id(guest: Client, member: Any) -> None:
    before = guest.session.session_key
    log_in(guest)
    assert guest.get("/who/").content.decode() == MEMBER
    assert guest.session["basket"] == ["seed"]
    assert guest.session.session_key != before
    assert guest.session["_auth_user_id"] == str(member.pk)
    assert not [key for key in dict(guest.session.items()) if key.startswith("lazysignup")]


def test_so_it_does_for_asynchronous_logins(guest: Client, member: Any) -> None:
    client = AsyncClient(headers=PERSON)
    client.cookies = guest.cookies
    async_to_sync(client.post)("/log-in-async/", {"name": MEMBER})
    assert client.session["basket"] == ["seed"]
    assert guest.get("/who/").content.decode() == MEMBER


def test_without_a_handler_the_guest_stays_and_the_person_is_told(
    guest: Client, account: Any, member: Any
) -> None:
    log_in(guest)
    assert told(guest) == [KEPT]
    assert Item.objects.get().owner == account
    assert LazyUser.objects.get().user == account


def test_with_a_handler_everything_moves(
    guest: Client, account: Any, member: Any, heard: Any, commit: Any
) -> None:
    late_login.register(move)
    calls = heard("merged")
    with commit():
        log_in(guest)
        assert calls == []
    assert Item.objects.get().owner == member
    assert told(guest) == [MOVED]
    assert calls == [{"guest_id": account.pk, "user": member, "moved": ["1 items"]}]
    assert LazyUser.objects.get().user == account


def test_a_handler_registers_once(handlers: Any) -> None:
    assert late_login.register(late_login.register(move)) is move
    assert list(handlers.values()) == [move]


def test_a_handler_need_not_say_anything(account: Any, member: Any) -> None:
    late_login.register(lambda guest, user: None)
    assert late_login.merge(account, member) == []


def test_a_dry_run_says_what_would_move_and_moves_nothing(
    account: Any, member: Any, heard: Any, commit: Any
) -> None:
    late_login.register(move)
    calls = heard("merged")
    with commit():
        assert late_login.merge(account, member, dry_run=True) == ["1 items"]
    assert Item.objects.get().owner == account
    assert calls == []


def test_a_handler_that_fails_moves_nothing_and_the_login_succeeds(
    guest: Client, account: Any, member: Any, caplog: Any
) -> None:
    late_login.register(move)

    def fail(guest: Any, user: Any) -> None:
        raise ZeroDivisionError

    late_login.register(fail)
    with caplog.at_level(logging.ERROR, "invitation.lazysignup"):
        log_in(guest)
    assert Item.objects.get().owner == account
    assert told(guest) == [KEPT]
    [record] = caplog.records
    assert record.exc_info is not None
    assert guest.get("/who/").content.decode() == MEMBER


def test_nobody_but_a_guest_is_merged(member: Any) -> None:
    late_login.register(move)
    with pytest.raises(NotLazyError):
        late_login.merge(member, member)


def test_what_a_deactivated_guest_has_does_not_move(
    guest: Client, account: Any, member: Any
) -> None:
    late_login.register(move)
    User.objects.filter(pk=account.pk).update(is_active=False)
    log_in(guest)
    assert Item.objects.get().owner == account
    assert told(guest) == []


def test_a_deactivated_guest_gives_nothing_to_the_next_guest(guest: Client, account: Any) -> None:
    late_login.register(move)
    User.objects.filter(pk=account.pk).update(is_active=False)
    guest.post("/put/", {"name": "other"})
    assert Item.objects.filter(owner=account).count() == 1


def test_a_guest_who_has_signed_up_elsewhere_keeps_what_they_have(
    guest: Client, account: Any, member: Any
) -> None:
    late_login.register(move)
    other = Client(headers=PERSON)
    other.force_login(account)
    assert other.post("/convert/", answers()).status_code == 302
    log_in(guest)
    assert Item.objects.get().owner == account
    assert told(guest) == []


def test_a_login_without_a_guest_changes_nothing(visitor: Client, member: Any) -> None:
    late_login.register(move)
    log_in(visitor)
    assert told(visitor) == []


def test_a_login_without_a_session_or_a_request(rf: Any, member: Any) -> None:
    late_login.settle(User, request=None, user=member)
    late_login.settle(User, request=rf.get("/"), user=member)


def test_a_guest_who_is_logged_in_by_the_site_is_known(guest: Client, account: Any) -> None:
    other = Client(headers=PERSON)
    other.force_login(account)
    assert other.get("/guests-only/").status_code == 200
    assert other.session["lazysignup_guest"] == str(account.pk)


def test_a_member_logs_out_as_ever(visitor: Client, member: Any) -> None:
    log_in(visitor)
    visitor.post("/accounts/logout/")
    assert visitor.get("/who/").content == b"nobody"


def test_a_visitor_logs_in_asynchronously(visitor: Client, member: Any) -> None:
    other: Any = get_user_model()._default_manager.create_user(
        **{get_user_model().USERNAME_FIELD: "other@example.com"}
    )
    visitor.force_login(other)
    client = AsyncClient(headers=PERSON)
    client.cookies = visitor.cookies
    async_to_sync(client.post)("/log-in-async/", {"name": MEMBER})
    assert visitor.get("/who/").content.decode() == MEMBER


def test_who_logs_out_takes_nothing_along(guest: Client, account: Any, member: Any) -> None:
    late_login.register(move)
    guest.post("/accounts/logout/")
    log_in(guest)
    assert Item.objects.get().owner == account
    assert "basket" not in guest.session
