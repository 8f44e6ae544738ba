"""Who wants no invitations is not told on, whatever the mail server says or does."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from invitation.delivery.email import EmailDelivery
from invitation.flows import inviting, mail
from invitation.flows.mail import timing
from invitation.models import DeliveryPause, InvitationEmail, InvitationKey
from tests.factories import make_invitation, make_mail, make_user
from tests.faults.server import CLOSE, LOST, Script, Server, Talk

pytestmark = pytest.mark.django_db(transaction=True)

UNWILLING = "no@example.org"
ANSWERS = ["421 not now", "450 later", "454 later", "530 log in", "550 no", "554 no", CLOSE]
PLACES = [(command, answer) for command in ("RCPT", "DATA", "BODY") for answer in ANSWERS]
PLACES += [(command, "450 later") for command in ("CONNECT", "EHLO", "MAIL")]
PLACES += [("BODY", LOST), ("MAIL", "530 log in"), ("MAIL", CLOSE), ("nothing", "")]
#: One of each kind; the others take their time.
QUICK = [("RCPT", "450 later"), ("RCPT", "550 no"), ("DATA", "450 later"), ("BODY", "554 no")]
QUICK += [("BODY", LOST), ("MAIL", "530 log in"), ("nothing", "")]
EACH = [
    place if place in QUICK else pytest.param(*place, marks=pytest.mark.exhaustive)
    for place in PLACES
]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.email.EmailDelivery"
    settings.INVITATION_RESEND_COOLDOWN = timedelta(0)
    monkeypatch.setattr(EmailDelivery, "time_to_close", 0.2)
    timing._LATEST.clear()
    mail.suppress(UNWILLING)


def answering(command: str, answer: Any, before: float = 0) -> Script:
    def script(said: str, rest: str, talk: Talk) -> Any:
        if said in ("RCPT", "BODY"):
            time.sleep(before)
        # Who gets no answer to EHLO may try HELO.
        return answer if said == command or (command, said) == ("EHLO", "HELO") else None

    return script


def seen_by_inviter() -> dict[str, tuple[Any, ...]]:
    """Return all that an inviter sees of the emails to each."""
    rows: Any = InvitationKey.objects.get_queryset().with_latest_mail()
    return {
        row.email.partition("@")[0]: (
            row.mail_state,
            bool(row.mail_refusal),
            row.mail_failure,
            row.mail_next_try is not None,
        )
        for row in rows
    }


def queue(*names: str) -> None:
    inviter = make_user("inviter")
    for name in names:
        invitation = make_invitation(inviter, f"{name}@example.org")
        make_mail(invitation, message_id=f"<{name}@example.com>")


@pytest.mark.parametrize(("command", "answer"), EACH, ids=str)
@pytest.mark.parametrize("names", [("no", "a", "b"), ("a", "no", "b"), ("a", "b", "no")], ids=str)
def test_in_the_background_it_looks_like_the_others_of_its_batch(
    serve: Callable[..., Server], command: str, answer: Any, names: tuple[str, ...]
) -> None:
    server = serve(answering(command, answer), timeout=10)
    queue(*names)
    mail.deliver_due()
    seen = seen_by_inviter()
    if mail.delivery_pause() is None:
        assert seen["no"] == seen["a"] == seen["b"]
    else:
        # The page says of all that wait that nothing can leave.
        assert {state for state, *_ in seen.values()} == {"waiting"}
    assert UNWILLING not in server.recipients
    # When it goes on, they go on.
    server.script = lambda *_: None
    mail.reopen()
    waiting = InvitationEmail.objects.filter(state="queued")
    for _ in range(2):
        waiting.update(not_before=timezone.now())
        mail.deliver_due()
    seen = seen_by_inviter()
    assert seen["no"] == seen["a"] == seen["b"]
    assert UNWILLING not in server.recipients


@pytest.mark.parametrize(("command", "answer"), EACH, ids=str)
def test_one_by_one_in_requests_it_looks_like_those_before_and_after(
    serve: Callable[..., Server], command: str, answer: Any
) -> None:
    server = serve(answering(command, answer), timeout=10)
    inviter = make_user("inviter")
    for name in ("a", "b", "no", "c"):
        # Nobody knows of a pause yet.
        DeliveryPause.objects.all().delete()
        inviting.invite(inviter, f"{name}@example.org")
    seen = seen_by_inviter()
    assert seen["no"] == seen["a"] == seen["b"] == seen["c"]
    assert UNWILLING not in server.recipients
    server.script = lambda *_: None
    mail.reopen()
    # In the order in which they were asked for, and again: two look at the others each time.
    for name in ("a", "b", "no", "c"):
        invitation = InvitationKey.objects.get(email=f"{name}@example.org")
        inviting.resend(invitation)
    seen = seen_by_inviter()
    assert seen["no"] == seen["a"] == seen["b"] == seen["c"] == ("sent", False, "", False)
    assert UNWILLING not in server.recipients


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "answer"),
    [("nothing", ""), ("RCPT", "450 later"), ("DATA", "450 later"), ("BODY", "450 later")],
    ids=str,
)
def test_it_takes_as_long_as_the_others(
    serve: Callable[..., Server], command: str, answer: Any
) -> None:
    """To invite, and to resend."""
    serve(answering(command, answer, before=0.15), timeout=10)
    inviter = make_user("inviter")
    took: dict[str, list[float]] = {"no": [], "a": [], "b": [], "c": []}
    for _ in range(4):
        for name, times in took.items():
            begun = time.monotonic()
            inviting.invite(inviter, f"{name}@example.org")
            times.append(time.monotonic() - begun)
    # Not the first of them, before which nothing is known. The least of them: what else the machine
    # does only adds to it.
    least = {name: min(times[1:]) for name, times in took.items()}
    others = [seconds for name, seconds in least.items() if name != "no"]
    assert min(others) - 0.1 < least["no"] < max(others) + 0.1


def test_alone_it_shows_what_the_server_says_of_the_recipient(
    serve: Callable[..., Server],
) -> None:
    """Nobody else was emailed; a server that is down, that says "later", and that is well."""
    server = serve(answering("RCPT", "451 greylisted"), timeout=10)
    queue("no")
    mail.deliver_due()
    assert seen_by_inviter()["no"] == ("waiting", False, "", True)
    [row] = InvitationEmail.objects.all()
    # Staff see why.
    assert (row.failure, row.attempts, row.last_error) == ("unsubscribed", 1, "451 greylisted")
    server.script = lambda *_: None
    InvitationEmail.objects.update(not_before=timezone.now())
    mail.deliver_due()
    [row] = InvitationEmail.objects.all()
    assert (row.state, row.failure) == ("suppressed", "unsubscribed")
    assert server.taken == []


def test_as_the_one_that_finds_out_whether_the_way_is_open_it_opens_it(
    serve: Callable[..., Server],
) -> None:
    server = serve(answering("MAIL", "450 later"), timeout=10)
    queue("no", "a")
    mail.deliver_due()
    assert mail.delivery_pause() is not None
    server.script = lambda *_: None
    InvitationEmail.objects.filter(invitation__email__startswith="a").update(attempts=5)
    mail.reopen()
    mail.deliver_due()
    assert mail.delivery_pause() is None
    assert {state for state, *_ in seen_by_inviter().values()} == {"sent"}


def test_who_takes_it_back_gets_the_mail_that_waited_with_the_others(
    serve: Callable[..., Server],
) -> None:
    server = serve(answering("BODY", "450 later"), timeout=10)
    queue("a", "no")
    mail.deliver_due()
    assert InvitationEmail.objects.filter(failure="unsubscribed", state="queued").exists()
    mail.lift(UNWILLING)
    server.script = lambda *_: None
    InvitationEmail.objects.update(not_before=timezone.now())
    mail.deliver_due()
    assert UNWILLING in server.recipients
    assert set(InvitationEmail.objects.values_list("state", "failure")) == {("sent", "")}


def test_the_words_that_a_server_had_for_another_do_not_name_them(
    serve: Callable[..., Server],
) -> None:
    serve(answering("BODY", "554 <a@example.org> is on a list"), timeout=10)
    queue("a", "b", "no")
    mail.deliver_due()
    row = InvitationEmail.objects.get(invitation__email=UNWILLING)
    assert (row.state, row.last_error) == ("failed", "554 … is on a list")


def test_a_server_that_hangs_up_during_a_rehearsal_is_called_again(
    serve: Callable[..., Server],
) -> None:
    server = serve(answering("RSET", CLOSE), timeout=10)
    queue("no", "a")
    mail.deliver_due()
    assert {state for state, *_ in seen_by_inviter().values()} == {"sent"}
    assert len(server.talks) == 2


def test_one_that_waits_for_the_fate_of_others_waits_on_when_nothing_can_leave(
    serve: Callable[..., Server],
) -> None:
    def script(said: str, rest: str, talk: Talk) -> Any:
        return "450 later" if said == "MAIL" and talk.said.count("MAIL") > 1 else None

    serve(script, timeout=10)
    queue("no", "a")
    mail.deliver_due()
    assert mail.delivery_pause() is not None
    rows = InvitationEmail.objects.order_by("pk").values_list("state", "attempts")
    assert list(rows) == [("queued", 0), ("queued", 1)]


@pytest.mark.parametrize("answer", ["450 later", "550 no"])
def test_what_a_server_says_of_some_recipients_says_nothing_of_others(
    serve: Callable[..., Server], answer: str
) -> None:
    """Else a member asks with addresses of their own, and then looks at that of another."""

    def script(said: str, rest: str, talk: Talk) -> Any:
        return answer if said == "RCPT" and "mine" in rest else None

    serve(script, timeout=10)
    inviter = make_user("inviter")
    for name in ("mine1", "mine2", "mine3", "mine4", "mine5", "no", "mine6", "a"):
        inviting.invite(inviter, f"{name}@example.org")
    seen = seen_by_inviter()
    assert seen["no"] == seen["a"] == ("sent", False, "", False)


def test_one_that_nobody_wants_says_nothing_of_others(serve: Callable[..., Server]) -> None:
    server = serve(answering("BODY", "554 no"), timeout=10)
    inviter = make_user("inviter")
    mail.suppress("never@example.org")
    for name in ("a", "b", "no"):
        inviting.invite(inviter, f"{name}@example.org")
    server.script = lambda *_: None
    inviting.invite(inviter, "c@example.org")
    others = InvitationEmail.objects.exclude(invitation__email=UNWILLING)
    others.exclude(invitation__email="a@example.org").delete()
    inviting.invite(inviter, "never@example.org")
    assert seen_by_inviter()["never"] == ("sent", False, "", False)


def test_a_clock_that_was_ahead_keeps_no_fate_of_others(serve: Callable[..., Server]) -> None:
    server = serve(answering("BODY", "450 later"), timeout=10)
    inviter = make_user("inviter")
    inviting.invite(inviter, "a@example.org")
    InvitationEmail.objects.update(tried_at=timezone.now() + timedelta(days=400))
    server.script = lambda *_: None
    for name in ("b", "no"):
        inviting.invite(inviter, f"{name}@example.org")
    seen = seen_by_inviter()
    assert seen["no"] == seen["b"] == ("sent", False, "", False)
