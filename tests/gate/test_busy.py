"""A page that the database undid asks to try again, and nothing of it stays."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from invitation.exceptions import Busy
from invitation.gate import on_a_site, repeat_visit
from invitation.gate.busy import answering_busy
from tests.undone import CONFLICT

pytestmark = pytest.mark.django_db(transaction=True)


def view_of(error: Exception) -> Any:
    """Return a view that writes, and then meets this error."""

    def view(request: HttpRequest) -> HttpResponse:
        Group.objects.create(name="half")
        raise error

    return view


def ask(view: Any) -> HttpResponse:
    response: HttpResponse = view(RequestFactory().get("/", headers={"host": "example.com"}))
    return response


UNREADY = OperationalError(1047, "WSREP has not yet prepared node for application use")


@pytest.mark.parametrize("error", [Busy(), OperationalError(*CONFLICT), UNREADY], ids=str)
def test_the_page_says_so(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    response = ask(answering_busy(view_of(error)))
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "no-store" in response["Cache-Control"]
    assert "nothing has changed." in response.content.decode()
    assert str(error) in caplog.text


@pytest.mark.parametrize("error", [OperationalError("server has gone away"), ValueError()], ids=str)
def test_another_error_stays_an_error(error: Exception) -> None:
    with pytest.raises(type(error)):
        ask(on_a_site(view_of(error)))


def test_the_transaction_of_a_request_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert ask(on_a_site(view_of(OperationalError(*CONFLICT)))).status_code == 503
    assert not Group.objects.exists()


def test_a_transaction_of_the_site_around_the_view_is_rolled_back() -> None:
    with transaction.atomic():
        assert ask(answering_busy(view_of(OperationalError(*CONFLICT)))).status_code == 503
    assert not Group.objects.exists()


def test_without_a_database_the_page_is_bare(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr("invitation.gate.busy.render", fail)
    response = ask(answering_busy(view_of(UNREADY)))
    assert (response.status_code, response["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert response.content.decode() == str(Busy())


def test_a_page_of_the_app_says_so(monkeypatch: pytest.MonkeyPatch, member_client: Client) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError(*CONFLICT)

    monkeypatch.setattr("invitation.views.inviting.InviteView.get_form", fail)
    assert member_client.get("/accounts/invite/").status_code == 503


def test_a_request_without_a_session_can_be_repeated() -> None:
    tries: list[int] = []

    def attempt() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError(*CONFLICT)
        return len(tries)

    assert repeat_visit(RequestFactory().get("/"), attempt) == 3
