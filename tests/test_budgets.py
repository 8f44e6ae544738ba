"""How many statements each step costs the database, transaction control aside."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from invitation.backends.default.views import RegistrationView
from invitation.delivery.members import declared_index
from invitation.flows import upkeep
from invitation.keys import unsubscribe
from tests import scenes
from tests.scenes import DECLINE, INVITE, LANDING, NEWCOMER, REGISTER, RENEWAL, answers

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere, pytest.mark.each_case]
Commit = Callable[..., Any]

CONTROL = ("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "SET ")


def statements(do: Callable[[], Any], commit: Commit) -> list[str]:
    """Return what is asked of the database, with what is done after the commit."""
    with CaptureQueriesContext(connection) as queries, commit():
        do()
    asked = [query["sql"] for query in queries.captured_queries]
    return [sql for sql in asked if not sql.upper().startswith(CONTROL)]


@pytest.fixture(autouse=True)
def warm(client: Client) -> None:
    """Let the process have what it keeps in memory, such as the Site."""
    client.get(LANDING)


def plain(backend: str) -> ModuleType:
    """Return the URLconf of a site with redux alone."""
    urlconf = ModuleType(f"plain_{backend}")
    registration = include(f"registration.backends.{backend}.urls")
    urlconf.urlpatterns = [  # type: ignore[attr-defined]
        path("", include("tests.urls_common")),
        path("accounts/", registration),
    ]
    return urlconf


def test_opening_a_link_costs_one(member: Any, commit: Commit) -> None:
    link = scenes.link(scenes.invite(member).mail_key)
    assert len(statements(lambda: Client().get(link), commit)) == 1


def test_a_link_that_is_no_key_costs_none(commit: Commit) -> None:
    for key in ("x", "x" * 66, f"{'x' * 22}.{'x' * 43}"):
        assert statements(lambda key=key: Client().get(scenes.link(key)), commit) == []  # type: ignore[misc]


@pytest.mark.parametrize("address", [LANDING, DECLINE])
def test_the_page_behind_the_link_costs_one(member: Any, commit: Commit, address: str) -> None:
    visitor = scenes.visit(scenes.invite(member))
    assert len(statements(lambda: visitor.get(address), commit)) == 1


def test_the_registration_form_costs_one(member: Any, commit: Commit) -> None:
    visitor = scenes.visit(scenes.invite(member))
    assert len(statements(lambda: visitor.get(REGISTER), commit)) == 1


def test_accepting_with_an_account_costs_six_besides_session_and_account(
    settings: Any, member: Any, commit: Commit
) -> None:
    visitor = scenes.visit(scenes.invite(member))
    visitor.force_login(scenes.make_user("invited", email=NEWCOMER))
    accept = "/accounts/invited/accept/"
    asked = statements(lambda: visitor.post(accept), commit)
    assert len([sql for sql in asked if "django_session" not in sql]) <= 7, "\n".join(asked)


def test_to_look_at_the_page_to_opt_out_costs_none_and_opting_out_two(commit: Commit) -> None:
    address = f"/accounts/invitations/opt-out/{unsubscribe.make_token(NEWCOMER)}/"
    assert statements(lambda: Client().get(address), commit) == []
    assert len(statements(lambda: Client().post(address), commit)) == 2


def test_closed_registration_costs_none(commit: Commit) -> None:
    assert statements(lambda: Client().get(REGISTER), commit) == []


@pytest.mark.parametrize("cookie", ["", "x" * 66, f"{'x' * 22}.{'x' * 43}"])
def test_the_gate_asks_nothing_without_an_invitation(commit: Commit, cookie: str) -> None:
    request = RequestFactory().get(REGISTER)
    request.COOKIES["invitation_key"] = cookie
    request.user = AnonymousUser()
    view = RegistrationView()
    view.setup(request)
    assert statements(view.registration_allowed, commit) == []
    assert not view.registration_allowed()


def test_asking_for_a_new_link_costs_the_question_nothing(member: Any, commit: Commit) -> None:
    invitation = scenes.invite(member)
    scenes.end(invitation, "revoked")
    visitor = Client()
    visitor.get(scenes.link(invitation.mail_key))
    assert statements(lambda: visitor.get(RENEWAL), commit) == []


@pytest.mark.parametrize("key", ["x", "x" * 66, f"{'x' * 22}.{'x' * 43}"])
def test_asking_with_what_is_no_key_costs_nothing_at_all(commit: Commit, key: str) -> None:
    visitor = Client()
    visitor.get(scenes.link(key))
    assert statements(lambda: visitor.post(RENEWAL), commit) == []


@pytest.mark.parametrize(("end", "most"), [("revoked", 17), ("expired", 19), ("deleted", 4)])
def test_asking_for_a_new_link_costs_little(
    member: Any, commit: Commit, end: str, most: int
) -> None:
    invitation = scenes.invite(member)
    visitor = Client()
    key = invitation.mail_key
    scenes.end(invitation, end)
    visitor.get(scenes.link(key))
    asked = statements(lambda: visitor.post(RENEWAL), commit)
    assert len(asked) <= most, "\n".join(asked)


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_the_page_that_renews_costs_six_at_most(
    member: Any, member_client: Client, commit: Commit, end: str
) -> None:
    invitation = scenes.invite(member)
    scenes.end(invitation, end)
    upkeep.expire()
    page = f"/accounts/invitations/{invitation.pk}/renew/"
    asked = statements(lambda: member_client.get(page), commit)
    assert len(asked) <= 6, "\n".join(asked)


def test_groups_cost_the_page_that_renews_one_more(
    member: Any, member_client: Client, commit: Commit
) -> None:
    invitation = scenes.invite(member)
    invitation.groups.add(*(Group.objects.create(name=name) for name in ("Altos", "Basses")))
    scenes.end(invitation, "revoked")
    page = f"/accounts/invitations/{invitation.pk}/renew/"
    asked = statements(lambda: member_client.get(page), commit)
    assert len(asked) <= 7, "\n".join(asked)


@pytest.mark.parametrize("earlier", [0, 1])
@pytest.mark.parametrize(("limited", "most"), [(True, 9), (False, 8)])
def test_inviting_costs_nine_and_the_first_time_eleven_at_most(
    member: Any,
    member_client: Client,
    commit: Commit,
    settings: Any,
    earlier: int,
    limited: bool,
    most: int,
) -> None:
    if not limited:
        scenes.no_limits(settings)
    for number in range(earlier):
        scenes.invite(member, f"earlier{number}@example.com")
    done: list[HttpResponse] = []
    asked = statements(lambda: done.append(member_client.post(INVITE, {"email": NEWCOMER})), commit)
    assert done[0].status_code == 302
    # The last two are the email: one look whether it may leave and is wanted, and the mark.
    most += 0 if earlier else 2  # the member's quota gets its row
    if declared_index(type(member)) is not None:
        most += 1  # the account with the address is looked for
    if limited and connection.vendor == "mysql":
        most += 2  # the counters are locked, read and written
    assert len(asked) <= most, "\n".join(asked)


@pytest.mark.parametrize(
    ("urlconf", "backend"),
    [
        ("tests.urls", "default"),
        ("tests.urls_simple", "simple"),
        ("tests.urls_admin_approval", "admin_approval"),
        ("tests.urls_verified", "simple"),
    ],
)
def test_registering_costs_four_more_than_plain_redux_at_most_and_four_for_its_email(
    settings: Any, member: Any, commit: Commit, urlconf: str, backend: str
) -> None:
    # Redux alone cannot be reached where every page needs a login.
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != required]
    settings.ROOT_URLCONF = plain(backend)
    done: list[HttpResponse] = []
    newcomer = answers("plain@example.com", name="plain")
    without = statements(lambda: done.append(Client().post(REGISTER, newcomer)), commit)
    settings.ROOT_URLCONF = urlconf
    visitor = scenes.visit(scenes.invite(member))
    with_invitation = statements(lambda: done.append(visitor.post(REGISTER, answers())), commit)
    assert [response.status_code for response in done] == [302, 302]
    # Three count the email, and one asks whether it is wanted.
    email = 0 if backend == "simple" else 4
    assert len(with_invitation) <= len(without) + 4 + email, "\n".join(with_invitation)
