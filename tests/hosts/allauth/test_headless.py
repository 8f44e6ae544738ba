"""allauth's API behind the gate: for apps, and for pages in a browser."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.scenes import NEWCOMER, PASSWORD

pytestmark = pytest.mark.django_db
WITH = {"username": "newcomer", "email": NEWCOMER, "password": PASSWORD}


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


@pytest.fixture(params=["app", "browser"])
def client_kind(request: Any) -> str:
    return str(request.param)


def post(
    client: Client, kind: str, data: dict[str, Any], address: str = "signup", **headers: str
) -> Any:
    return client.post(
        f"/_allauth/{kind}/v1/auth/{address}",
        data,
        content_type="application/json",
        headers=headers,
    )


def test_closed(client_kind: str) -> None:
    response = post(Client(), client_kind, WITH)
    assert response.status_code == 403
    assert response.json() == {
        "status": 403,
        "errors": [
            {
                "code": "no_key",
                "param": "invitation_key",
                "message": response.json()["errors"][0]["message"],
            }
        ],
    }


def test_open(client_kind: str, invitation: InvitationKey) -> None:
    response = post(Client(), client_kind, {**WITH, "invitation_key": invitation.mail_key})
    assert response.status_code == 200, response.content
    assert EmailAddress.objects.get().verified
    assert Acceptance.objects.get().invitation == invitation


def test_header(client_kind: str, invitation: InvitationKey) -> None:
    response = post(Client(), client_kind, WITH, **{"X-Invitation-Key": invitation.key})
    assert response.status_code == 401, response.content
    assert not EmailAddress.objects.get().verified
    assert Acceptance.objects.get().activated_at is None


@pytest.mark.parametrize("end", scenes.ENDS)
def test_ended(client_kind: str, invitation: InvitationKey, end: str) -> None:
    scenes.end(invitation, end)
    response = post(Client(), client_kind, {**WITH, "invitation_key": invitation.mail_key})
    assert response.status_code == 403
    assert response.json()["errors"][0]["code"] == scenes.ENDS[end][0]


def test_other_address(client_kind: str, invitation: InvitationKey) -> None:
    response = post(
        Client(),
        client_kind,
        {**WITH, "email": "x@example.org", "invitation_key": invitation.mail_key},
    )
    assert response.status_code == 403
    [error] = response.json()["errors"]
    assert (error["code"], error["param"]) == ("address_mismatch", "email")
