"""Visitors become guests: who does, how many, and with what."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import cycle, islice
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.db import IntegrityError
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone, translation

from invitation.lazysignup import guests, models
from invitation.lazysignup.exceptions import TooManyGuests
from invitation.lazysignup.models import GuestCounter, LazyUser, LazyUserManager
from tests.lazysignup.agents import BROWSERS, ROBOTS
from tests.lazysignup.people import NAME_FIELD, PERSON, make_member
from tests.users.models import EmailUser

pytestmark = pytest.mark.django_db
User = get_user_model()


@pytest.mark.parametrize("path", ["/put/", "/put-async/", "/put-class/"])
def test_who_posts_becomes_a_guest(visitor: Client, path: str) -> None:
    name = visitor.post(path).content.decode()
    user: Any = LazyUser.objects.get().user
    assert user.get_username() == name
    assert not user.has_usable_password()
    assert visitor.get("/who/").content.decode() == name


def test_a_guest_may_do_nothing_special(account: Any) -> None:
    assert not account.is_staff
    assert not account.is_superuser
    assert not account.has_perm("auth.add_user")
    assert not getattr(account, "groups", User.objects.none()).exists()


def test_a_guest_stays_the_same(guest: Client, account: Any) -> None:
    guest.post("/put/")
    guest.post("/put-async/")
    assert User.objects.get() == account


def test_a_member_is_no_guest(visitor: Client) -> None:
    visitor.force_login(make_member())
    visitor.post("/put/")
    assert not LazyUser.objects.exists()


# Only people


@pytest.mark.parametrize("method", ["get", "head", "options", "trace"])
def test_who_looks_becomes_no_guest(visitor: Client, method: str) -> None:
    getattr(visitor, method)("/put/")
    assert not User.objects.exists()


@pytest.mark.parametrize("method", ["head", "options", "trace"])
def test_not_even_where_looking_counts(visitor: Client, settings: Any, method: str) -> None:
    settings.LAZYSIGNUP_ON_GET = True
    getattr(visitor, method)("/put/")
    getattr(visitor, method)("/look/")
    assert not User.objects.exists()
    visitor.get("/put/")
    assert User.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Purpose": "preview"},
        {"X-Moz": "prefetch"},
    ],
)
def test_a_page_that_is_loaded_in_advance_makes_no_guest(visitor: Client, headers: Any) -> None:
    assert visitor.get("/look/", headers=headers).content == b"nobody"
    assert visitor.get("/look/").content != b"nobody"


def asks(agent: str, method: str = "GET", path: str = "/", **headers: str) -> HttpRequest:
    given = {"user-agent": agent} if agent else {}
    return RequestFactory().generic(method, path, headers=given | headers)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_robot_may_become_a_guest(method: str) -> None:
    assert [x for x in ROBOTS if guests.may_become_guest(asks(x, method), on_get=True)] == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_browser_may(method: str) -> None:
    assert [x for x in BROWSERS if not guests.may_become_guest(asks(x, method), True)] == []


def test_who_names_no_browser_becomes_no_guest_by_looking() -> None:
    assert not guests.may_become_guest(asks(""), on_get=True)
    assert guests.may_become_guest(asks("", "POST"))


@pytest.mark.parametrize("on_get", [False, True])
def test_ten_thousand_pages_read_by_robots_make_nobody(settings: Any, on_get: bool) -> None:
    settings.LAZYSIGNUP_ON_GET = on_get
    client = Client()
    for agent in ROBOTS:  # through the whole site
        assert client.get("/put/", headers={"user-agent": agent}).content == b"nobody"
    for number, agent in enumerate(islice(cycle(ROBOTS), 10_000 - len(ROBOTS))):
        assert not guests.may_become_guest(asks(agent, path=f"/{number}/"))
    assert not User.objects.exists()
    assert not client.cookies


def test_people_who_look_make_nobody_with_the_defaults() -> None:
    client = Client()
    for agent in BROWSERS:
        client.get("/put/", headers={"user-agent": agent})
    assert not User.objects.exists()


def test_a_site_chooses_its_own_robots(visitor: Client, settings: Any) -> None:
    settings.LAZYSIGNUP_USER_AGENT_BLACKLIST = ["firefox/1[0-9]{2}"]
    assert visitor.post("/put/").content == b"nobody"
    assert visitor.post("/put/", headers={"user-agent": "Googlebot/2.1"}).content != b"nobody"
    settings.LAZYSIGNUP_USER_AGENT_BLACKLIST = []
    assert visitor.post("/put/").content != b"nobody"


def test_a_site_can_switch_guests_off(visitor: Client, settings: Any) -> None:
    settings.LAZYSIGNUP_ENABLE = False
    assert visitor.post("/put/").content == b"nobody"


# The session


def test_the_session_stays_and_has_a_new_id(visitor: Client) -> None:
    visitor.get("/remember/")
    before = visitor.session.session_key
    visitor.post("/put/")
    assert visitor.session["basket"] == ["seed"]
    assert visitor.session.session_key != before


def test_a_guest_whose_account_is_gone_becomes_another_one(guest: Client, account: Any) -> None:
    account.delete()
    assert guest.get("/who/").content == b"nobody"
    guest.post("/put/")
    assert User.objects.get().pk != account.pk
    assert guest.session["basket"] == ["seed"]


def test_a_deactivated_guest_is_signed_out(guest: Client, account: Any) -> None:
    User.objects.update(is_active=False)
    assert guest.get("/who/").content == b"nobody"
    assert guest.get("/guests-only/")["Location"] == "/anonymous/"


def test_a_site_without_djangos_backend_has_guests(visitor: Client, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [
        "invitation.lazysignup.backends.LazySignupBackend",
        "django.contrib.auth.backends.AllowAllUsersModelBackend",
    ]
    name = visitor.post("/put/").content
    assert visitor.get("/who/").content == name


@pytest.mark.parametrize("backend", guests.OLD_BACKENDS)
def test_a_session_of_an_old_package_goes_on(guest: Client, account: Any, backend: str) -> None:
    session = guest.session
    for key in (guests.FLAG, guests.SEEN):
        session.pop(key)
    session["_auth_user_backend"] = backend
    session.save()
    assert guest.get("/who/").content.decode() == account.get_username()
    assert guest.get("/guests-only/").status_code == 200


# Nobody logs in by name


@pytest.mark.parametrize("credentials", [{}, {"password": ""}, {"password": "x"}])
def test_nobody_logs_in_by_name(account: Any, settings: Any, credentials: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [
        "invitation.lazysignup.backends.LazySignupBackend",
        *settings.AUTHENTICATION_BACKENDS,
    ]
    name = account.get_username()
    assert authenticate(username=name, **credentials) is None
    assert authenticate(RequestFactory().get("/"), username=name, **credentials) is None
    assert authenticate(**{NAME_FIELD: name}, **credentials) is None
    assert authenticate(user=account, pk=account.pk, **credentials) is None


def test_a_guest_can_have_no_new_password_sent(account: Any) -> None:
    from django.contrib.auth.forms import PasswordResetForm

    form = PasswordResetForm({"email": getattr(account, account.get_email_field_name()) or "x@y.z"})
    assert not form.is_valid() or not list(form.get_users(form.cleaned_data["email"]))


# Limits


def test_a_client_makes_only_so_many(settings: Any) -> None:
    settings.LAZYSIGNUP_LIMIT_PER_CLIENT = 2
    codes = [Client(headers=PERSON).post("/put/").status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert LazyUser.objects.count() == 2
    other = Client(headers=PERSON, REMOTE_ADDR="192.0.2.7")
    assert other.post("/put/").status_code == 200
    GuestCounter.objects.update(begun=timezone.now() - timedelta(hours=2))
    assert Client(headers=PERSON).post("/put/").status_code == 200


def test_all_clients_make_only_so_many(settings: Any) -> None:
    settings.LAZYSIGNUP_LIMIT = 2
    codes = [
        Client(headers=PERSON, REMOTE_ADDR=f"192.0.2.{number}").post("/put/").status_code
        for number in range(3)
    ]
    assert codes == [200, 200, 429]


def test_a_client_beyond_its_limit_uses_up_nothing_of_the_others(settings: Any) -> None:
    settings.LAZYSIGNUP_LIMIT_PER_CLIENT = 1
    for _ in range(3):
        Client(headers=PERSON).post("/put/")
    assert GuestCounter.objects.get(scope="all").number == 1


def test_the_page_about_the_limit_says_when_to_come_back(settings: Any) -> None:
    settings.LAZYSIGNUP_LIMIT_PER_CLIENT = 0
    page = Client(headers=PERSON).post("/put/")
    assert page.status_code == 429
    assert 3590 <= int(page["Retry-After"]) <= 3600
    assert "Try again later" in page.content.decode()
    assert 'href="/accounts/login/"' in page.content.decode()
    data = Client(headers=PERSON | {"accept": "application/json"}).post("/put/")
    assert data.status_code == 429
    assert "Try again in" in data.json()["detail"]
    assert not User.objects.exists()


def test_no_limit_at_all(settings: Any) -> None:
    settings.LAZYSIGNUP_LIMIT_PER_CLIENT = settings.LAZYSIGNUP_LIMIT = None
    assert Client(headers=PERSON).post("/put/").status_code == 200
    assert not GuestCounter.objects.exists()


def test_a_limit_of_none_at_all_stays_when_the_hour_is_over() -> None:
    GuestCounter.objects.create(scope="x", begun=timezone.now() - timedelta(hours=2), number=9)
    with pytest.raises(TooManyGuests):
        GuestCounter.objects.take("x", 0)
    GuestCounter.objects.take("x", 1)
    with pytest.raises(TooManyGuests):
        GuestCounter.objects.take("x", 1)
    assert str(GuestCounter.objects.get()) == "x…: 1"


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # an IPv4 client of a server that listens to both
        ("somewhere", "somewhere"),
        (None, ""),
    ],
)
def test_a_client_is_an_address_or_a_network(address: Any, client: str) -> None:
    assert guests.client_of(SimpleNamespace(META={"REMOTE_ADDR": address})) == client


def test_the_site_knows_the_address_behind_a_proxy(settings: Any) -> None:
    settings.INVITATION_CLIENT_ADDRESS = lambda request: request.META["HTTP_X_REAL_IP"]
    request = SimpleNamespace(META={"REMOTE_ADDR": "127.0.0.1", "HTTP_X_REAL_IP": "192.0.2.9"})
    assert guests.client_of(request) == "192.0.2.9"


def test_no_address_is_in_the_database(guest: Client) -> None:
    assert not GuestCounter.objects.filter(scope__contains="127").exists()


def test_a_loser_of_the_first_count_counts_as_well(monkeypatch: Any) -> None:
    """Somebody else may make the row between the two statements."""
    original = models.GuestCounterManager.bulk_create

    def too_late(self: Any, rows: Any, **options: Any) -> Any:
        original(self, rows, **options)
        return original(self, rows, **options)

    monkeypatch.setattr(models.GuestCounterManager, "bulk_create", too_late)
    GuestCounter.objects.take("x", 2)
    assert GuestCounter.objects.get().number == 1


# Names


def test_a_name_can_be_read() -> None:
    if NAME_FIELD == "email":
        assert models.generate_username().endswith("@guest.invalid")
    else:
        assert models.generate_username().startswith("Guest ")
        with translation.override("fr"):
            assert models.generate_username().startswith("Visiteur ")
        assert LazyUser.objects.generate_username(User).startswith("Guest ")


def test_a_user_model_may_want_an_address_for_a_name() -> None:
    assert re.fullmatch(r"guest-\d{8}@guest\.invalid", models.generate_username(EmailUser))


@pytest.mark.parametrize("null", [False, True])
def test_an_address_that_is_unique_is_no_hindrance(monkeypatch: Any, null: bool) -> None:
    field = User._meta.get_field("email")
    monkeypatch.setitem(vars(field), "unique", True)
    monkeypatch.setattr(field, "null", null)
    made = LazyUserManager()._with_address(User())
    if NAME_FIELD == "email":
        assert made.email == ""
    elif null:
        assert made.email is None
    else:
        assert made.email.endswith("@guest.invalid")
        assert LazyUser.objects.create_guest_user().email != made.email


def test_a_name_fits_into_a_short_field(monkeypatch: Any) -> None:
    monkeypatch.setattr(User._meta.get_field(NAME_FIELD), "max_length", 6)
    if NAME_FIELD == "username":
        assert models.generate_username().isdecimal()
        assert len(models.generate_username()) == 6


@pytest.mark.parametrize("given", [lambda: "Somebody", "tests.lazysignup.test_becoming.somebody"])
def test_a_site_chooses_names(settings: Any, given: Any) -> None:
    settings.LAZYSIGNUP_NAME_GENERATOR = given
    assert LazyUser.objects.create_lazy_user()[1] == "Somebody"
    with pytest.raises(IntegrityError):
        LazyUser.objects.create_lazy_user()
    assert LazyUser.objects.count() == 1


def somebody() -> str:
    return "Somebody"


def test_so_does_a_user_model(monkeypatch: Any) -> None:
    monkeypatch.setattr(User, "generate_username", lambda: "Anybody", raising=False)
    assert models.generate_username() == "Anybody"


def test_a_name_that_is_taken_is_tried_no_more(settings: Any) -> None:
    names = iter(["One", "One", "Two"])
    settings.LAZYSIGNUP_NAME_GENERATOR = lambda: next(names)
    assert LazyUser.objects.create_lazy_user()[1] == "One"
    assert LazyUser.objects.create_lazy_user()[1] == "Two"


# Signals


def test_a_signal_says_who_has_come(visitor: Client, heard: Any, commit: Any) -> None:
    calls = heard("guest_created")
    with commit():
        visitor.post("/put/")
        assert calls == []
    [call] = calls
    assert call["user"] == LazyUser.objects.get().user
    assert call["request"].path == "/put/"


def test_a_guest_that_is_rolled_back_is_not_announced(heard: Any) -> None:
    from django.db import transaction

    calls = heard("guest_created")
    with transaction.atomic():
        LazyUser.objects.create_lazy_user()
        transaction.set_rollback(True)
    assert calls == []
    assert not User.objects.exists()


def test_the_error_says_how_long_to_wait() -> None:
    assert "60 seconds" in str(TooManyGuests(60))
