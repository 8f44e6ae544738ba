"""The name of the site and the sentence about it: on every page that names its site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from invitation.delivery.email import EmailDelivery
from invitation.flows import inviting
from invitation.models import InvitationKey
from tests import scenes
from tests.scenes import COMPLETE, DECLINE, INVITE, LANDING, REGISTER, RENEWAL

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]

RECEIVED = "/accounts/invitations/received/"


@pytest.fixture(autouse=True)
def _named(settings: Any) -> None:
    settings.INVITATION_SITE_NAME = "Harbour Choir"
    settings.INVITATION_SITE_BLURB = "We sing."


def about(response: Any) -> tuple[str, str, str]:
    context = response.context
    return (context["site"].name, context["site_name"], context["site_blurb"])


NAMED = ("Harbour Choir", "Harbour Choir", "We sing.")


def test_the_pages_of_a_member(member: Any, member_client: Client) -> None:
    inviting.invite(member, "a@example.org")
    for path in (INVITE, COMPLETE, RECEIVED):
        assert about(member_client.get(path)) == NAMED


def test_the_pages_of_an_invited_person(member: Any, client: Client) -> None:
    invitation = scenes.invite(member)
    client.get(scenes.link(invitation.mail_key))
    for path in (LANDING, DECLINE, REGISTER):
        assert about(client.get(path)) == NAMED
    inviting.revoke(invitation)
    for path in (LANDING, RENEWAL):
        assert about(client.get(path)) == NAMED


def test_the_page_about_an_accepted_invitation(member: Any, client: Client) -> None:
    invitation = scenes.invite(member)
    invited = scenes.make_user("invited", email=invitation.email)
    client.force_login(invited)
    client.get(scenes.link(invitation.mail_key))
    assert about(client.post("/accounts/invited/accept/", follow=True)) == NAMED


def test_the_page_to_unsubscribe(member: Any, client: Client, commit: Commit) -> None:
    with commit():
        scenes.invite(member)
    page = client.get(scenes.path_in(mail.outbox[0], part="/unsubscribe/"))
    assert about(page) == NAMED


def test_the_email(member: Any) -> None:
    invitation: InvitationKey = scenes.invite(member)
    context = EmailDelivery().get_context(invitation)
    assert (context["site"].name, context["site_name"], context["site_blurb"]) == NAMED
