"""Who is a guest: what it costs to ask, and what views and templates do with the answer."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Template
from django.test import AsyncClient, Client

from invitation.lazysignup.guests import is_guest_user, is_lazy_user
from invitation.lazysignup.models import LazyUser
from tests.lazysignup.people import PERSON, answers, make_member

pytestmark = pytest.mark.django_db
User = get_user_model()


def test_where_the_session_knows_asking_costs_nothing(
    guest: Client, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):  # the session and the account
        assert guest.get("/no-lazy/").status_code == 302
    with django_assert_num_queries(2):
        assert guest.get("/is-guest/").content == b"True True"


def test_a_member_without_a_password_costs_nothing_either(
    visitor: Client, django_assert_num_queries: Any
) -> None:
    member = make_member()
    member.set_unusable_password()
    member.save()
    visitor.force_login(member)
    with django_assert_num_queries(2):
        assert visitor.get("/is-guest/").content == b"False False"


def test_elsewhere_it_is_one_query_by_an_index(
    account: Any, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert is_lazy_user(account)
        assert is_lazy_user(account)
    assert LazyUser._meta.get_field("user").unique


def test_of_a_member_it_is_one_query_too(django_assert_num_queries: Any) -> None:
    member = make_member()
    with django_assert_num_queries(1):
        assert not is_lazy_user(member)
        assert not is_lazy_user(member)


def test_nobody_is_no_guest(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert not is_lazy_user(AnonymousUser())
        assert not is_lazy_user(None)
    assert is_guest_user is is_lazy_user


def test_a_guest_who_has_just_been_deleted_is_none(guest: Client) -> None:
    """The session says so, the row is gone, and the account is still there."""
    LazyUser.objects.all().delete()
    session = guest.session
    session["lazysignup_seen"] -= 7200
    session.save()
    assert guest.get("/is-guest/").content == b"False False"
    assert guest.get("/is-guest/").content == b"False False"


def test_a_guest_with_a_password_is_a_guest_until_staff_converts_them(
    guest: Client, account: Any
) -> None:
    account.set_password("given by staff")
    account.save()
    assert is_lazy_user(User._default_manager.get())
    guest.force_login(account)
    assert guest.get("/is-guest/").content == b"True True"
    LazyUser.objects.convert_account(account)
    assert guest.get("/is-guest/").content == b"False False"


def test_a_password_from_another_page_makes_nobody_a_member(guest: Client, account: Any) -> None:
    """A page of the site gives accounts without a password one, as that of allauth does."""
    account.set_password("chosen on a page of the site")
    account.save()
    session = guest.session
    session["_auth_user_hash"] = account.get_session_auth_hash()
    session.save()
    assert guest.get("/is-guest/").content == b"True True"
    assert guest.get("/regular-only/").status_code == 302


@pytest.mark.parametrize("library", ["lazysignup_tags", "guest_user"])
def test_templates_ask(account: Any, library: str) -> None:
    text = "{% load " + library + " %}{{ user|is_lazy_user }} {{ user|is_guest_user }}"
    assert Template(text).render(Context({"user": account})) == "True True"
    assert Template(text).render(Context({"user": make_member()})) == "False False"
    assert Template(text).render(Context({})) == "False False"


# Views


def member_client() -> Client:
    client = Client(headers=PERSON)
    client.force_login(make_member())
    return client


@pytest.mark.parametrize(
    ("path", "anonymous", "guests", "members"),
    [
        ("/lazy-only/", "/nowhere/", 200, "/nowhere/"),
        ("/no-lazy/", 200, "/nowhere/", 200),
        ("/lazy-only-args/", "/item/7/", 200, "/item/7/"),
        ("/guests-only/", "/anonymous/", 200, "/regular/"),
        ("/guests-only-plain/", "/accounts/login/", 200, "/"),
        ("/guests-only-class/", "/anonymous/", 200, "/regular/"),
        ("/guests-only-async/", "/accounts/login/", 200, "/"),
        (
            "/regular-only/",
            "/accounts/login/?next=/regular-only/",
            "/convert/?next=/regular-only/",
            200,
        ),
        ("/regular-only-urls/", "/in/?to=/regular-only-urls/", "/up/?to=/regular-only-urls/", 200),
        (
            "/regular-only-class/",
            "/in/?to=/regular-only-class/",
            "/up/?to=/regular-only-class/",
            200,
        ),
        (
            "/regular-only-async/",
            "/accounts/login/?next=/regular-only-async/",
            "/convert/?next=/regular-only-async/",
            200,
        ),
    ],
)
def test_views_let_in_whom_they_want(
    guest: Client, path: str, anonymous: Any, guests: Any, members: Any
) -> None:
    for client, wanted in ((Client(), anonymous), (guest, guests), (member_client(), members)):
        response = client.get(path)
        assert (response.status_code if wanted == 200 else response["Location"]) == wanted


def test_what_a_guest_wanted_to_see_comes_after_the_sign_up(guest: Client) -> None:
    to_form = guest.get("/regular-only/")["Location"]
    assert guest.post(to_form, answers())["Location"] == "/regular-only/"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/put/", "/put-async/", "/put-class/", "/put-class-async/"])
def test_views_of_each_kind_make_guests_under_asgi(path: str) -> None:
    from asgiref.sync import async_to_sync

    client = AsyncClient(headers=PERSON)
    response = async_to_sync(client.post)(path)
    name = LazyUser._default_manager.get().user.get_username()
    assert response.content.decode() == name
    assert async_to_sync(client.get)("/who-async/").content.decode() == name


def test_a_mixin_has_the_attributes_of_as_view(visitor: Client) -> None:
    assert visitor.get("/guests-only-initkwargs/")["Location"] == "/elsewhere/"


def test_a_mixin_needs_a_step() -> None:
    from invitation.lazysignup.decorators import GuestStepMixin

    with pytest.raises(NotImplementedError):
        GuestStepMixin().before_view(print)
