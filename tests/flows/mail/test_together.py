"""Many emails with few statements: what that saves, and what it must not cost."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation.delivery.dummy import DummyDelivery
from invitation.exceptions import DeliveryFailed
from invitation.flows import inviting
from invitation.flows.mail import deliver, deliver_due, report_bounce, sending
from invitation.flows.mail import suppress as unwant
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import ADDRESS, make_invitation, make_mail, make_user
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db
NOW = timezone.now()
LEASE = InvitationEmail.objects.LEASE
State = InvitationEmail.State


class Died(BaseException):
    """Stand for a process that is killed."""


def make_mails(number: int, **values: Any) -> list[InvitationEmail]:
    inviter = make_user(f"inviter{secrets.token_hex(4)}")
    guests = [make_invitation(inviter, f"guest{guest}@example.org") for guest in range(number)]
    return [make_mail(guest, message_id=f"<{guest.pk}@example.com>", **values) for guest in guests]


def rows(*fields: str) -> list[tuple[Any, ...]]:
    return list(InvitationEmail.objects.order_by("pk").values_list(*fields))


@pytest.fixture
def at_each(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Use as ``at_each(function)``: call it with the name of each recipient as its email leaves."""
    send = DummyDelivery.send

    def use(function: Callable[[str], Any]) -> None:
        def sending(self: DummyDelivery, mail: InvitationEmail) -> None:
            function(mail.invitation.email.partition("@")[0])
            send(self, mail)

        monkeypatch.setattr(DummyDelivery, "send", sending)

    return use


@pytest.fixture
def killed(at_each: Callable[..., None]) -> Iterator[Callable[[str], list[str]]]:
    """Use as ``killed(name)``: run a sender that is killed at that email; return what it tried."""
    with time_machine.travel(NOW, tick=False) as clock:

        def run(name: str) -> list[str]:
            tried: list[str] = []

            with ExitStack() as stack:

                def send(to: str) -> None:
                    tried.append(to)
                    if to == name:
                        # The dead record nothing and give nothing back.
                        stack.enter_context(patch.object(InvitationEmail.objects, "release"))
                        stack.enter_context(patch.object(sending.Tries, "record"))
                        raise Died

                at_each(send)
                with suppress(Died):
                    deliver_due()
            clock.shift(LEASE)
            return tried

        yield run


# -- what it costs --


def test_five_emails_cost_less_than_one_statement() -> None:
    def cost(number: int) -> int:
        InvitationKey.objects.all().delete()
        make_mails(number)
        with CaptureQueriesContext(connection) as queries:
            assert deliver_due() == (number, 0)
        return len(queries)

    cost(1)
    assert cost(50) == cost(2)
    assert cost(100) - cost(1) <= 20


def test_one_email_in_the_process_of_a_request_is_read_once_and_written_once(member: Any) -> None:
    inviting.invite(member, ADDRESS)
    mail = InvitationEmail.objects.select_related("invitation").get()
    with CaptureQueriesContext(connection) as queries:
        assert deliver(mail)
    assert [query["sql"].split()[0] for query in queries] == ["SELECT", "UPDATE"]


def test_five_hundred_share_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[DummyDelivery] = []
    monkeypatch.setattr(DummyDelivery, "__enter__", lambda self: opened.append(self) or self)
    monkeypatch.setattr(sending, "BATCH", 2)
    monkeypatch.setattr(sending, "PER_CONNECTION", 5)
    make_mails(12)
    assert deliver_due(11) == (11, 0)
    assert len(opened) == 3
    assert deliver_due() == (1, 0)


# -- a process that is killed --


def test_a_killed_sender_costs_no_email_an_attempt(killed: Callable[[str], list[str]]) -> None:
    make_mails(6)
    assert killed("guest3") == ["guest0", "guest1", "guest2", "guest3"]
    assert rows("state", "attempts") == [(State.SENDING, 0)] * 6
    # Nobody knows which of them it was: each is tried alone, and recorded at once.
    assert killed("guest3") == ["guest0", "guest1", "guest2", "guest3"]
    sent, found, waits = (State.SENT, 1), (State.SENDING, 1), (State.SENDING, 0)
    assert rows("state", "attempts") == [sent, sent, sent, found, waits, waits]
    # Now one knows: it comes last.
    assert killed("guest3") == ["guest4", "guest5", "guest3"]
    assert rows("state", "attempts") == [sent, sent, sent, (State.SENDING, 2), sent, sent]


def test_those_that_were_never_tried_go_before_those_of_a_killed_sender(
    killed: Callable[[str], list[str]], outbox: list[InvitationEmail]
) -> None:
    make_mails(2)
    assert killed("guest0") == ["guest0"]
    make_mail(make_invitation(email="new@example.org"), message_id="<new@example.com>")
    assert killed("") == ["new", "guest0", "guest1"]


def test_each_of_a_killed_sender_is_recorded_before_the_next(
    killed: Callable[[str], list[str]], at_each: Callable[..., None]
) -> None:
    make_mails(3)
    killed("guest1")
    seen: list[list[Any]] = []
    at_each(lambda name: seen.append(rows("state", "attempts")))
    assert deliver_due() == (3, 0)
    sent, held, waits = (State.SENT, 1), (State.SENDING, 1), (State.SENDING, 0)
    assert seen == [[held, waits, waits], [sent, held, waits], [sent, sent, held]]


# -- what changes while they leave --


def end(name: str, status: str) -> None:
    rows = InvitationKey.objects.filter(email__startswith=name)
    rows.update(status=status, pending_slot=None)


def revoke(name: str) -> None:
    end(name, "revoked")


def decline(name: str) -> None:
    end(name, "declined")


def unsubscribe(name: str) -> None:
    unwant(f"{name}@example.org")


@pytest.mark.parametrize("change", [revoke, decline, unsubscribe])
@pytest.mark.parametrize("seconds", [0.0, 3600.0])
def test_what_is_no_longer_wanted_is_noticed_within_the_stated_time(
    at_each: Callable[..., None],
    outbox: list[InvitationEmail],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[str], None],
    seconds: float,
) -> None:
    monkeypatch.setattr(sending, "FRESH_SECONDS", seconds)
    monkeypatch.setattr(sending, "TOGETHER", 3)
    make_mails(4)

    def at(name: str) -> None:
        if name == "guest0":
            change("guest2")
            change("guest3")

    at_each(at)
    deliver_due()
    # Those that were read together leave as they were read; those behind are read again.
    left = [0, 1] if seconds == 0.0 else [0, 1, 2]
    assert [mail.invitation.email for mail in outbox] == [f"guest{at}@example.org" for at in left]


def test_that_time_is_less_than_a_second() -> None:
    assert sending.FRESH_SECONDS < 1


def test_results_are_recorded_as_often(
    at_each: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed sends no more than those again."""
    recorded: list[int] = []
    at_each(lambda name: recorded.append(InvitationEmail.objects.filter(state="sent").count()))
    monkeypatch.setattr(sending, "TOGETHER", 2)
    make_mails(5)
    deliver_due()
    monkeypatch.setattr(sending, "FRESH_SECONDS", 0.0)
    InvitationKey.objects.all().delete()
    make_mails(3)
    deliver_due()
    assert recorded == [0, 0, 2, 2, 4, 0, 1, 2]


def test_a_slow_batch_renews_its_lease(
    at_each: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TOGETHER", 1)
    monkeypatch.setattr(sending, "RENEW_SECONDS", -1.0)
    with time_machine.travel(NOW, tick=False) as clock:
        make_mails(3)

        def slow(name: str) -> None:
            clock.shift(LEASE / 2)
            # Nobody else takes one meanwhile.
            assert InvitationEmail.objects.lease_batch(3, timezone.now()) == []

        at_each(slow)
        assert deliver_due() == (3, 0)
    assert rows("state", "attempts") == [(State.SENT, 1)] * 3


def test_what_another_one_has_settled_meanwhile_stays(
    at_each: Callable[..., None], commit: Any, heard: Heard
) -> None:
    """Its bounce is reported before its sending is recorded."""
    mails = make_mails(3)

    def at(name: str) -> None:
        if name == "guest2":
            report_bounce("guest1@example.org", mails[1].message_id)

    at_each(at)
    with commit():
        assert deliver_due() == (3, 0)
    assert rows("state", "failure") == [("sent", ""), ("failed", "bounced"), ("sent", "")]
    told = [arguments["mail"].pk for name, arguments in heard if name == "invitation_sent"]
    assert told == [mails[0].pk, mails[2].pk]


def test_what_was_sent_is_recorded_though_the_next_ends_the_run(
    at_each: Callable[..., None],
) -> None:
    make_mails(3)

    def at(name: str) -> None:
        if name == "guest1":
            raise KeyboardInterrupt

    at_each(at)
    with suppress(KeyboardInterrupt):
        deliver_due()
    assert rows("state", "attempts", "lease_until")[::2] == [("sent", 1, None), ("queued", 0, None)]
    assert rows("state", "attempts")[1] == ("sending", 0)


def test_a_failure_is_recorded_at_once_and_after_those_before_it(
    at_each: Callable[..., None],
) -> None:
    seen: list[list[Any]] = []

    def at(name: str) -> None:
        seen.append(rows("state"))
        if name == "guest1":
            raise DeliveryFailed("451 later")

    at_each(at)
    make_mails(3)
    assert deliver_due() == (2, 1)
    assert seen[2] == [("sent",), ("queued",), ("sending",)]
    tried: Sequence[tuple[Any, ...]] = rows("tried_at")
    assert tried == sorted(tried)
    assert rows("attempts") == [(1,)] * 3


def test_a_stopped_run_gives_back_what_it_did_not_try(at_each: Callable[..., None]) -> None:
    sent: list[str] = []
    at_each(sent.append)
    make_mails(4)
    assert deliver_due(stopping=lambda: len(sent) == 2) == (2, 0)
    assert (
        rows("state", "attempts", "lease_until", "tried_at")[2:] == [("queued", 0, None, None)] * 2
    )


def test_an_unwanted_email_ends_with_those_around_it(
    at_each: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An inviter who looks all the time sees no difference."""
    unwant("guest1@example.org")
    seen: list[list[Any]] = []
    at_each(lambda name: seen.append(rows("state")))
    monkeypatch.setattr(sending, "TOGETHER", 4)
    make_mails(5)
    assert deliver_due() == (4, 1)
    assert [found[:2] for found in seen[:-1]] == [[("sending",), ("sending",)]] * 3
    assert seen[-1][:4] == [("sent",), ("suppressed",), ("sent",), ("sent",)]


def test_each_email_knows_its_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    monkeypatch.setattr(DummyDelivery, "send", lambda self, mail: tried.append(mail.attempts))
    make_mails(2)
    make_mail(attempts=3)
    deliver_due()
    assert tried == [1, 1, 4]


def test_a_lease_that_was_lost_before_it_was_renewed_is_not_taken_back() -> None:
    mails = make_mails(2)
    held = InvitationEmail.objects.lease_batch(2, NOW + timedelta(hours=1))
    InvitationEmail.objects.filter(pk=mails[0].pk).update(lease_until=NOW + timedelta(hours=9))
    InvitationEmail.objects.renew(held, NOW + timedelta(hours=1, minutes=1))
    assert set(InvitationEmail.objects.look_at(held)) == {mails[1].pk}
