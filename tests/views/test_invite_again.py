"""Who has declined an invitation is invited again by the same member only if that is confirmed."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from invitation.exceptions import AlreadyInvited
from invitation.flows import inviting
from invitation.models import InvitationKey
from tests import scenes
from tests.factories import ADDRESS, make_invitation, make_user, spent

pytestmark = pytest.mark.django_db

INVITE = "/accounts/invite/"
BOX = f'name="invite_again" value="{ADDRESS}"'


@pytest.fixture
def declined(member: Any) -> InvitationKey:
    return make_invitation(member, status="declined")


def number() -> int:
    return InvitationKey.objects.filter(status="pending").count()


def shown(response: HttpResponse) -> str:
    return unescape(response.content.decode())


# -- the verb --


def test_the_verb_asks_for_a_confirmation(member: Any, declined: InvitationKey) -> None:
    for address in (ADDRESS, ADDRESS.upper()):
        with pytest.raises(AlreadyInvited) as raised:
            inviting.invite(member, address)
    assert (raised.value.code, number(), spent(member)) == ("declined_before", 0, 0)
    assert inviting.invite(member, ADDRESS, again=True).created


def test_it_is_asked_once_while_that_invitation_is_pending(
    member: Any, declined: InvitationKey
) -> None:
    inviting.invite(member, ADDRESS, again=True)
    assert not inviting.invite(member, ADDRESS).created
    assert spent(member) == 1


def test_it_is_asked_again_after_another_refusal(member: Any, declined: InvitationKey) -> None:
    scenes.end(inviting.invite(member, ADDRESS, again=True).invitation, "declined")
    with pytest.raises(AlreadyInvited):
        inviting.invite(member, ADDRESS)


@pytest.mark.parametrize("status", ["accepted", "revoked", "expired", "pending"])
def test_other_ends_ask_nothing(member: Any, status: str) -> None:
    make_invitation(member, status=status)
    assert inviting.invite(member, ADDRESS)


def test_nothing_tells_of_the_invitations_of_others(member: Any, member_client: Client) -> None:
    make_invitation(make_user("ann"), status="declined")
    make_invitation(None, status="declined")
    make_invitation(member, status="declined", site_id=2)
    make_invitation(member, "other@example.org", status="declined")
    assert member_client.post(INVITE, {"email": ADDRESS}).status_code == 302
    assert number() == 1


def test_who_asks_for_a_new_link_is_not_asked_about(member: Any, declined: InvitationKey) -> None:
    revoked = make_invitation(member, status="revoked")
    assert inviting.renew(revoked).created


# -- the form --


def test_the_box_is_in_sight(member_client: Client, declined: InvitationKey) -> None:
    page = shown(member_client.post(INVITE, {"email": ADDRESS}))
    assert page.index(BOX) < page.index("<details")


def test_the_form_says_so_and_has_a_box(
    member: Any, member_client: Client, declined: InvitationKey
) -> None:
    assert "invite_again" not in shown(member_client.get(INVITE))
    response = member_client.post(INVITE, {"email": ADDRESS, "recipient_name": "Bob"})
    assert (response.status_code, number()) == (200, 0)
    page = shown(response)
    assert "This person declined an invitation from you." in page
    assert BOX in page
    assert "checked" not in page
    assert 'value="Bob"' in page
    data = {"email": ADDRESS, "recipient_name": "Bob", "invite_again": ADDRESS}
    assert member_client.post(INVITE, data).status_code == 302
    assert number() == 1


@pytest.mark.parametrize("confirmed", ["", "on", "x@example.org", "1"])
def test_the_box_is_for_one_address_alone(
    member: Any, member_client: Client, declined: InvitationKey, confirmed: str
) -> None:
    data = {"email": ADDRESS, "invite_again": confirmed}
    response = member_client.post(INVITE, data)
    assert (response.status_code, number()) == (200, 0)
    assert "checked" not in shown(response)
    assert BOX in shown(response)


def test_a_link_without_an_email_asks_too(
    member: Any, member_client: Client, declined: InvitationKey
) -> None:
    response = member_client.post(INVITE, {"email": ADDRESS, "no_mail": "1"})
    assert (response.status_code, number()) == (200, 0)
    data = {"email": ADDRESS, "no_mail": "1", "invite_again": ADDRESS}
    assert member_client.post(INVITE, data).status_code == 302


# -- what the person reads who declines --


@pytest.mark.parametrize(
    ("news", "words"),
    [
        ([], "can see that you declined."),
        (["accepted"], "can see that you declined."),
        (["declined"], "that you declined."),
    ],
)
@pytest.mark.parametrize("name", ["Ann", ""])
def test_the_page_says_what_the_inviter_learns(
    member: Any, settings: Any, news: list[str], words: str, name: str
) -> None:
    settings.INVITATION_NOTIFY_INVITER = news
    type(member).objects.update(first_name=name)
    visitor = scenes.visit(scenes.invite(member))
    page = shown(visitor.get(scenes.DECLINE))
    assert words in page
    assert page.count("that you declined") == 1


def test_nobody_learns_who_forgets_a_shared_link(member: Any, settings: Any) -> None:
    settings.INVITATION_NOTIFY_INVITER = ["declined"]
    link = make_invitation(member, "", shared=True, max_uses=5)
    assert "that you declined" not in shown(scenes.visit(link).get(scenes.DECLINE))


def test_the_site_is_asked_as_well(db: None) -> None:
    make_invitation(None, status="declined", from_site=True)
    with pytest.raises(AlreadyInvited) as raised:
        inviting.invite(None, ADDRESS)
    assert (raised.value.code, number()) == ("declined_before", 0)
    assert inviting.invite(None, ADDRESS, again=True).created
    assert not inviting.invite(None, ADDRESS).created
