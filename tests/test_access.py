"""Who may see and do what: every address of the app, for its owner, others, staff and strangers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import URLPattern, reverse

from invitation import routes
from invitation.models import InvitationKey
from tests import scenes
from tests.factories import make_invitation, make_user

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
}
#: Pages that show a member his own things: strangers are sent to log in.
MEMBERS = {"invitation_invite", "invitation_complete", "invitation_list"}
#: Pages for whoever comes with a key, or without.
OPEN = {"invitation_landing", "invitation_decline", "invitation_invited"}

METHODS = ("get", "post")


def patterns() -> Iterator[URLPattern]:
    for pattern in routes.urlpatterns:
        assert isinstance(pattern, URLPattern)
        yield pattern


@pytest.fixture
def owner() -> Any:
    return make_user("owner")


@pytest.fixture
def others() -> dict[str, Client]:
    """Return the browsers of other people who have logged in."""
    fields = {"is_staff": True} if hasattr(get_user_model(), "is_staff") else {}
    people = {"member": make_user("other"), "staff": make_user("staff", **fields)}
    browsers = {name: Client() for name in people}
    for name, person in people.items():
        browsers[name].force_login(person)
    return browsers


def row_of(kind: str, owner: Any) -> InvitationKey:
    return make_invitation(owner)


def address(name: str, owner: Any) -> str:
    return reverse(name, kwargs={"pk": row_of(OWNED[name], owner).pk})


def test_every_address_has_its_rule() -> None:
    names = [pattern.name for pattern in patterns()]
    assert sorted(map(str, names)) == sorted([*OWNED, *MEMBERS, *OPEN])


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


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", [*OWNED, *sorted(MEMBERS)])
def test_a_stranger_is_sent_to_log_in(name: str, method: str, owner: Any) -> None:
    path = address(name, owner) if name in OWNED else reverse(name)
    before = scenes.dump()
    answer = getattr(Client(), method)(path)
    assert (answer.status_code, answer.url.split("?")[0]) == (302, "/accounts/login/")
    assert scenes.dump() == before


@pytest.mark.parametrize("name", [*OWNED, *sorted(MEMBERS)])
def test_the_owner_gets_an_answer(name: str, owner: Any) -> None:
    browser = Client()
    browser.force_login(owner)
    path = address(name, owner) if name in OWNED else reverse(name)
    for method in METHODS:
        assert getattr(browser, method)(path).status_code not in (404, 500)


@pytest.mark.parametrize("number", [0, 2**31, 2**63 - 1, 2**63, 10**30])
@pytest.mark.parametrize("name", OWNED)
def test_a_number_that_no_row_has_is_not_there(name: str, number: int, owner: Any) -> None:
    browser = Client()
    browser.force_login(owner)
    for method in METHODS:
        assert getattr(browser, method)(reverse(name, args=[number])).status_code in (404, 405)
