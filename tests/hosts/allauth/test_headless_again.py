"""The API of allauth when the database or somebody else is in the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import get_user_model
from django.db import IntegrityError
from django.db.models.signals import pre_save
from django.test import Client

from invitation.flows.after_commit import transactions
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.scenes import NEWCOMER, PASSWORD
from tests.undone import undone_claims

WITH = {"username": "newcomer", "email": NEWCOMER, "password": PASSWORD}
KNOWN = {
    "provider": "dummy",
    "process": "login",
    "token": {"client_id": "", "id_token": json.dumps({"id": 7, "email": NEWCOMER})},
}
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody pause between two tries."""
    monkeypatch.setattr(transactions, "PAUSE", 0)


@pytest.fixture
def visitor(member: Any) -> Client:
    return scenes.visit(scenes.invite(member))


def post(browser: Client, address: str, data: dict[str, Any]) -> Any:
    page = f"/_allauth/browser/v1/auth/{address}"
    return browser.post(page, data, content_type="application/json")


def untouched() -> bool:
    return InvitationKey.objects.get().status == "pending" and not Acceptance.objects.exists()


def sign_up_somebody() -> None:
    account = scenes.make_user("someone", email=NEWCOMER)
    EmailAddress.objects.create(user=account, email=NEWCOMER, verified=True, primary=True)


def test_what_the_database_undoes_is_done_again(visitor: Client) -> None:
    with undone_claims(2) as claims:
        assert post(visitor, "signup", WITH).status_code == 200
    assert claims == [False, False, True]
    assert Acceptance.objects.get().user == scenes.accounts().get()
    assert visitor.cookies["invitation_key"].value == ""


def test_after_many_tries_a_program_is_asked_to_try_again_and_can(visitor: Client) -> None:
    with undone_claims(99):
        response = post(visitor, "signup", WITH)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert [error["code"] for error in response.json()["errors"]] == ["busy"]
    assert untouched()
    assert post(visitor, "signup", WITH).status_code == 200


def test_a_name_that_somebody_took_meanwhile_is_an_error_of_the_input(visitor: Client) -> None:
    with undone_claims(1, meanwhile=lambda: scenes.make_user("newcomer")):
        response = post(visitor, "signup", WITH)
    assert response.status_code == 400
    assert [error["param"] for error in response.json()["errors"]] == ["username"]
    assert untouched()


def test_an_address_that_somebody_took_meanwhile_gets_no_second_account(visitor: Client) -> None:
    with undone_claims(1, meanwhile=sign_up_somebody):
        response = post(visitor, "signup", WITH)
    assert response.status_code == 401
    assert scenes.accounts().count() == 1
    assert untouched()


def test_another_breach_of_integrity_is_not_hidden(visitor: Client) -> None:
    with (
        scenes.crashing(pre_save, IntegrityError, sender=get_user_model()),
        pytest.raises(IntegrityError),
    ):
        post(visitor, "signup", WITH)
    assert untouched()


def test_a_login_from_a_provider_is_kept_for_the_next_try(settings: Any, visitor: Client) -> None:
    settings.SOCIALACCOUNT_AUTO_SIGNUP = False
    assert post(visitor, "provider/token", KNOWN).status_code == 401
    typed = {"username": "newcomer", "email": NEWCOMER}
    with undone_claims(1, meanwhile=lambda: scenes.make_user("newcomer")):
        assert post(visitor, "provider/signup", typed).status_code == 400
    assert untouched()
    response = post(visitor, "provider/signup", typed | {"username": "another"})
    assert response.status_code == 200, response.content
    assert SocialAccount.objects.get().user == Acceptance.objects.get().user


def test_an_address_taken_meanwhile_is_hidden_also_with_a_provider(
    settings: Any, visitor: Client
) -> None:
    settings.SOCIALACCOUNT_AUTO_SIGNUP = False
    post(visitor, "provider/token", KNOWN)
    with undone_claims(1, meanwhile=sign_up_somebody):
        response = post(visitor, "provider/signup", {"username": "newcomer", "email": NEWCOMER})
    assert response.status_code == 401
    assert not SocialAccount.objects.exists()
    assert untouched()


def test_a_token_of_a_provider_signs_up_at_once(visitor: Client) -> None:
    assert post(Client(), "provider/token", KNOWN).status_code == 403
    assert untouched()
    assert post(visitor, "provider/token", KNOWN).status_code == 200
    assert SocialAccount.objects.get().user == Acceptance.objects.get().user


def test_a_token_whose_address_somebody_took_meanwhile_leads_to_the_form(visitor: Client) -> None:
    with undone_claims(1, meanwhile=sign_up_somebody):
        response = post(visitor, "provider/token", KNOWN)
    assert response.status_code == 401
    flows = response.json()["data"]["flows"]
    assert [flow["id"] for flow in flows if flow.get("is_pending")] == ["provider_signup"]
    assert not SocialAccount.objects.exists()
    assert untouched()
