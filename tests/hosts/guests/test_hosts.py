"""A guest who signs up on the page of a host keeps the account, and everything that is in it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import OperationalError
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from invitation import gate
from invitation.lazysignup import invited
from invitation.lazysignup.guests import leave_session
from invitation.lazysignup.models import LazyUser
from invitation.models import Acceptance
from tests.factories import ADDRESS, make_invitation, make_user
from tests.hosts.guests.people import undone_once
from tests.lazysignup.people import PASSWORD, PERSON, answers
from tests.lazysignup.shop.models import Item

pytestmark = pytest.mark.django_db
User = get_user_model()

#: Hosts whose accounts are logged in at once, those that wait for an email, and those that log
#: nobody in.
AT_ONCE = ["simple", "classic-simple", "verified"]
BY_EMAIL = ["default", "classic", "approval"]
BY_HAND = ["plain", "function"]
HOSTS = [*AT_ONCE, *BY_EMAIL, *BY_HAND]


def sign_up(client: Client, host: str, key: str = "", **more: str) -> Any:
    key = f"?invitation_key={key}" if key else ""
    return client.post(f"/{host}/register/{key}", answers(email=ADDRESS, **more))


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("invited", [True, False])
def test_a_guest_keeps_the_account(
    guest: Client, host: str, invited: bool, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.INVITE_MODE = invited
    invitation = make_invitation(make_user())
    before = LazyUser.objects.get().user
    session = guest.session.session_key
    other = Client(headers=PERSON)
    other.cookies = guest.cookies.copy()

    with django_capture_on_commit_callbacks(execute=True):
        response = sign_up(guest, host, invitation.mail_key if invited else "")

    assert response.status_code == 302, response.content
    account = User.objects.exclude(pk=invitation.from_user_id).get()
    assert (account.pk, account.username, account.email) == (before.pk, "newcomer", ADDRESS)
    assert account.check_password(PASSWORD)
    assert Item.objects.get().owner == account
    assert not LazyUser.objects.exists()
    assert account.date_joined > before.date_joined
    assert guest.session["basket"] == ["seed"]
    assert guest.session.session_key != session
    assert other.get("/who/").content == b"nobody"
    assert Acceptance.objects.filter(user=account, invitation=invitation).count() == invited
    at_once = host in AT_ONCE if host != "verified" else invited
    assert guest.get("/who/").content == (b"newcomer" if at_once else b"nobody")
    assert account.is_active == (at_once or host in BY_HAND)
    # Also after the next login, whether or not the account waited for an email.
    User.objects.update(is_active=True)
    guest.post("/login/", {"username": "newcomer", "password": PASSWORD})
    assert guest.get("/who/").content == b"newcomer"
    assert guest.session["basket"] == ["seed"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_guest_sees_the_form_without_the_name_of_a_guest(guest: Client, host: str) -> None:
    name = LazyUser.objects.get().user.get_username()
    invitation = make_invitation(make_user())
    response = guest.get(f"/{host}/register/?invitation_key={invitation.mail_key}")
    assert response.status_code == 200
    form = response.context["form"]
    assert not form["username"].value()
    assert host == "function" or form["email"].value() == ADDRESS
    assert f'value="{name}"' not in response.content.decode()


@pytest.mark.parametrize("host", HOSTS)
def test_a_member_is_led_to_the_invitation(client: Client, host: str) -> None:
    client.force_login(make_user("bob", email=ADDRESS))
    invitation = make_invitation(make_user())
    response = client.get(f"/{host}/register/?invitation_key={invitation.mail_key}")
    assert (response.status_code, response["Location"].endswith("/invited/")) == (302, True)


@pytest.mark.parametrize("host", HOSTS)
def test_a_guest_without_an_invitation_stays_a_guest(guest: Client, host: str) -> None:
    for response in (guest.get(f"/{host}/register/"), sign_up(guest, host)):
        assert response.status_code == 403
        assert response.context["no_key"]
    assert LazyUser.objects.count() == 1
    assert User.objects.count() == 1
    assert guest.get("/who/").content.startswith(b"Guest ")


@pytest.mark.parametrize("host", HOSTS)
def test_an_invitation_for_somebody_else_changes_nothing(guest: Client, host: str) -> None:
    before = LazyUser.objects.get().user
    key = make_invitation(make_user(), "somebody@example.org").mail_key
    assert sign_up(guest, host, key).status_code in (200, 403)
    after = LazyUser.objects.get().user
    assert (after.username, after.password) == (before.username, before.password)
    assert guest.get("/who/").content.startswith(b"Guest ")
    assert guest.session["basket"] == ["seed"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_try_that_the_database_undoes_begins_with_a_fresh_guest(
    transactional_db: None, guest: Client, host: str
) -> None:
    key = make_invitation(make_user()).mail_key
    before = LazyUser.objects.get().user
    with undone_once() as tries:
        response = sign_up(guest, host, key)
    if host == "function":
        assert response.status_code == 503  # such a view is not repeated
        assert guest.get("/who/").content.startswith(b"Guest ")
        return
    assert response.status_code == 302
    assert tries[0][0] is not tries[1][0]
    assert {pk for _tried, pk in tries} == {before.pk}
    assert guest.session["basket"] == ["seed"]


def test_a_guest_who_has_just_signed_up_elsewhere_does_so_once(
    guest: Client, settings: Any
) -> None:
    settings.INVITE_MODE = False

    # Between the form and the lock, as another request would do it.
    def find(request: Any) -> Any:
        found = found_before(request)
        if found is not None and request.method == "POST":
            LazyUser.objects.all().delete()
        return found

    found_before, invited.find = invited.find, find
    try:
        response = sign_up(guest, "simple")
    finally:
        invited.find = found_before
    assert response.status_code == 503
    assert User.objects.get().username.startswith("Guest ")


def test_the_time_of_an_activation_link_begins_with_the_sign_up(guest: Client) -> None:
    User.objects.update(date_joined=timezone.now() - timedelta(days=300))
    sign_up(guest, "default", make_invitation(make_user()).key)
    account = User.objects.get(username="newcomer")
    assert not account.registrationprofile.activation_key_expired()


def test_a_guest_whose_account_was_confirmed_has_everything(
    guest: Client, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        sign_up(guest, "default", make_invitation(make_user()).key)
    account = User.objects.get(username="newcomer")
    assert mail.outbox[0].to == [account.email]
    key = account.registrationprofile.activation_key
    chosen = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    assert guest.post(f"/default/activate/{key}/", chosen).status_code == 302
    account.refresh_from_db()
    assert account.is_active
    assert Item.objects.get().owner == account


def test_who_signs_up_without_being_a_guest_costs_no_more(
    client: Client, django_assert_num_queries: Any
) -> None:
    key = make_invitation(make_user()).mail_key
    client.get(f"/simple/register/?invitation_key={key}")  # reads the Site once
    with django_assert_num_queries(1):
        client.get(f"/simple/register/?invitation_key={key}")


def test_a_page_that_makes_another_account_leaves_the_guest_as_it_is(guest: Client) -> None:
    user = LazyUser.objects.get().user
    assert sign_up(guest, "other", make_invitation(make_user()).mail_key).status_code == 302
    assert Acceptance.objects.get().user != user
    assert guest.get("/who/").content.decode() == user.get_username()
    assert Item.objects.get().owner == user


def test_the_request_of_a_guest_who_has_signed_up_is_anonymous(guest: Client) -> None:
    request = HttpRequest()
    request.session, request.user = guest.session, LazyUser.objects.get().user
    leave_session(request)
    assert request.user.is_anonymous
    assert async_to_sync(request.auser)().is_anonymous
    assert list(request.session.keys()) == ["basket"]


def test_another_try_reads_the_guest_again(transactional_db: None, guest: Client) -> None:
    request = HttpRequest()
    request.session, request.user = guest.session, LazyUser.objects.get().user
    seen: list[str] = []

    def attempt() -> None:
        seen.append(gate.guest_of(request).first_name)
        if len(seen) == 1:
            User.objects.update(first_name="Bea")
            raise OperationalError("database is locked")

    gate.repeat_visit(request, attempt)
    assert seen == ["", "Bea"]
    # A form changes its own copy, also where it is not valid.
    assert gate.guest_of(request) is not gate.guest_of(request)
