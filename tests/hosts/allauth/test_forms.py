"""The regular form of django-allauth behind the gate."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from invitation import keys
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.scenes import NEWCOMER, answers

SIGNUP = "/accounts/signup/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


def test_closed() -> None:
    response = Client().get(SIGNUP)
    assert response.status_code == 403
    assert scenes.flags(response) == {"no_key"}


def test_open(invitation: InvitationKey, commit: Any) -> None:
    visitor = scenes.visit(invitation)
    page = visitor.get(SIGNUP)
    assert page.status_code == 200
    with commit():
        response = visitor.post(SIGNUP, answers())
    assert response.status_code == 302, response.content.decode()
    account = scenes.accounts().get()
    assert EmailAddress.objects.get().verified
    assert mail.outbox == []
    assert Acceptance.objects.get().activated_at is not None
    assert visitor.session["_auth_user_id"] == str(account.pk)


def test_copied(invitation: InvitationKey, commit: Any) -> None:
    visitor = scenes.visit(invitation, channel=keys.COPY)
    with commit():
        response = visitor.post(SIGNUP, answers())
    assert response.status_code == 302
    assert not EmailAddress.objects.get().verified
    assert len(mail.outbox) == 1
    assert Acceptance.objects.get().activated_at is None
    link = scenes.path_in(mail.outbox[0], part="confirm-email")
    visitor.post(link)
    assert EmailAddress.objects.get().verified
    assert Acceptance.objects.get().activated_at is not None


def test_other_address(invitation: InvitationKey) -> None:
    visitor = scenes.visit(invitation)
    response = visitor.post(SIGNUP, answers("x@example.org"))
    assert response.status_code == 200
    assert "email" in response.context["form"].errors
    assert NEWCOMER in str(response.context["form"].errors)
