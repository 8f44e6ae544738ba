"""Who may see and do what: every address of the app, for its owner, others, staff and strangers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import URLPattern, reverse

from invitation import routes
from invitation.addresses.recipients import Recipient
from invitation.flows import lists, sharing
from tests import scenes
from tests.factories import ADDRESS, make_invitation, make_user

pytestmark = pytest.mark.django_db

#: Pages of one row: for everybody but its owner the row does not exist.
OWNED = {
    "invitation_detail": "personal",
    "invitation_edit": "personal",
    "invitation_link": "personal",
    "invitation_resend": "personal",
    "invitation_extend": "personal",
    "invitation_change_link": "personal",
    "invitation_revoke": "personal",
    "invitation_renew": "personal",
    "invitation_invite_list_progress": "list",
    "invitation_invite_list_outcome": "list",
    "invitation_received_accept": "received",
    "invitation_received_decline": "received",
    "invitation_shared_detail": "shared",
    "invitation_shared_edit": "shared",
    "invitation_shared_pause": "shared",
    "invitation_shared_resume": "shared",
    "invitation_shared_change_link": "shared",
    "invitation_shared_close": "shared",
}
#: Pages that show a member his own things: strangers are sent to log in.
MEMBERS = {
    "invitation_invite",
    "invitation_complete",
    "invitation_invite_list",
    "invitation_invite_list_confirm",
    "invitation_preview",
    "invitation_list",
    "invitation_received",
    "invitation_share",
    "invitation_shared_list",
}
#: Pages for whoever comes with a key, or without.
OPEN = {
    "invitation_unsubscribe",
    "invitation_landing",
    "invitation_accept",
    "invitation_decline",
    "invitation_request_renewal",
    "invitation_invited",
    "invitation_join",
    "invitation_join_word",
}

METHODS = ("get", "post")


def patterns() -> Iterator[URLPattern]:
    for pattern in routes.urlpatterns:
        assert isinstance(pattern, URLPattern)
        yield pattern


@pytest.fixture
def owner(settings: Any) -> Any:
    settings.INVITATION_VERIFIED_ADDRESSES = lambda user: [user.email]
    return scenes.may_share(make_user("owner"))


@pytest.fixture
def others() -> dict[str, Client]:
    """Return the browsers of other people who have logged in."""
    fields = {"is_staff": True} if hasattr(get_user_model(), "is_staff") else {}
    people = {"member": make_user("other"), "staff": make_user("staff", **fields)}
    for person in people.values():
        person.user_permissions.add(
            *Permission.objects.filter(content_type__app_label="invitation")
        )
    browsers = {name: Client() for name in people}
    for name, person in people.items():
        browsers[name].force_login(person)
    return browsers


def address(name: str, owner: Any) -> str:
    """Return the address of this page for something of the owner's, made for it."""
    if OWNED[name] == "list":
        batch = lists.invite_many(owner, [Recipient(1, ADDRESS)]).id
        return reverse(name, kwargs={"batch": batch})
    if OWNED[name] == "received":
        row = make_invitation(make_user("inviter"), owner.email)
    elif OWNED[name] == "shared":
        row = sharing.share(owner, label="Fair", max_uses=2, expires_at=None)
    else:
        row = make_invitation(owner)
    return reverse(name, kwargs={"pk": row.pk})


def test_every_address_has_its_rule() -> None:
    names = [pattern.name for pattern in patterns()]
    assert sorted(map(str, names)) == sorted([*OWNED, *MEMBERS, *OPEN])


@pytest.mark.each_case
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", OWNED)
def test_what_belongs_to_somebody_else_is_not_there(
    name: str, method: str, owner: Any, others: dict[str, Client]
) -> None:
    path = address(name, owner)
    before = scenes.dump()
    for who, browser in others.items():
        refused = (405,) if method == "post" else ()  # a page that takes no POST at all
        assert getattr(browser, method)(path).status_code in (404, *refused), who
    assert scenes.dump() == before


@pytest.mark.each_case
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", [*OWNED, *sorted(MEMBERS)])
def test_a_stranger_is_sent_to_log_in(name: str, method: str, owner: Any) -> None:
    path = address(name, owner) if name in OWNED else reverse(name)
    before = scenes.dump()
    answer = getattr(Client(), method)(path)
    assert (answer.status_code, answer.url.split("?")[0]) == (302, "/accounts/login/")
    assert scenes.dump() == before


@pytest.mark.each_case
@pytest.mark.parametrize("name", [*OWNED, *sorted(MEMBERS)])
def test_the_owner_gets_an_answer(name: str, owner: Any) -> None:
    browser = Client()
    browser.force_login(owner)
    path = address(name, owner) if name in OWNED else reverse(name)
    without_a_list_or_a_cookie = ("invitation_preview",)
    for method in METHODS:
        status = getattr(browser, method)(path).status_code
        assert status < 500
        assert status != 404 or name in without_a_list_or_a_cookie


@pytest.mark.parametrize("number", [0, 2**31, 2**63 - 1, 2**63, 10**30])
@pytest.mark.parametrize("name", [name for name, kind in OWNED.items() if kind != "list"])
def test_a_number_that_no_row_has_is_not_there(name: str, number: int, owner: Any) -> None:
    browser = Client()
    browser.force_login(owner)
    for method in METHODS:
        assert getattr(browser, method)(reverse(name, args=[number])).status_code in (404, 405)
