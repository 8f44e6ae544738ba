"""Anybody may ask for some emails: a few leave, and nothing tells whose address is known."""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import resolve
from django.utils import translation

from invitation import signals
from invitation.exceptions import MailLimitReached
from invitation.flows import sharing
from invitation.flows.mail import (
    account_mails,
    count_account_mail,
    is_unwanted,
    suppress,
    timing,
    with_address,
)
from invitation.gate import clients
from invitation.models import InvitationKey, MailCounter
from tests import scenes
from tests.factories import make_user
from tests.faults.conftest import use
from tests.scenes import NEWCOMER, RENEWAL

pytestmark = pytest.mark.django_db

RESET = "/accounts/password/reset/"
LIMIT = account_mails.RECIPIENT_LIMIT


@pytest.mark.parametrize("path", ["register/", "activate/resend/", "password/reset/"])
def test_the_pages_say_email_address(client: Client, path: str, settings: Any) -> None:
    settings.INVITE_MODE = False
    body = client.get(f"/accounts/{path}").content.decode()
    assert re.findall(r'<label for="id_email"[^>]*>\s*([^<]+?)\s*<', body) == ["Email address"]


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Return how long it was waited, and do not wait."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    # However slow this machine is: the latest took longer than what is done for nobody.
    monkeypatch.setattr(timing, "USUAL", 30.0)
    monkeypatch.setattr(timing, "LONGEST", 60.0)
    draw = SimpleNamespace(choice=lambda latest: max(latest) + 10)
    monkeypatch.setattr(timing, "secrets", draw)
    yield waited
    timing._LATEST.clear()
    clients._LATEST.clear()


def close(response: Any) -> None:
    """Close a response as a server does, and keep the connection, as Django's own client does."""
    request_finished.disconnect(close_old_connections)
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)


def view_of(address: str, **posted: str) -> tuple[Any, Any]:
    request = RequestFactory().post(address, posted)
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    return resolve(address).func, request


# -- password reset ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "urls", ["urls", "urls_simple", "urls_admin_approval", "urls_verified", "urls_before_redux"]
)
def test_a_member_gets_few_links_for_a_new_password(settings: Any, member: Any, urls: str) -> None:
    settings.ROOT_URLCONF = f"tests.{urls}"
    pages = set()
    for _again in range(10):
        response = Client().post(RESET, {"email": member.email})
        pages.add((response.status_code, response["Location"]))
    assert pages == {(302, "/accounts/password/reset/done/")}
    assert [sent.to for sent in mail.outbox] == [[member.email]] * LIMIT


def test_the_link_for_a_new_password_works(member: Any) -> None:
    Client().post(RESET, {"email": member.email.upper()})
    [sent] = mail.outbox
    page = Client().get(scenes.path_in(sent, part="/reset/confirm/"), follow=True)
    assert page.status_code == 200
    assert page.context["validlink"]


def test_a_member_who_wants_no_invitations_still_gets_it(member: Any) -> None:
    suppress(member.email)
    Client().post(RESET, {"email": member.email})
    assert len(mail.outbox) == 1


def test_of_several_accounts_the_next_one_gets_the_next_link(member: Any) -> None:
    second = make_user("second", email=member.email)
    named = []
    for sent in (1, 2, 3):
        Client().post(RESET, {"email": member.email})
        assert len(mail.outbox) == sent
        named.append(second.get_username() in mail.outbox[-1].body)
    assert named == [False, True, False]


def test_nothing_of_the_address_is_looked_at_before_the_answer(member: Any) -> None:
    for email in (member.email, "unknown@example.com"):
        view, request = view_of(RESET, email=email)
        with scenes.statements() as asked:
            response = view(request)
        assert (asked, mail.outbox) == ([], [])
        close(response)
        assert len(mail.outbox) == (email == member.email)
        mail.outbox.clear()


def test_a_page_for_everybody_needs_no_login(member: Any) -> None:
    assert Client().get(RESET).status_code == 200


def test_where_nobody_is_mailed_time_passes_and_nothing_of_a_recipient_is_counted(
    waits: list[float],
) -> None:
    Client().post(RESET, {"email": "unknown@example.com"})
    assert len(waits) == 1
    assert MailCounter.objects.count() == 1


def test_a_full_mailbox_takes_as_long(member: Any, waits: list[float]) -> None:
    for _again in range(LIMIT + 2):
        Client().post(RESET, {"email": member.email})
    assert len(waits) == 2


def test_it_takes_as_long_as_where_an_email_leaves(
    member: Any, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "_LATEST", deque([30.0]))
    Client().post(RESET, {"email": "unknown@example.com"})
    assert waits == [pytest.approx(40, abs=9)]


@pytest.mark.long
@pytest.mark.parametrize("failure", [OSError, RuntimeError])
def test_it_takes_as_long_as_where_no_email_can_leave(
    member: Any, waits: list[float], monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    # A sender that is out of order for half a second: its time is what a request for nobody takes.
    def fail(*_args: object) -> None:
        begun = time.monotonic()
        while time.monotonic() - begun < 0.5:
            pass
        raise failure

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", fail)
    Client().post(RESET, {"email": member.email})
    Client().post(RESET, {"email": "unknown@example.com"})
    [waited] = waits
    assert waited < 20


def test_a_client_over_its_limit_waits_for_nothing(
    settings: Any, member: Any, waits: list[float]
) -> None:
    settings.INVITATION_LIMITS = {"client": 2}
    for _again in range(4):
        response = Client().post(RESET, {"email": "unknown@example.com"})
        assert response.status_code == 302
    assert len(waits) == 2


@pytest.mark.parametrize(("limit", "sent"), [(None, 2), (0, 0)])
def test_the_limit_of_a_client_may_be_none_or_nothing(
    settings: Any, member: Any, limit: int | None, sent: int
) -> None:
    settings.INVITATION_LIMITS = {"client": limit}
    for _again in range(2):
        Client().post(RESET, {"email": member.email})
    assert len(mail.outbox) == sent


def test_a_site_has_a_limit(member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_mails, "SITE_LIMIT", 1)
    for email in (member.email, make_user("second").email):
        Client().post(RESET, {"email": email})
    assert len(mail.outbox) == 1


def test_invitations_and_links_for_a_new_password_take_nothing_from_each_other(
    settings: Any, member: Any
) -> None:
    settings.INVITATION_LIMITS = {"recipient": 1}
    bob = make_user("bob")
    for _again in range(LIMIT):
        Client().post(RESET, {"email": member.email})
    assert scenes.invite(bob, member.email).pk
    with pytest.raises(MailLimitReached):
        scenes.invite(make_user("carol"), member.email)
    Client().post(RESET, {"email": bob.email})
    assert len(mail.outbox) == LIMIT + 1


# -- the request for a new link ------------------------------------------------------------------


def test_an_inviter_is_asked_when_the_visitor_has_the_answer(member: Any) -> None:
    invitation = scenes.invite(member)
    scenes.end(invitation, "expired")
    visitor = Client()
    visitor.get(scenes.link(invitation.mail_key))
    with scenes.received(signals.invitation_renewal_requested), scenes.statements() as asked:
        view, request = view_of(RENEWAL)
        request.COOKIES.update({name: found.value for name, found in visitor.cookies.items()})
        response = view(request)
    assert not [sql for sql in asked if "invitation_" in sql]
    close(response)
    row = InvitationKey.objects.get()
    assert row.renewal_requested_at is not None


def test_a_client_over_its_limit_asks_no_inviter(settings: Any, member: Any) -> None:
    settings.INVITATION_LIMITS = {"client": 0}
    invitation = scenes.invite(member)
    scenes.end(invitation, "expired")
    visitor = Client()
    visitor.get(scenes.link(invitation.mail_key))
    assert visitor.post(RENEWAL).status_code == 200
    assert InvitationKey.objects.get().renewal_requested_at is None


def test_a_key_of_nothing_takes_as_long(member: Any, waits: list[float]) -> None:
    visitor = Client()
    visitor.get(scenes.link("x" * 66))
    assert visitor.post(RENEWAL).status_code == 200
    assert len(waits) == 1


# -- what comes after the answer -----------------------------------------------------------------


def test_what_comes_afterwards_is_done_once_in_the_visitors_language() -> None:
    response, done = HttpResponse("x"), []
    with translation.override("de"):
        clients.afterwards(response, lambda: bool(done.append(translation.get_language()) or True))
    assert done == []
    close(response)
    close(response)
    assert done == ["de"]
    assert len(clients._LATEST) == 1


def test_what_fails_afterwards_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bool:
        raise scenes.Crash("down")

    response = HttpResponse("x")
    clients.afterwards(response, fail)
    with caplog.at_level(logging.ERROR):
        close(response)
    assert "was not sent" in caplog.text
    assert response.closed


# -- whose client it is --------------------------------------------------------------------------


def first_hop(request: Any) -> str:
    return str(request.headers["X-Real-Ip"])


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("rule", "address"),
    [
        (None, "192.0.2.7"),
        ("tests.backends.test_account_mails.first_hop", "198.51.100.1"),
        (first_hop, "198.51.100.1"),
        (lambda request: None, ""),
    ],
)
def test_the_client_is_the_connections_unless_the_site_says_otherwise(
    settings: Any, rule: Any, address: str
) -> None:
    settings.INVITATION_CLIENT_ADDRESS = rule
    headers = {"X-Real-Ip": "198.51.100.1", "X-Forwarded-For": "203.0.113.9"}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="192.0.2.7")
    assert clients.client_address(request) == address
    assert clients.networks_of(request) == ((address,) if address else ())


def test_an_ipv6_client_counts_with_its_network_and_with_the_one_around_it(
    settings: Any, member: Any
) -> None:
    settings.INVITATION_LIMITS = {"client": 1}
    sent = []
    for number in range(7):
        Client(REMOTE_ADDR=f"2001:db8:1:{number}::1").post(RESET, {"email": "no@example.com"})
        sent.append(MailCounter.objects.count())
    # One for each network of 64 bits until the one of 48 bits is full, and the latter.
    assert [max(row.hours.values(), default=0) for row in MailCounter.objects.order_by("pk")].count(
        account_mails.WIDE
    ) == 1


# -- whose address it is -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("has", "asked", "found"),
    [
        ("new@bücher.example", "NEW@xn--bcher-kva.example", True),
        ("new@xn--bcher-kva.example", "new@bücher.example", True),
        ("New@Example.com", "new@example.com", True),
        ("new@example.com", "new+1@example.com", False),
        ("new@example.com", "no address", False),
    ],
)
def test_an_account_is_found_however_its_address_is_spelled(
    has: str, asked: str, found: bool
) -> None:
    make_user("somebody", email=has)
    rows = get_user_model()._default_manager.all()
    assert bool(with_address(rows, "email", asked)) is found


def test_an_account_without_address_is_nobodys_matter() -> None:
    assert not is_unwanted(make_user("somebody", email=""))
    assert count_account_mail(1, kind="x", email="no address") == 0
    assert count_account_mail(1, kind="x", email="no address") == 1


def test_a_link_for_other_domains_resumes_no_account(commit: Any) -> None:
    owner = make_user("owner", is_superuser=True)
    terms: dict[str, Any] = {"label": "Fair", "max_uses": None, "expires_at": None}
    open_to_all = sharing.share(owner, **terms)
    limited = sharing.share(owner, **terms, allowed_domains=["example.org"])
    for link, status in ((open_to_all, 302), (limited, 200)):
        with commit():
            response = scenes.visit(link).post(scenes.REGISTER, scenes.answers())
        assert response.status_code == status
    assert len(mail.outbox) == 1


def test_an_account_that_came_by_no_invitation_gets_its_email(settings: Any, commit: Any) -> None:
    settings.INVITE_MODE = False
    suppress(NEWCOMER)
    with commit():
        Client().post(scenes.REGISTER, scenes.answers())
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_where_no_mail_can_leave_the_unsubscribed_is_told_so_as_anybody(
    settings: Any, member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(settings, 1)  # nobody listens there
    settings.INVITATION_DELIVERY = "invitation.delivery.email.EmailDelivery"
    suppress("unsubscribed@example.com")
    invitation = scenes.invite(member)
    changes = {"shared": True, "email": "", "email_key": "", "max_uses": None}
    InvitationKey.objects.filter(pk=invitation.pk).update(**changes, pending_slot=None)
    invitation.refresh_from_db()
    pages = []
    for name in ("unsubscribed", "anybody"):
        visitor = scenes.visit(invitation)
        typed = scenes.answers(f"{name}@example.com", name)
        page = visitor.post(scenes.REGISTER, typed, follow=True).content.decode()
        assert "was not sent" in page
        pages.append(page.replace(name, "").replace("<wbr>", ""))
    assert pages[0] == pages[1]


def test_what_the_database_takes_for_equal_may_be_another_mailbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """MariaDB compares without accents, and so do databases with such a collation."""
    make_user("ann", email="ann@bücher.example")
    both = ["ann@bucher.example", "ann@bücher.example"]
    monkeypatch.setattr(account_mails, "spellings_of", lambda email: both)
    rows = get_user_model()._default_manager.all()
    assert with_address(rows, "email", "ann@bucher.example") == []
    assert len(with_address(rows, "email", "ann@bücher.example")) == 1
