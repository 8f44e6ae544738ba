"""A member whose session ends while they type reads that nothing was sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from invitation.models import InvitationKey
from tests import scenes
from tests.scenes import INVITE

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]

CONFIRM = "/accounts/invite/list/confirm/"
PAGES = [INVITE, "/accounts/invite/list/", CONFIRM, "/accounts/invite/link/"]
ACTIONS = ["edit/", "resend/", "revoke/"]


@pytest.fixture(params=["middleware", "alone"])
def _required(request: Any, settings: Any) -> None:
    """Have the login asked for by the pages alone, and by Django's middleware as well."""
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    kept = [name for name in settings.MIDDLEWARE if name != required]
    settings.MIDDLEWARE = kept + [required] * (request.param == "middleware")


@pytest.mark.usefixtures("_required")
@pytest.mark.parametrize("url", PAGES)
def test_they_read_it_and_return_to_the_page(url: str) -> None:
    response = Client().post(url, {"email": "bob@example.com", "payload": "x"})
    assert response["Location"] == f"/accounts/login/?next={url}%3Funsent%3D1"
    (message,) = get_messages(response.wsgi_request)
    assert str(message) == "You were logged out. We have not sent or changed anything yet."
    assert not InvitationKey.objects.exists()


@pytest.mark.parametrize("action", ACTIONS)
def test_so_they_do_after_an_action(member: Any, action: str) -> None:
    pk = scenes.invite(member, "bob@example.com").pk
    response = Client().post(f"/accounts/invitations/{pk}/{action}", {"note": "New"})
    assert response["Location"].endswith(f"{action}%3Funsent%3D1")
    assert len(list(get_messages(response.wsgi_request))) == 1


@pytest.mark.parametrize("url", PAGES)
def test_a_visitor_who_typed_nothing_reads_nothing(url: str) -> None:
    response = Client().get(f"{url}?a=1")
    assert response["Location"] == f"/accounts/login/?next={url}%3Fa%3D1"
    assert not list(get_messages(response.wsgi_request))


def test_a_checked_list_returns_to_the_form(member_client: Client) -> None:
    form = "/accounts/invite/list/"
    assert member_client.get(f"{CONFIRM}?unsent=1")["Location"] == f"{form}?unsent=1"
    assert member_client.get(CONFIRM)["Location"] == form
    assert f'data-invitation-check="{CONFIRM}"' in member_client.get(form).content.decode()
