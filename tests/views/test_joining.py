"""Coming in with a code that was said aloud, or with a word."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django
import pytest
import time_machine
from django.core.mail import EmailMessage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.log import AdminEmailHandler

from invitation import views
from invitation.addresses import networks
from invitation.flows import sharing
from invitation.models import Acceptance, InvitationKey, ThrottleCounter
from tests import scenes
from tests.factories import DAY, make_user
from tests.scenes import DECLINE, LANDING, REGISTER, answers
from tests.views.test_headers import protected
from tests.views.test_managing import words
from tests.views.test_sharing import asked

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]

JOIN = "/accounts/join/"
WRONG = "0000-0000-0000"


@pytest.fixture
def owner() -> Any:
    return make_user("owner", is_superuser=True)


@pytest.fixture
def link(owner: Any) -> InvitationKey:
    until = timezone.now() + DAY
    return sharing.share(
        owner, label="Secret label", max_uses=3, expires_at=until, word="fair-2026"
    )


def join(code: str, client: Client | None = None, **request: Any) -> Any:
    return (client or Client()).post(JOIN, {"code": code}, **request)


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views.JoinView, "client_limit", 2)
    monkeypatch.setattr(views.JoinView, "total_limit", 5)


@pytest.mark.anywhere
class TestTheCode:
    @pytest.mark.parametrize("change", [str, str.lower, lambda code: code.replace("-", " ")])
    def test_it_leads_to_the_invitation_and_to_an_account(
        self, link: InvitationKey, change: Any
    ) -> None:
        client = Client()
        assert client.get(JOIN).status_code == 200
        response = join(change(link.code), client)
        assert (response.status_code, response["Location"]) == (302, LANDING)
        assert client.cookies["invitation_key"].value == link.key
        assert client.get(LANDING).context["invitation"] == link
        assert client.post(REGISTER, answers()).status_code == 302
        assert Acceptance.objects.get().invitation == link

    def test_a_word_does_the_same(self, link: InvitationKey) -> None:
        assert join("FAIR-2026").status_code == 302

    @pytest.mark.parametrize(
        ("change", "code", "status", "said"),
        [
            ({"paused_at": timezone.now()}, "paused_key", 403, "This invitation is paused."),
            ({"expires_at": timezone.now() - DAY}, "expired_key", 410, "expired"),
            ({"status": "revoked"}, "revoked_key", 410, "was revoked"),
            ({"uses": 3}, "no_uses_left_key", 410, "no uses left"),
        ],
    )
    def test_one_that_opens_nothing_says_why(
        self, link: InvitationKey, change: dict[str, Any], code: str, status: int, said: str
    ) -> None:
        InvitationKey.objects.update(**change)
        response = join(link.code)
        assert response.status_code == status
        assert said in words(response)
        assert "invitation_key" not in response.cookies
        by_word = Client().get(f"{JOIN}fair-2026/")
        assert (by_word.status_code, by_word.context["reason"]) == (status, code)
        assert by_word.context[code] is True

    @pytest.mark.parametrize("code", [WRONG, "nobody-knows", "x", "two words", "x" * 64])
    def test_a_wrong_one_is_said_to_be_unknown(self, link: InvitationKey, code: str) -> None:
        response = join(code)
        assert response.status_code == 404
        assert "We do not know this code." in words(response)
        assert 'aria-invalid="true"' in response.content.decode()

    @pytest.mark.parametrize("code", ["", " ", "x" * 65, "a\0b"])
    def test_what_the_form_refuses_is_not_counted(self, code: str) -> None:
        assert join(code).status_code == 200
        assert not ThrottleCounter.objects.exists()

    def test_the_page_is_kept_nowhere(self, link: InvitationKey) -> None:
        for response in (Client().get(JOIN), join(WRONG), join(link.code)):
            assert protected(response)
            assert response["Referrer-Policy"] == "same-origin"

    def test_another_site_cannot_post_it(self, link: InvitationKey) -> None:
        client = Client(enforce_csrf_checks=True)
        assert join(link.code, client).status_code == 403

    def test_the_form_costs_nothing(self) -> None:
        Client().get(JOIN)  # the Site is kept in memory from here
        with CaptureQueriesContext(connection) as queries:
            Client().get(JOIN)
        assert asked(queries) == []

    def test_a_right_one_costs_five_and_a_wrong_one_seven(self, link: InvitationKey) -> None:
        for code, most in ((link.code, 5), (WRONG, 7)):
            with CaptureQueriesContext(connection) as queries:
                join(code)
            assert len(asked(queries)) <= most, "\n".join(asked(queries))


@pytest.mark.anywhere
class TestTheWord:
    def test_its_address_leads_on_and_writes_nothing(self, link: InvitationKey) -> None:
        before = scenes.dump()
        for method in ("get", "head"):
            client = Client()
            with CaptureQueriesContext(connection) as queries:
                response = getattr(client, method)(f"{JOIN}Fair-2026/")
            assert (response.status_code, response["Location"]) == (302, LANDING)
            assert client.cookies["invitation_key"].value == link.key
            assert len(asked(queries)) == 1
            assert protected(response)
        assert Client().post(f"{JOIN}fair-2026/").status_code == 405
        assert scenes.dump() == before

    @pytest.mark.parametrize("word", ["autumn", "x", "%00", "a%20b", "x" * 300])
    def test_another_one_is_unknown(self, link: InvitationKey, word: str) -> None:
        response = Client().get(f"{JOIN}{word}/")
        assert response.status_code == 404
        assert response.context["invalid_code"] is True
        assert "This code does not work" in words(response)
        assert JOIN in response.content.decode()

    def test_a_code_is_not_taken_there_as_nothing_counts_it(self, link: InvitationKey) -> None:
        with CaptureQueriesContext(connection) as queries:
            response = Client().get(f"{JOIN}{link.code}/")
        assert (response.status_code, response["Location"], asked(queries)) == (302, JOIN, [])
        assert "invitation_key" not in response.cookies


@pytest.mark.anywhere
@pytest.mark.usefixtures("low_limits")
class TestTheLimits:
    def test_after_so_many_wrong_ones_no_other_is_looked_up(self, link: InvitationKey) -> None:
        assert [join(WRONG).status_code for _ in range(4)] == [404, 404, 429, 429]
        with CaptureQueriesContext(connection) as queries:
            response = join(link.code)
        assert response.status_code == 429
        assert response["Retry-After"] == "600"
        assert "Too many codes were wrong. Try again in 10 minutes." in words(response)
        assert protected(response)
        assert not any("invitation_invitationkey" in query["sql"] for query in queries)

    @pytest.mark.parametrize(
        ("begun", "seconds", "sentence"),
        [
            (0, "600", "Try again in 10 minutes."),
            (61, "539", "Try again in 9 minutes."),
            (545, "55", "Try again in 1 minute."),
            (599, "1", "Try again in 1 minute."),
            (-60, "600", "Try again in 10 minutes."),
        ],
    )
    def test_the_page_says_when_to_try_again(
        self, link: InvitationKey, begun: int, seconds: str, sentence: str
    ) -> None:
        with time_machine.travel(timezone.now(), tick=False):
            for _ in range(3):
                join(WRONG)
            start = timezone.now() - timedelta(seconds=begun)
            ThrottleCounter.objects.update(window_start=start)
            response = join(link.code)
            assert (response.status_code, response["Retry-After"]) == (429, seconds)
            assert sentence in words(response)

    def test_a_code_from_a_japanese_keyboard_opens(self, link: InvitationKey) -> None:
        typed = "".join(chr(ord(char) + 0xFEE0) for char in link.code)
        assert join(f"\u200b{typed}\u200b").status_code == 302

    def test_right_ones_are_not_limited(self, link: InvitationKey) -> None:
        assert {join(link.code).status_code for _ in range(9)} == {302}

    def test_they_do_not_make_room_for_wrong_ones(self, link: InvitationKey) -> None:
        tried = [join(code).status_code for code in (WRONG, link.code, WRONG, link.code, WRONG)]
        assert tried == [404, 302, 404, 429, 429]

    def test_a_code_that_opens_nothing_any_more_counts_as_wrong(self, link: InvitationKey) -> None:
        sharing.close(link)
        assert [join(link.code).status_code for _ in range(3)] == [410, 410, 429]

    def test_later_it_may_be_tried_again(self, link: InvitationKey) -> None:
        for _ in range(3):
            join(WRONG)
        ThrottleCounter.objects.update(window_start=timezone.now() - timedelta(minutes=10))
        assert join(link.code).status_code == 302

    def test_each_address_has_its_own(self) -> None:
        for client in ("192.0.2.1", "192.0.2.2"):
            tried = [join(WRONG, REMOTE_ADDR=client).status_code for _ in range(3)]
            assert tried == [404, 404, 429]

    def test_all_together_have_one(self) -> None:
        tried = [join(WRONG, REMOTE_ADDR=f"192.0.2.{n}").status_code for n in range(7)]
        assert tried == [404] * 5 + [429] * 2

    def test_one_client_cannot_shut_the_others_out(self, link: InvitationKey) -> None:
        for _ in range(20):
            join(WRONG, REMOTE_ADDR="192.0.2.1")
        assert join(link.code, REMOTE_ADDR="192.0.2.2").status_code == 302

    def test_no_header_makes_another_client(self) -> None:
        tried = [
            join(WRONG, headers={"x-forwarded-for": f"192.0.2.{n}", "x-real-ip": f"192.0.2.{n}"})
            for n in range(3)
        ]
        assert [response.status_code for response in tried] == [404, 404, 429]

    def test_a_site_may_say_who_its_clients_are(
        self, link: InvitationKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = lambda view: view.request.headers["x-real-ip"]  # noqa: E731
        monkeypatch.setattr(views.JoinView, "client_address", name)
        for n in range(3):
            assert join(WRONG, headers={"x-real-ip": f"192.0.2.{n}"}).status_code == 404

    def test_the_table_holds_no_address(self) -> None:
        join(WRONG, REMOTE_ADDR="192.0.2.77")
        assert "192.0.2" not in repr(scenes.dump()["invitation_throttlecounter"])
        assert ThrottleCounter.objects.count() == 2


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_a_client_is_an_address_or_a_network_of_64_bits(address: str, network: str) -> None:
    assert networks.network(address) == network


@pytest.mark.anywhere
class TestWhereItLeads:
    def test_the_landing_page_is_for_several(self, owner: Any, link: InvitationKey) -> None:
        InvitationKey.objects.update(allowed_domains=["xn--bcher-kva.example"], expires_at=None)
        client = Client()
        join(link.code, client)
        response = client.get(LANDING)
        said = words(response)
        for text in (
            "addresses at bücher.example",
            "Decline invitation",
        ):
            assert text in said
        assert "Secret label" not in response.content.decode()
        assert "Expires" not in said + words(client.get(REGISTER))

    def test_a_no_is_forgotten_by_this_browser_alone(self, link: InvitationKey) -> None:
        client = Client()
        join(link.code, client)
        assert "It still works for others." in words(client.get(DECLINE))
        response = client.post(DECLINE)
        assert "This browser has forgotten the invitation." in words(response)
        assert client.cookies["invitation_key"].value == ""
        link.refresh_from_db()
        assert (link.status, link.is_usable()) == ("pending", True)

    def test_the_form_says_which_addresses_may_register(self, link: InvitationKey) -> None:
        InvitationKey.objects.update(allowed_domains=["example.org"])
        client = Client()
        join(link.code, client)
        assert "An address at example.org." in words(client.get(REGISTER))
        response = client.post(REGISTER, answers("new@sub.example.org"))
        assert response.status_code == 200
        assert "This invitation is for addresses at example.org." in words(response)
        assert client.post(REGISTER, answers("new@EXAMPLE.org")).status_code == 302
        assert Acceptance.objects.count() == 1

    def test_the_account_gets_the_address_that_was_compared(self, link: InvitationKey) -> None:
        # Some mail libraries would deliver straße.de to strasse.de, which has another owner.
        InvitationKey.objects.update(allowed_domains=["xn--strae-oqa.de"])
        client = Client()
        join(link.code, client)
        assert client.post(REGISTER, answers("new@straße.de")).status_code == 302
        assert scenes.accounts("new@xn--strae-oqa.de").count() == 1

    def test_where_all_places_are_taken_the_page_does_not_say_that_it_was_for_one(
        self, link: InvitationKey
    ) -> None:
        InvitationKey.objects.update(uses=3)
        response = Client().get(scenes.link(link.key))
        assert response.status_code == 410
        assert "All places are taken." in words(response)

    def test_one_that_is_paused_says_so_everywhere(self, link: InvitationKey) -> None:
        client = Client()
        join(link.code, client)
        sharing.pause(link)
        for address in (scenes.link(link.key), LANDING, REGISTER):
            response = client.get(address)
            assert (response.status_code, response.context["paused_key"]) == (403, True)
            assert "This invitation is paused" in words(response)
        assert client.post(REGISTER, answers()).status_code == 403
        sharing.resume(link)
        assert client.get(REGISTER).status_code == 200

    def test_the_registration_form_has_no_address_in_it(self, link: InvitationKey) -> None:
        client = Client()
        join(link.code, client)
        form = client.get(REGISTER).context["form"]
        assert "readonly" not in form.fields["email"].widget.attrs
        assert not form.initial.get("email")


@pytest.mark.urls("tests.urls_verified")
def test_with_verified_registration_it_proves_no_address(link: InvitationKey) -> None:
    for key in (link.key, link.mail_key):
        client = Client()
        assert client.get(scenes.link(key)).status_code == 302
        name = f"new{key[-3:].lower().strip('-_')}x"
        client.post(REGISTER, answers(f"{name}@example.com", name))
        assert scenes.accounts(f"{name}@example.com").get().is_active is False


class TestSecrecy:
    def test_the_code_is_in_no_report_to_the_administrators(
        self, settings: Any, link: InvitationKey, monkeypatch: pytest.MonkeyPatch, mailoutbox: Any
    ) -> None:
        def crash(*args: Any, **kwargs: Any) -> Any:
            raise scenes.Crash("in the middle")

        monkeypatch.setattr("invitation.flows.sharing.shared_links._open", crash)
        boss = "boss@example.com"
        settings.ADMINS = [boss] if django.VERSION >= (6, 0) else [("Boss", boss)]
        handler, logger = AdminEmailHandler(include_html=True), logging.getLogger("django.request")
        logger.addHandler(handler)
        try:
            join(link.code, Client(raise_request_exception=False))
        finally:
            logger.removeHandler(handler)
        report: EmailMessage = mailoutbox[-1]
        told = f"{report.subject} {report.body} {getattr(report, 'alternatives', '')}"
        assert "in the middle" in told
        for secret in (link.code, link.code.replace("-", "")):
            assert secret not in told

    def test_nor_in_a_log_or_a_column(
        self, link: InvitationKey, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            connection.force_debug_cursor = True
            try:
                client = Client()
                client.get(f"{JOIN}{link.code}/")
                join(link.code, client)
                InvitationKey.objects.update(status="revoked")
                join(link.code, client)
            finally:
                connection.force_debug_cursor = False
        told = f"{caplog.text} {scenes.dump()}"
        for secret in (link.code, link.code.replace("-", ""), link.key.split(".")[1]):
            assert secret not in told
