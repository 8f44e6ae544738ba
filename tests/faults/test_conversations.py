"""What a mail server answers, when it hangs and when it hangs up: what that means for whom."""

from __future__ import annotations

import smtplib
import socket
import time
from typing import Any

import pytest
from django.core import mail as django_mail

from invitation.delivery.bounded import Deadline
from invitation.delivery.email import EmailDelivery
from invitation.exceptions import DeliveryFailed, DeliveryUnavailable
from invitation.flows import inviting
from invitation.flows.mail import deliver_due, delivery_pause
from invitation.models import InvitationEmail
from tests.factories import ADDRESS, make_invitation, make_mail
from tests.faults.conftest import use
from tests.faults.server import CLOSE, HANG, Drip, Last, Talk

pytestmark = pytest.mark.django_db

#: How long the server may take, and how much longer a busy machine may.
TIME, MORE = 0.4, 3


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for long."""
    monkeypatch.setattr(EmailDelivery, "timeout", TIME)
    monkeypatch.setattr(EmailDelivery, "time_per_mail", 2 * TIME)
    monkeypatch.setattr(EmailDelivery, "time_to_close", TIME)


def mails(*names: str) -> list[InvitationEmail]:
    return [
        make_mail(make_invitation(email=f"{name}@example.org"), message_id=f"<{name}@example.com>")
        for name in names
    ]


def states() -> dict[str, str]:
    rows = InvitationEmail.objects.select_related("invitation")
    return {mail.invitation.email.partition("@")[0]: mail.state for mail in rows}


def failing(command: str, answer: Any, *, for_whom: str = "") -> Any:
    """Return a script with this answer to a command, for one recipient or for all."""

    def script(said: str, rest: str, talk: Talk) -> Any:
        meant = for_whom in (rest if said == "RCPT" else talk.recipient)
        return answer if said == command and meant else None

    return script


# -- one connection --


def test_a_batch_goes_through_one_connection(serve: Any) -> None:
    server = serve()
    mails("a", "b", "c")
    assert deliver_due() == (3, 0)
    assert [talk.mails for talk in server.talks] == [3]
    assert server.talks[0].said == ["EHLO", *["MAIL", "RCPT", "DATA"] * 3, "QUIT"]


def test_without_a_batch_each_mail_has_its_own(serve: Any) -> None:
    server = serve()
    for mail in mails("a", "b"):
        EmailDelivery().send(mail)
    assert [talk.said[-1] for talk in server.talks] == ["QUIT", "QUIT"]


def test_a_batch_in_which_nothing_is_sent_opens_none(serve: Any) -> None:
    server = serve()
    make_mail(make_invitation(status="revoked"))
    assert deliver_due() == (0, 1)
    assert server.talks == []


@pytest.mark.parametrize("command", ["RCPT", "DATA", "BODY"])
@pytest.mark.parametrize(("answer", "state"), [("550 no", "failed"), ("451 later", "queued")])
def test_after_a_refusal_the_connection_goes_on(
    serve: Any, command: str, answer: str, state: str
) -> None:
    server = serve(failing(command, answer, for_whom="bad"))
    mails("bad", "a", "b")
    assert deliver_due() == (2, 1)
    assert states() == {"bad": state, "a": "sent", "b": "sent"}
    assert len(server.talks) == 1
    assert "RSET" in server.talks[0].said


def test_a_server_that_does_not_want_to_start_over_is_called_again(serve: Any) -> None:
    refuse = failing("DATA", "550 no", for_whom="bad")
    server = serve(lambda *said: "500 what?" if said[0] == "RSET" else refuse(*said))
    mails("bad", "a")
    assert deliver_due() == (1, 1)
    assert len(server.talks) == 2


@pytest.mark.parametrize(
    "end",
    [Last("421 enough"), CLOSE, pytest.param(HANG, marks=pytest.mark.long)],
    ids=["says so", "hangs up", "hangs"],
)
@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
def test_a_server_that_takes_so_many_mails_in_a_row_is_called_again(
    serve: Any, command: str, end: Any
) -> None:
    server = serve(lambda said, rest, talk: end if said == command and talk.mails == 2 else None)
    mails("a", "b", "c", "d", "e")
    assert deliver_due() == (5, 0)
    assert server.recipients == [f"{name}@example.org" for name in "abcde"]
    assert [talk.mails for talk in server.talks] == [2, 2, 1]
    assert set(InvitationEmail.objects.values_list("attempts", flat=True)) == {1}


def test_one_that_says_goodbye_with_the_last_mail_is_called_again(serve: Any) -> None:
    server = serve(lambda said, rest, talk: Last("250 taken") if said == "BODY" else None)
    mails("a", "b")
    assert deliver_due() == (2, 0)
    assert len(server.talks) == 2


# -- the way out is closed --


@pytest.mark.parametrize("fault", [HANG, CLOSE, Drip("2"), Last("554 closed"), "421 not now"])
@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "MAIL"])
def test_a_server_that_is_out_of_order_pauses_the_queue(
    serve: Any, command: str, fault: Any
) -> None:
    def script(said: str, rest: str, talk: Talk) -> Any:
        # Who gets no answer to EHLO may try HELO.
        return fault if said == command or (command, said) == ("EHLO", "HELO") else None

    serve(script)
    mails("a", "b", "c")
    start = time.monotonic()
    assert deliver_due() == (0, 1)
    assert time.monotonic() - start < 3 * TIME + MORE
    assert states() == dict.fromkeys("abc", "queued")
    attempts = InvitationEmail.objects.order_by("pk").values_list("attempts", flat=True)
    assert list(attempts) == [1, 0, 0]
    assert delivery_pause() is not None


def test_nobody_there(serve: Any, settings: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        use(settings, unused.getsockname()[1])
        with pytest.raises(DeliveryUnavailable, match="refused"):
            EmailDelivery().send(make_mail())


def test_a_name_that_nobody_has(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    use(settings, 25)
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **options: [])
    with pytest.raises(DeliveryUnavailable, match="no address"):
        EmailDelivery().send(make_mail())


def test_each_address_of_the_server_is_tried(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    found = socket.getaddrinfo
    # Nobody listens there.
    dead = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.9", server.port))

    def two(host: str, *args: Any, **options: Any) -> Any:
        return (
            [dead, *found(host, *args, **options)]
            if options == {"type": 1}
            else found(host, *args, **options)
        )

    monkeypatch.setattr("socket.getaddrinfo", two)
    EmailDelivery().send(make_mail())
    assert server.recipients == [ADDRESS]


@pytest.mark.parametrize("answer", ["535 wrong", "454 later", HANG])
def test_a_password_that_is_refused_pauses_the_queue(serve: Any, answer: Any) -> None:
    serve(failing("AUTH", answer), username="site", password="secret")
    mails("a", "b")
    assert deliver_due() == (0, 1)
    assert delivery_pause() is not None


@pytest.mark.parametrize("command", ["RCPT", "DATA", "BODY"])
@pytest.mark.parametrize("code", [530, 534, 535, 538])
def test_a_server_that_wants_a_login_for_one_mail_refuses_it_for_now(
    serve: Any, command: str, code: int
) -> None:
    serve(failing(command, f"{code} 5.7.0 Authentication required"))
    with pytest.raises(DeliveryFailed, match=f"{code}") as failed:
        EmailDelivery().send(make_mail())
    assert not failed.value.permanent
    assert not isinstance(failed.value, DeliveryUnavailable)


def test_a_sender_that_is_refused_pauses_the_queue(serve: Any) -> None:
    serve(failing("MAIL", "550 not you"))
    with pytest.raises(DeliveryUnavailable, match="550 not you"):
        EmailDelivery().send(make_mail())


def test_a_mail_that_is_too_large_is_that_mails_fault(serve: Any) -> None:
    serve(failing("MAIL", "552 too large"))
    with pytest.raises(DeliveryFailed, match="552 too large") as failed:
        EmailDelivery().send(make_mail())
    assert failed.value.permanent
    assert not isinstance(failed.value, DeliveryUnavailable)


# -- unknown outcomes --


@pytest.mark.parametrize(
    "fault", [HANG, CLOSE, pytest.param(Drip("2"), marks=pytest.mark.long), "nonsense"], ids=repr
)
@pytest.mark.parametrize("command", ["RCPT", "DATA", "BODY"])
def test_one_mail_on_which_the_server_breaks_is_tried_again_and_the_others_go(
    serve: Any, command: str, fault: Any
) -> None:
    server = serve(failing(command, fault, for_whom="bad"))
    mails("bad", "a", "b")
    start = time.monotonic()
    assert deliver_due() == (2, 1)
    assert time.monotonic() - start < 3 * TIME + MORE
    assert states() == {"bad": "queued", "a": "sent", "b": "sent"}
    bad = InvitationEmail.objects.get(invitation__email__startswith="bad")
    assert (bad.attempts, bad.message_id) == (1, "<bad@example.com>")
    assert bad.last_error
    assert delivery_pause() is None
    assert server.recipients == ["a@example.org", "b@example.org"]


def test_an_answer_that_never_ends_is_none(serve: Any) -> None:
    serve(failing("BODY", "550 " + "x" * 9000))
    with pytest.raises(DeliveryFailed) as failed:
        EmailDelivery().send(make_mail())
    assert not failed.value.permanent


def test_after_the_answer_nothing_is_tried_twice(serve: Any) -> None:
    """A connection that was fine breaks after DATA: whether the email was taken is not known."""
    server = serve(failing("BODY", CLOSE, for_whom="b@"))
    mails("a", "b", "c")
    assert deliver_due() == (2, 1)
    assert server.recipients == ["a@example.org", "c@example.org"]


# -- the time --


def test_a_request_waits_no_longer_than_the_bound(
    serve: Any, member: Any, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invitation.flows.mail.sending.IN_PROCESS_SECONDS", 0.6)
    monkeypatch.setattr(EmailDelivery, "time_per_mail", 60)
    serve(failing("CONNECT", Drip("2")), timeout=30)
    start = time.monotonic()
    with commit():
        assert inviting.invite(member, ADDRESS).mailed
    assert 0.5 < time.monotonic() - start < 0.6 + MORE
    assert InvitationEmail.objects.get().state == "queued"


def test_a_deadline_shortens_each_wait_until_it_is_over() -> None:
    deadline = Deadline()
    assert (deadline.wait(5), deadline.wait(None)) == (5, None)
    deadline.start(100)
    left = deadline.wait(None)
    assert left is not None
    assert 99 < left <= 100
    assert deadline.wait(5) == 5
    deadline.start(-1)
    with pytest.raises(TimeoutError, match="too long"):
        deadline.wait(5)


def test_a_goodbye_without_answer_costs_little(serve: Any) -> None:
    server = serve(failing("QUIT", Drip("2")), timeout=30)
    start = time.monotonic()
    EmailDelivery().send(make_mail())
    assert time.monotonic() - start < TIME + MORE
    assert len(server.taken) == 1


# -- TLS --


def test_a_certificate_that_is_not_trusted_pauses_the_queue(serve: Any, tls: Any) -> None:
    server = serve(tls=tls, use_tls=True)
    mails("a", "b")
    assert deliver_due() == (0, 1)
    pause = delivery_pause()
    assert pause is not None
    assert "CERTIFICATE_VERIFY_FAILED" in pause.reason
    assert server.taken == []


def test_a_certificate_that_is_trusted_keeps_the_mail_private(
    serve: Any, tls: Any, trust: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(tls=tls, use_tls=True, timeout=5)
    monkeypatch.setattr(EmailDelivery, "time_per_mail", 10)
    EmailDelivery().send(make_mail())
    assert server.recipients == [ADDRESS]
    assert server.talks[0].said[:3] == ["EHLO", "STARTTLS", "EHLO"]


def test_a_server_that_hangs_in_the_handshake_costs_bounded_time(serve: Any) -> None:
    serve(lambda said, *_: {"EHLO": "250 STARTTLS", "STARTTLS": "220 go"}.get(said), use_tls=True)
    start = time.monotonic()
    with pytest.raises(DeliveryUnavailable):
        EmailDelivery().send(make_mail())
    assert time.monotonic() - start < 3 * TIME + MORE


# -- other mail backends --


def test_another_backend_is_left_as_it_is() -> None:
    assert type(EmailDelivery().get_connection()) is type(EmailDelivery().open_connection())


def test_one_that_cannot_be_opened_pauses_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise ConnectionError("the provider is down")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.open", refuse)
    with pytest.raises(DeliveryUnavailable, match="provider is down"):
        EmailDelivery().send(make_mail())


def test_one_is_opened_once_for_a_batch_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    backend = "django.core.mail.backends.locmem.EmailBackend"
    monkeypatch.setattr(f"{backend}.close", lambda self: done.append("close"))
    with EmailDelivery() as delivery:
        for mail in mails("a", "b"):
            delivery.send(mail)
        assert (len(django_mail.outbox), done) == (2, [])
    assert done == ["close"]


def test_an_error_while_closing_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(self: Any) -> None:
        raise smtplib.SMTPException("odd")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.close", break_off)
    EmailDelivery().send(make_mail())
    assert len(django_mail.outbox) == 1


def test_a_way_that_was_only_tried_out_is_closed_again(serve: Any) -> None:
    server = serve()
    EmailDelivery().reach()
    assert server.talks[0].said[-1] == "QUIT"
    with EmailDelivery() as delivery:
        delivery.reach()
        delivery.reach()
    assert len(server.talks) == 2
