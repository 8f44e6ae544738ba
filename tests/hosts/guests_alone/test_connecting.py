"""A guest signs up by connecting a provider, on a site without invitations."""

from __future__ import annotations

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from invitation.lazysignup.models import LazyUser
from tests.lazysignup.people import MEMBER, PERSON, make_member
from tests.lazysignup.shop.models import Item

pytestmark = pytest.mark.django_db


def test_a_guest_who_connects_a_provider_becomes_a_member() -> None:
    client = Client(headers=PERSON)
    client.get("/remember/")
    client.post("/put/", {"name": "seed"})
    before, session = LazyUser.objects.get().user, client.session.session_key
    other = Client(headers=PERSON)
    other.cookies = client.cookies.copy()
    away = client.post("/accounts/dummy/login/?process=connect")
    known = {"id": 7, "email": "new@example.com", "username": "newcomer"}
    assert client.post(away["Location"], known).status_code == 302
    assert SocialAccount.objects.get().user == before
    assert not LazyUser.objects.exists()
    assert Item.objects.get().owner == before
    assert client.get("/who/").content.decode() == before.get_username()
    assert client.session["basket"] == ["seed"]
    assert client.session.session_key != session
    assert other.get("/who/").content == b"nobody"


def test_a_member_who_connects_a_provider_stays_logged_in() -> None:
    client, member = Client(headers=PERSON), make_member()
    client.force_login(member)
    session = client.session.session_key
    away = client.post("/accounts/dummy/login/?process=connect")
    known = {"id": 7, "email": "new@example.com", "username": "newcomer"}
    assert client.post(away["Location"], known).status_code == 302
    assert SocialAccount.objects.get().user == member
    assert client.get("/who/").content.decode() == MEMBER
    assert client.session.session_key == session


def test_without_invitations_nobody_looks_around_with_one() -> None:
    response = Client(headers=PERSON).post("/convert/look-around/")
    assert response["Location"] == "/"
    assert not LazyUser.objects.exists()
