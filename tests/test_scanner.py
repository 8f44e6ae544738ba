"""Mail scanners, link previews and robots follow every link and change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invitation.addresses.recipients import Recipient
from invitation.flows import lists, sharing
from invitation.flows.lists.invite_list import new_list_id
from invitation.keys import unsubscribing
from invitation.models import InvitationKey
from tests import scenes
from tests.scenes import COMPLETE, DECLINE, INVITE, LANDING, REGISTER, RENEWAL

pytestmark = pytest.mark.django_db

ADDRESSES = {
    "invite": INVITE,
    "complete": COMPLETE,
    "preview": "/accounts/invite/preview/",
    "landing": LANDING,
    "decline": DECLINE,
    "register": REGISTER,
    "closed": "/accounts/register/closed/",
    "mailed link": "/accounts/invited/{mail_key}/",
    "copied link": "/accounts/invited/{key}/",
    "no thanks": "/accounts/invited/{mail_key}/?answer=no",
    "key as parameter": "/accounts/register/?invitation_key={key}",
    "1.0's parameter": "/accounts/register/?registration_key={key}",
    "no key": "/accounts/invited/xyz/",
    "accept": "/accounts/invited/accept/",
    "received": "/accounts/invitations/received/",
    "accept received": "/accounts/invitations/received/{pk}/accept/",
    "decline received": "/accounts/invitations/received/{pk}/decline/",
    "list": "/accounts/invitations/",
    "detail": "/accounts/invitations/{pk}/",
    "edit": "/accounts/invitations/{pk}/edit/",
    "link": "/accounts/invitations/{pk}/link/",
    "resend": "/accounts/invitations/{pk}/resend/",
    "extend": "/accounts/invitations/{pk}/extend/",
    "change link": "/accounts/invitations/{pk}/change-link/",
    "revoke": "/accounts/invitations/{pk}/revoke/",
    "invite list": "/accounts/invite/list/",
    "invite list confirm": "/accounts/invite/list/confirm/",
    "invite list progress": "/accounts/invite/list/{batch}/",
    "invite list outcome": "/accounts/invite/list/{batch}/outcome.csv",
    "ask for a new one": RENEWAL,
    "renew": "/accounts/invitations/{pk}/renew/",
    "share": "/accounts/invite/link/",
    "shared links": "/accounts/invitations/links/",
    "shared link": "/accounts/invitations/links/{shared}/",
    "edit shared": "/accounts/invitations/links/{shared}/edit/",
    "pause": "/accounts/invitations/links/{shared}/pause/",
    "resume": "/accounts/invitations/links/{shared}/resume/",
    "change shared": "/accounts/invitations/links/{shared}/change-link/",
    "close": "/accounts/invitations/links/{shared}/close/",
    "join": "/accounts/join/",
    "join by word": "/accounts/join/spring-fair/",
    "join by another": "/accounts/join/autumn/",
    "unsubscribe": "/accounts/unsubscribe/{unsubscribe}/",
    "unsubscribe by garbage": "/accounts/unsubscribe/xyz/",
}
METHODS = ("get", "head", "options")
#: At other addresses, `make exhaustive` tries other methods than GET, and form tokens in sessions.
FIRST = ("landing", "mailed link", "no thanks", "register", "join by word", "unsubscribe")
VISITS = [
    pytest.param(
        name,
        method,
        marks=[] if method == "get" or name in FIRST else [pytest.mark.exhaustive],
    )
    for name in ADDRESSES
    for method in METHODS
]
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


BATCH = new_list_id()


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    lists.invite_many(member, [Recipient(1, "ann@example.org")], batch=BATCH)
    type(member)._default_manager.filter(pk=member.pk).update(is_superuser=True)
    member.is_superuser = True
    sharing.share(member, label="Spring fair", max_uses=2, expires_at=None, word="spring-fair")
    return scenes.invite(member)


def address_of(name: str, invitation: InvitationKey) -> str:
    shared = InvitationKey.objects.shared_links().values_list("pk", flat=True).get()
    return ADDRESSES[name].format(
        key=invitation.key,
        mail_key=invitation.mail_key,
        pk=invitation.pk,
        batch=BATCH,
        shared=shared,
        unsubscribe=unsubscribing.make_token(invitation.email),
    )


def robots(invitation: InvitationKey) -> dict[str, Client]:
    """Return robots that keep no cookies, those that do, and one with a session that is gone."""
    stale = Client()
    stale.cookies["sessionid"] = "gone" * 8
    return {"plain": Client(), "with the key": scenes.visit(invitation), "stale": stale}


@pytest.mark.anywhere
@pytest.mark.parametrize(("name", "method"), VISITS)
def test_a_robot_writes_nothing(invitation: InvitationKey, name: str, method: str) -> None:
    clients = robots(invitation)
    before = scenes.dump()
    with CaptureQueriesContext(connection) as queries:
        for client in clients.values():
            response = getattr(client, method)(address_of(name, invitation))
            assert response.status_code < 500
            assert "sessionid" not in response.cookies or not response.cookies["sessionid"].value
    asked = [query["sql"].upper() for query in queries.captured_queries]
    assert [sql for sql in asked if sql.startswith(WRITES)] == []
    assert scenes.dump() == before


@pytest.mark.parametrize(("name", "method"), VISITS)
def test_a_browser_that_loads_pages_ahead_writes_nothing_for_its_member(
    invitation: InvitationKey, member_client: Client, name: str, method: str
) -> None:
    before = scenes.dump()
    assert getattr(member_client, method)(address_of(name, invitation)).status_code < 500
    assert scenes.dump() == before


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in FIRST else [pytest.mark.exhaustive])
        for name in ADDRESSES
    ],
)
def test_a_site_that_keeps_form_tokens_in_sessions_writes_these_and_nothing_else(
    settings: Any, invitation: InvitationKey, name: str
) -> None:
    settings.CSRF_USE_SESSIONS = True
    before = scenes.dump()
    for client in robots(invitation).values():
        assert client.get(address_of(name, invitation)).status_code < 500
    after = scenes.dump()
    assert {table for table in after if after[table] != before[table]} <= {"django_session"}


@pytest.mark.stress
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name",
    ["invite", "complete", "landing", "decline", "register", "mailed link", "list", "revoke"],
)
def test_a_thousand_visits_write_nothing(invitation: InvitationKey, name: str, method: str) -> None:
    client = scenes.visit(invitation)
    address = address_of(name, invitation)
    before = scenes.dump()
    for _ in range(1000):
        getattr(client, method)(address)
    assert scenes.dump() == before
    invitation.refresh_from_db()
    assert invitation.is_usable()


@pytest.mark.parametrize("name", ["landing", "mailed link", "copied link", "no thanks"])
def test_a_robot_that_presses_the_button_changes_nothing(
    invitation: InvitationKey, name: str
) -> None:
    robot = scenes.visit(invitation, enforce_csrf_checks=True)
    robot.get(DECLINE)
    before = scenes.dump()
    token = robot.cookies["csrftoken"].value
    response = robot.post(address_of(name, invitation), {"csrfmiddlewaretoken": token})
    assert response.status_code == 405
    assert scenes.dump() == before


@pytest.mark.parametrize("name", ["register", "key as parameter"])
def test_a_robot_that_posts_an_empty_form_changes_nothing(
    invitation: InvitationKey, name: str
) -> None:
    robot = scenes.visit(invitation)
    before = scenes.dump()
    assert robot.post(address_of(name, invitation)).status_code == 200
    assert scenes.dump() == before


@pytest.mark.parametrize("name", ["mailed link", "ask for a new one", "landing"])
@pytest.mark.parametrize("method", METHODS)
def test_a_robot_with_a_dead_link_asks_for_nothing(
    invitation: InvitationKey, name: str, method: str
) -> None:
    robot = scenes.visit(invitation)
    scenes.end(invitation, "revoked")
    robot.get(address_of("mailed link", invitation))
    before = scenes.dump()
    assert getattr(robot, method)(address_of(name, invitation)).status_code < 500
    assert scenes.dump() == before


def test_after_the_scanner_the_recipient_registers(invitation: InvitationKey) -> None:
    for client in robots(invitation).values():
        for name in ADDRESSES:
            client.get(address_of(name, invitation))
    response = scenes.visit(invitation).post(REGISTER, scenes.answers())
    assert response.status_code == 302
    assert scenes.accounts().count() == 1
