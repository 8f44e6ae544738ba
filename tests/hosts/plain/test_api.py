"""The three lines in an API: Django REST framework and django-ninja, as documented."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.db.models.signals import post_save
from django.test import Client

from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.scenes import NEWCOMER, Crash

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.parametrize("address", ["/api/drf/", "/api/ninja/sign-up/"]),
]
ACCOUNT = {"username": "newcomer", "email": NEWCOMER, "password": scenes.PASSWORD}


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


def post(address: str, account: dict[str, str], **options: Any) -> Any:
    return Client().post(address, account, content_type="application/json", **options)


def test_with_the_key_in_the_header_or_in_the_json(address: str, member: Any) -> None:
    for number, way in enumerate(("header", "json")):
        email = f"n{number}@example.com"
        key = scenes.invite(member, email).mail_key
        account = ACCOUNT | {"username": f"n{number}", "email": email}
        if way == "header":
            response = post(address, account, headers={"X-Invitation-Key": key})
        else:
            response = post(address, account | {"invitation_key": key})
        assert response.status_code in (200, 201), response.content
        assert response.json()["username"] == f"n{number}"
        assert scenes.accounts(email).get().check_password(scenes.PASSWORD)
    assert Acceptance.objects.count() == 2


def test_without_a_key(address: str) -> None:
    response = post(address, ACCOUNT)
    assert (response.status_code, response.json()["code"]) == (403, "no_key")
    assert not scenes.accounts().exists()


@pytest.mark.parametrize("end", scenes.ENDS)
def test_with_a_key_that_opens_nothing(address: str, end: str, invitation: InvitationKey) -> None:
    key = invitation.mail_key
    scenes.end(invitation, end)
    response = post(address, ACCOUNT | {"invitation_key": key})
    assert (response.status_code, response.json()["code"]) == (403, scenes.ENDS[end][0])
    assert not scenes.accounts().exists()


def test_with_another_address(address: str, invitation: InvitationKey) -> None:
    account = ACCOUNT | {"email": "x@example.org", "invitation_key": invitation.mail_key}
    response = post(address, account)
    assert (response.status_code, response.json()["code"]) == (403, "address_mismatch")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("message", "code"), [("database is locked", "busy"), ("no", "")])
def test_a_database_that_undoes_the_account(
    address: str, message: str, code: str, invitation: InvitationKey
) -> None:
    def receiver(**arguments: Any) -> None:
        raise OperationalError(message)

    post_save.connect(receiver, sender=get_user_model())
    account = ACCOUNT | {"invitation_key": invitation.mail_key}
    try:
        if code:
            response = post(address, account)
            assert (response.status_code, response.json()["code"]) == (503, code)
        else:
            with pytest.raises(OperationalError, match=message):
                post(address, account)
    finally:
        post_save.disconnect(receiver, sender=get_user_model())
    assert not scenes.accounts().exists()


def test_both_or_neither(address: str, invitation: InvitationKey) -> None:
    before = scenes.dump()
    with scenes.crashing(post_save, sender=get_user_model()), pytest.raises(Crash):
        post(address, ACCOUNT | {"invitation_key": invitation.mail_key})
    assert scenes.dump() == before


def test_without_invite_mode(address: str, settings: Any) -> None:
    settings.INVITE_MODE = False
    assert post(address, ACCOUNT).status_code in (200, 201)
