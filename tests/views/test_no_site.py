"""A host without a Site, and a SITE_ID without one: every page says so, and none is an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sites.models import Site
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import modify_settings
from django.urls import get_resolver

from invitation.gate import on_a_site
from invitation.gate.atomic_requests import own_transactions
from invitation.models import InvitationEmail, InvitationKey
from tests import staff
from tests.factories import make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db

HOST = "unknown.example"
SAMPLES = {"int": "1", "uuid": "9c4c9d0e-8f6f-4d62-a0f6-5bfa9ff9c8d5"}


@pytest.fixture(autouse=True)
def _fresh_sites() -> Iterator[None]:
    Site.objects.clear_cache()
    yield
    Site.objects.clear_cache()


@pytest.fixture(params=["host", "id"])
def no_site(request: pytest.FixtureRequest, settings: Any) -> int:
    """Let requests belong to no Site; return the status of a page that says so."""
    settings.ALLOWED_HOSTS = ["*"]
    if request.param == "host":
        del settings.SITE_ID
        return 404
    settings.SITE_ID = 77
    return 503


def get(client: Client, path: str, **data: Any) -> Any:
    return client.get(path, data, headers={"host": HOST})


def addresses() -> list[str]:
    """Return an address for each of our pages, and for each of the registration host's."""
    found = []
    for name, entries in get_resolver().reverse_dict.lists():
        if not isinstance(name, str) or name.startswith("admin"):
            continue
        path, arguments = entries[0][0][0]
        values = dict.fromkeys(arguments, "1") | {"batch": SAMPLES["uuid"]}
        found.append("/" + path % values)
    return sorted(found)


@pytest.mark.parametrize("somebody", [False, True], ids=["visitor", "member"])
def test_no_page_is_an_error(no_site: int, somebody: bool) -> None:
    client = Client()
    if somebody:
        client.force_login(make_user())
    assert len(addresses()) > 40
    said = 0
    for path in addresses():
        for ask in (get, lambda client, path: client.post(path, headers={"host": HOST})):
            response = ask(client, path)
            assert response.status_code < 500 or response.status_code == no_site, path
            said += response.status_code == no_site and b"<h1>" in response.content
    assert said > 10


def test_the_page_says_what_is_wrong(no_site: int, caplog: pytest.LogCaptureFixture) -> None:
    response = get(Client(), "/accounts/invited/")
    assert response.status_code == no_site
    assert response.templates[0].name == "invitation/no_site.html"
    assert response["Cache-Control"] == "no-store, private"
    words = {
        404: (
            "There is no site at this address",
            f"No Site has the domain {HOST}: add one, or set SITE_ID.",
        ),
        503: ("This site is not set up yet", "SITE_ID is 77, and no Site has this id."),
    }[no_site]
    assert words[0] in response.content.decode()
    assert words[1] in caplog.messages


@pytest.mark.parametrize("own", [False, True])
def test_what_was_written_by_then_is_rolled_back_with_the_request(
    no_site: int, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    def write_and_fail(request: HttpRequest) -> HttpResponse:
        make_invitation(email="half@example.org")
        raise Site.DoesNotExist

    view = own_transactions(write_and_fail) if own else write_and_fail
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    with transaction.atomic():
        response = on_a_site(view)(RequestFactory().get("/", headers={"host": HOST}))
    assert response.status_code == no_site
    assert InvitationKey.objects.exists() is own


def test_another_row_that_is_missing_is_still_an_error(
    member_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise InvitationKey.DoesNotExist

    monkeypatch.setattr("invitation.keys.sites.current_site_id", fail)
    with pytest.raises(InvitationKey.DoesNotExist):
        member_client.get("/accounts/invite/")
    with (
        modify_settings(INSTALLED_APPS={"remove": "django.contrib.sites"}),
        pytest.raises(InvitationKey.DoesNotExist),
    ):
        member_client.get("/accounts/invite/")


def test_the_pages_of_staff_do_not_need_a_site(no_site: int) -> None:
    invitation = make_invitation(make_user(), site_id=77)
    mail = make_mail(invitation)
    boss = staff.boss()
    for name in ("invitationkey", "invitationemail", "deliverypause", "acceptance"):
        assert get(boss, f"/admin/invitation/{name}/").status_code == 200
    for name, row in (("invitationkey", invitation), ("invitationemail", mail)):
        assert get(boss, f"/admin/invitation/{name}/{row.pk}/change/").status_code == 200


def test_a_mail_of_a_site_that_is_gone_holds_up_no_other(
    no_site: int, mailoutbox: list[Any]
) -> None:
    make_mail(make_invitation(make_user(), "a@example.org", site_id=77), message_id="<1@x>")
    make_mail(make_invitation(make_user("eve"), "b@example.org", site_id=1), message_id="<2@x>")
    call_command("sendinvitations", verbosity=0)
    assert [message.to for message in mailoutbox] == [["b@example.org"]]
    waiting = InvitationEmail.objects.get(state="queued")
    assert "Site" in waiting.last_error


def test_a_command_says_which_site_it_needs(settings: Any, tmp_path: Any) -> None:
    del settings.SITE_ID
    make_user("ann")
    (tmp_path / "list.csv").write_text("email\nbob@example.org\n")
    with pytest.raises(CommandError, match="--site"):
        call_command("invite", "--csv", str(tmp_path / "list.csv"), "--as", "ann")
