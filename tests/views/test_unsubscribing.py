"""The page on which people unsubscribe, and the same address as mail programs use it (RFC 8058)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail as django_mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path, reverse

from invitation import routes
from invitation.flows.mail import deliver_due, is_suppressed, unsubscribe
from invitation.keys import unsubscribing
from invitation.models import InvitationEmail, SuppressedAddress
from tests import scenes
from tests.factories import make_mail
from tests.keys.test_unsubscribe import GARBAGE
from tests.scenes import INVITE, NEWCOMER

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]
Commit = Callable[..., Any]

#: What a mail program posts, and in which two ways it may do so.
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
URLENCODED = "application/x-www-form-urlencoded"

#: A site as its URLconf was before there was such a page.
urlpatterns = [
    path("", include("tests.urls_common")),
    path(
        "accounts/",
        include([page for page in routes.urlpatterns if page.name != "invitation_unsubscribe"]),
    ),
]


def address(token: str | None = None) -> str:
    token = unsubscribing.make_token(NEWCOMER) if token is None else token
    return reverse("invitation_unsubscribe", kwargs={"token": token})


def suppressed() -> bool:
    return is_suppressed(NEWCOMER) is not None


# -- who only looks changes nothing (T31) --


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_to_look_is_not_to_unsubscribe(method: str) -> None:
    before = scenes.dump()
    response = getattr(Client(), method)(address())
    assert response.status_code == 200
    assert scenes.dump() == before


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
def test_nothing_else_does(method: str) -> None:
    assert getattr(Client(), method)(address()).status_code == 405
    assert not suppressed()


def test_the_page_has_one_button_that_posts_to_itself() -> None:
    page = Client().get(address()).content.decode()
    assert page.count("<form") == page.count("</form>") == 1
    assert '<form method="post">' in page
    assert page.count('type="submit"') == 1
    assert NEWCOMER not in page


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_query_does_not_unsubscribe_by_get(method: str) -> None:
    response = getattr(Client(), method)(f"{address()}?List-Unsubscribe=One-Click")
    assert response.status_code == 200
    assert suppressed() is (method == "post")


# -- one click --


@pytest.mark.parametrize("kind", ["multipart", "urlencoded", "empty"])
def test_a_mail_program_opts_out_with_no_cookie_no_login_and_no_token(kind: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    body: Any = {
        "multipart": {"data": ONE_CLICK},
        "urlencoded": {"data": "List-Unsubscribe=One-Click", "content_type": URLENCODED},
        "empty": {},
    }[kind]
    response = strict.post(address(), **body)
    assert response.status_code == 200
    assert suppressed()
    assert not strict.cookies


@pytest.mark.parametrize("origin", ["null", "https://mail.example", "https://evil.example"])
def test_wherever_it_is_posted_from(origin: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    headers = {"Origin": origin, "Referer": "https://mail.example/"}
    assert strict.post(address(), ONE_CLICK, headers=headers, secure=True).status_code == 200
    assert suppressed()


def test_once_is_as_good_as_often() -> None:
    pages = [Client().post(address(), ONE_CLICK).content for _ in range(3)]
    assert pages[0] == pages[1] == pages[2]
    assert SuppressedAddress.objects.count() == 1


def test_where_every_page_needs_a_login_this_one_does_not(settings: Any) -> None:
    required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*[name for name in settings.MIDDLEWARE if name != required], required]
    assert Client().get(address()).status_code == 200
    assert Client().post(address(), ONE_CLICK).status_code == 200
    assert suppressed()


def test_it_works_within_the_transaction_of_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    for _ in range(2):
        assert Client().post(address(), ONE_CLICK).status_code == 200
    assert suppressed()


def test_it_works_when_the_invitation_is_gone(member: Any) -> None:
    invitation = scenes.invite(member)
    there = address()
    invitation.delete()
    Client().post(there, ONE_CLICK)
    assert suppressed()


# -- nothing is told --


def answers(token: str) -> list[tuple[int, bytes, dict[str, str]]]:
    pages = [getattr(Client(), method)(address(token)) for method in ("get", "post")]
    return [(page.status_code, page.content, dict(page.headers)) for page in pages]


@pytest.mark.parametrize("kind", [kind for kind in GARBAGE if kind not in ("empty", "surrogate")])
def test_a_link_that_is_none_gets_the_same_answer(kind: str) -> None:
    right = answers(unsubscribing.make_token(NEWCOMER))
    SuppressedAddress.objects.all().delete()
    assert answers(GARBAGE[kind]) == right
    assert not SuppressedAddress.objects.exists()


def test_so_does_that_of_another_site(settings: Any) -> None:
    settings.INVITATION_SIGNING_KEYS = ["another site's key" * 3]
    foreign = unsubscribing.make_token(NEWCOMER)
    settings.INVITATION_SIGNING_KEYS = ["this site's key" * 3]
    assert answers(foreign) == answers(unsubscribing.make_token("carol@example.org"))
    assert not suppressed()


def test_so_does_an_address_that_nobody_has_invited(member: Any) -> None:
    scenes.invite(member)
    assert answers(unsubscribing.make_token(NEWCOMER)) == answers(
        unsubscribing.make_token("x@example.org")
    )


def asked(method: str, token: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert getattr(Client(), method)(address(token)).status_code == 200
    control = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "SET ")
    sql = [query["sql"] for query in queries.captured_queries]
    return [line for line in sql if not line.startswith(control)]


def test_the_page_costs_no_query_and_unsubscribing_two(member: Any) -> None:
    token = unsubscribing.make_token(NEWCOMER)
    Client().get(address())  # what the process keeps in memory
    assert asked("get", token) == []
    assert asked("post", "x" * unsubscribing.TOKEN_LENGTH) == []
    assert len(asked("post", token)) == 2
    assert len(asked("post", token)) <= 2


# -- headers and cookies --


@pytest.mark.parametrize("method", ["get", "head", "options", "post"])
@pytest.mark.parametrize("token", [None, "x"], ids=["right", "wrong"])
def test_the_link_goes_nowhere_and_nothing_is_set(method: str, token: str | None) -> None:
    client = Client()
    response = getattr(client, method)(address(token))
    assert {"no-store", "private"} <= set(response["Cache-Control"].split(", "))
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Robots-Tag"] == "noindex"
    assert not response.cookies


@pytest.mark.parametrize("method", ["get", "post"])
def test_no_error_report_gets_the_link(method: str) -> None:
    token = unsubscribing.make_token(NEWCOMER)
    request = getattr(Client(), method)(address(token)).wsgi_request
    assert token not in f"{request.path} {request.path_info}"


def test_who_is_logged_in_gets_the_same_page_and_keeps_his_messages(
    settings: Any, member_client: Client
) -> None:
    before = scenes.dump()
    response = member_client.get(address())
    assert response.content == Client().get(address()).content
    assert not response.cookies
    assert scenes.dump() == before


def test_the_link_is_not_in_the_page() -> None:
    token = unsubscribing.make_token(NEWCOMER)
    for method in ("get", "post"):
        assert token not in getattr(Client(), method)(address()).content.decode()


def test_a_reader_who_wants_it_back_is_told_whom_to_ask() -> None:
    page = Client().post(address(), ONE_CLICK).content.decode()
    assert "Changed your mind? Ask the site" in page


# -- from the email to the end --


def test_the_link_in_the_mail_leads_here_and_the_next_mail_does_not_leave(
    member: Any, commit: Commit
) -> None:
    with commit():
        scenes.invite(member)
    link = scenes.path_in(django_mail.outbox[0], part="unsubscribe")
    assert Client().post(link, ONE_CLICK).status_code == 200
    with commit():
        scenes.invite(scenes.make_user("second"))
    assert len(django_mail.outbox) == 1
    assert InvitationEmail.objects.get(invitation__from_user__email__startswith="second").state == (
        "suppressed"
    )


def test_who_opts_out_between_the_queue_and_the_sending_gets_no_mail() -> None:
    mail = make_mail(scenes.invite(scenes.make_user("ann")))
    Client().post(address(), ONE_CLICK)
    deliver_due()
    mail.refresh_from_db()
    assert (mail.state, len(django_mail.outbox)) == ("suppressed", 0)


def posted(client: Client, email: str, commit: Commit) -> tuple[Any, ...]:
    with CaptureQueriesContext(connection) as queries, commit():
        response = client.post(INVITE, {"email": email})
    # All but those of the sender, who takes the same time whatever it has to do: ``pacing``.
    asked = [query["sql"] for query in queries]
    before = next(place for place, sql in enumerate(asked) if "suppressedaddress" in sql)
    return response.status_code, response.url, before, sorted(response.cookies)


def test_the_inviter_gets_the_same_answer_for_the_same_statements(
    member_client: Client, commit: Commit
) -> None:
    unsubscribe(unsubscribing.make_token(NEWCOMER))
    posted(member_client, "warm@example.com", commit)
    assert posted(member_client, NEWCOMER, commit) == posted(
        member_client, "old@example.com", commit
    )


def test_a_site_that_leaves_the_page_out_still_mails(
    settings: Any, member: Any, commit: Commit
) -> None:
    settings.ROOT_URLCONF = __name__
    with commit():
        scenes.invite(member)
    [mail] = django_mail.outbox
    assert "unsubscribe" not in str(mail.message())
    assert "List-Unsubscribe" not in mail.extra_headers
