"""Whatever a mail server answers, and to what: the emails of nine others always leave."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from invitation.delivery.email import EmailDelivery
from invitation.flows.mail import deliver_due, delivery_pause, outbox_health, reopen
from invitation.models import DeliveryPause, InvitationEmail, InvitationKey
from tests.factories import make_invitation, make_mail
from tests.faults.server import CLOSE, HANG, LOST, Last, Server, Talk

pytestmark = pytest.mark.django_db

#: The codes of RFC 5321, 4954, 3463's practice, 7504 and of what servers say besides.
LATER = (421, 430, 431, 432, 441, 446, 447, 450, 451, 452, 453, 454, 455, 458, 459, 471)
NEVER = (500, 501, 502, 503, 504, 510, 511, 512, 515, 521, 522, 523, 524, 525, 533, 541)
NEVER = (*NEVER, 550, 551, 552, 553, 554, 555, 556, 557, 571)
LOGIN = (530, 534, 535, 538)
CODES = (*LATER, *NEVER, *LOGIN)
#: Those of all kinds, and all.
SOME = (421, 454, 530, 552)
SETS = [SOME, pytest.param(CODES, marks=pytest.mark.exhaustive)]
OTHERS = [f"other{number}" for number in range(9)]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmailDelivery, "time_to_close", 0.2)


def mail_to(name: str, note: str = "") -> InvitationEmail:
    invitation = make_invitation(email=f"{name}@example.org", note=note)
    return make_mail(invitation, message_id=f"<{name}@example.com>")


def stored(mail: InvitationEmail) -> InvitationEmail:
    return InvitationEmail.objects.get(pk=mail.pk)


def send_in_rounds(most: int) -> int:
    """Send until the others have left, each time when a pause is over; return how often."""
    others = InvitationEmail.objects.filter(invitation__email__startswith="other")
    for number in range(most):
        deliver_due()
        if not others.exclude(state="sent").exists():
            return number + 1
        reopen()
    pytest.fail(f"{others.exclude(state='sent').count()} of 9 others have not left.")


@pytest.mark.parametrize(
    "command",
    [
        "RCPT",
        pytest.param("DATA", marks=pytest.mark.long),
        pytest.param("BODY", marks=pytest.mark.long),
    ],
)
def test_what_is_said_to_one_recipient_is_of_that_mail_alone(
    serve: Callable[..., Server], command: str
) -> None:
    def script(said: str, rest: str, talk: Talk) -> Any:
        found = re.search(r"bad(\d+)@", rest if said == "RCPT" else talk.recipient)
        if said != command or found is None:
            return None
        words = f"{found[1]} no"
        return Last(words) if found[1] == "421" else words

    serve(script, timeout=10)
    bad = {code: mail_to(f"bad{code}") for code in CODES}
    for name in OTHERS:
        mail_to(name)
    assert send_in_rounds(1) == 1
    assert delivery_pause() is None
    for code, mail in bad.items():
        row = stored(mail)
        expected = ("failed", "refused") if code in NEVER else ("queued", "")
        assert (code, row.state, row.failure, row.attempts) == (code, *expected, 1)


@pytest.mark.parametrize("codes", SETS, ids=["some", "all"])
@pytest.mark.parametrize(
    "command",
    [
        "CONNECT",
        pytest.param("EHLO", marks=pytest.mark.long),
        pytest.param("AUTH", marks=pytest.mark.long),
    ],
)
def test_what_is_said_before_any_mail_is_of_the_server(
    serve: Callable[..., Server], command: str, codes: tuple[int, ...]
) -> None:
    """It answers so once, and well the next time."""
    answer = [""]

    def script(said: str, rest: str, talk: Talk) -> Any:
        if answer[0] and (said == command or (command, said) == ("EHLO", "HELO")):
            return Last(f"{answer[0]} no")
        return None

    serve(script, timeout=10, username="site", password="secret")
    for code in codes:
        InvitationKey.objects.all().delete()
        DeliveryPause.objects.all().delete()
        for name in OTHERS:
            mail_to(name)
        answer[0] = str(code)
        assert deliver_due() == (0, 1), code
        assert delivery_pause() is not None
        answer[0] = ""
        reopen()
        assert deliver_due() == (9, 0), code


@pytest.mark.parametrize("codes", SETS, ids=["some", "all"])
def test_what_is_said_to_the_sender_of_one_mail_holds_up_no_other(
    serve: Callable[..., Server], codes: tuple[int, ...]
) -> None:
    """Its size stands there: a server may refuse it, and say so with any code."""
    answer = [""]

    def script(said: str, rest: str, talk: Talk) -> Any:
        size = re.search(r"(?i)size=(\d+)", rest)
        large = said == "MAIL" and size is not None and int(size[1]) > 20_000
        return f"{answer[0]} no" if large else None

    serve(script, timeout=10)
    for code in codes:
        InvitationKey.objects.all().delete()
        DeliveryPause.objects.all().delete()
        bad = mail_to("bad", note="x" * 20_000)
        for name in OTHERS:
            mail_to(name)
        answer[0] = str(code)
        send_in_rounds(3)
        assert (code, stored(bad).attempts > 0) == (code, True)
        assert stored(bad).state == ("failed" if code == 552 else "queued")


def test_one_that_closes_the_way_again_and_again_is_given_up(serve: Callable[..., Server]) -> None:
    def script(said: str, rest: str, talk: Talk) -> Any:
        size = re.search(r"(?i)size=(\d+)", rest)
        return "450 no" if size is not None and int(size[1]) > 20_000 else None

    serve(script, timeout=10)
    bad = mail_to("bad", note="x" * 20_000)
    for round_ in range(10):
        other = mail_to(f"other{round_}")
        InvitationEmail.objects.filter(pk=bad.pk).update(not_before=bad.created_at)
        send_in_rounds(3)
        assert stored(other).state == "sent"
        InvitationEmail.objects.filter(pk=bad.pk).update(not_before=bad.created_at)
        deliver_due()
        reopen()
    row = stored(bad)
    assert (row.state, row.failure, row.attempts) == ("failed", "given_up", 10)


# -- a server that takes it and is gone --


def again() -> None:
    """Let every email be due."""
    InvitationEmail.objects.filter(state="queued").update(not_before=timezone.now())


def test_after_three_unknown_outcomes_a_mail_counts_as_sent(
    serve: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    def script(said: str, rest: str, talk: Talk) -> Any:
        return LOST if said == "BODY" and talk.recipient.startswith("bad") else None

    server = serve(script, timeout=10)
    bad = mail_to("bad")
    for _ in range(12):
        deliver_due()
        again()
    assert len(server.taken) == 3
    assert {taken.message_id for taken in server.taken} == {bad.message_id}
    row = stored(bad)
    assert (row.state, row.failure, row.attempts) == ("sent", "unconfirmed", 3)
    assert row.sent_at is not None
    assert "Disconnected" in row.last_error
    assert row.state_for_inviter(row.state) == "sent"
    assert outbox_health().unconfirmed == 1
    [words] = [said for said in caplog.messages if "probably" in said]
    assert f"Invitation email {bad.pk} was probably sent" in words


@pytest.mark.parametrize("fault", [HANG, "nonsense", "354 what?"], ids=repr)
def test_so_it_does_after_no_answer_or_one_that_nobody_understands(
    serve: Callable[..., Server], fault: Any
) -> None:
    serve(lambda said, *_: fault if said == "BODY" else None, timeout=0.2)
    bad = mail_to("bad")
    for _ in range(3):
        deliver_due()
        again()
    assert (stored(bad).state, stored(bad).failure) == ("sent", "unconfirmed")


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_a_mail_that_was_not_handed_over_was_not_sent(
    serve: Callable[..., Server], command: str
) -> None:
    serve(lambda said, *_: CLOSE if said == command else None, timeout=10)
    bad = mail_to("bad")
    for _ in range(3):
        deliver_due()
        again()
    row = stored(bad)
    assert (row.state, row.attempts, row.unconfirmed) == ("queued", 3, 0)


def test_unknown_outcomes_are_counted_between_others(serve: Callable[..., Server]) -> None:
    answers = iter([LOST, "451 later", LOST, "451 later", LOST])
    server = serve(lambda said, *_: next(answers) if said == "BODY" else None, timeout=10)
    bad = mail_to("bad")
    for _ in range(5):
        deliver_due()
        again()
    assert (stored(bad).state, stored(bad).attempts, len(server.taken)) == ("sent", 5, 3)


def test_the_last_try_whose_outcome_nobody_knows_is_no_failure(
    serve: Callable[..., Server],
) -> None:
    serve(lambda said, *_: LOST if said == "BODY" else None, timeout=10)
    bad = mail_to("bad")
    InvitationEmail.objects.update(attempts=9)
    assert deliver_due() == (1, 0)
    assert (stored(bad).state, stored(bad).failure) == ("sent", "unconfirmed")


def test_a_server_that_takes_it_in_other_words_has_taken_it(serve: Callable[..., Server]) -> None:
    serve(lambda said, *_: "200 fine" if said == "BODY" else None, timeout=10)
    bad = mail_to("bad")
    assert deliver_due() == (1, 0)
    assert (stored(bad).state, stored(bad).failure) == ("sent", "")
