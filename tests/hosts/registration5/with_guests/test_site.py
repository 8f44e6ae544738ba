"""A guest who signs up with django-registration 5 keeps the account."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from invitation.lazysignup.models import LazyUser
from invitation.models import Acceptance
from tests.factories import ADDRESS, make_invitation, make_user
from tests.lazysignup.people import PERSON, answers
from tests.lazysignup.shop.models import Item

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("host", "at_once"), [("one", True), ("two", False)])
def test_a_guest_keeps_the_account(host: str, at_once: bool) -> None:
    client = Client(headers=PERSON)
    client.get("/remember/")
    client.post("/put/", {"name": "seed"})
    before = LazyUser.objects.get().user
    page = f"/{host}/register/?invitation_key={make_invitation(make_user()).mail_key}"
    assert not client.get(page).context["form"]["username"].value()
    assert client.post(page, answers(email=ADDRESS, tos="on")).status_code == 302
    account = get_user_model().objects.get(username="newcomer")
    assert (account.pk, account.is_active) == (before.pk, at_once)
    assert Item.objects.get().owner == account
    assert Acceptance.objects.get().user == account
    assert not LazyUser.objects.exists()
    assert client.session["basket"] == ["seed"]
    assert client.get("/who/").content == (b"newcomer" if at_once else b"nobody")
