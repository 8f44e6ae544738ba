"""The way out of the house: closed once for all, tried by one, and opened again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError
from django.utils import timezone

from invitation.delivery.dummy import DummyDelivery
from invitation.exceptions import DeliveryFailed, DeliveryUnavailable
from invitation.flows import inviting
from invitation.flows.mail import deliver, deliver_due, deliver_rows, delivery_pause
from invitation.models import DeliveryPause, InvitationEmail
from tests.factories import ADDRESS, DAY, make_invitation, make_mail
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db
NOW = timezone.now()
MINUTE = timedelta(minutes=1)
PAUSES = DeliveryPause.objects


class ToldDelivery(DummyDelivery):
    """Leave the sending to somebody who is told of it."""

    immediate = False
    told: list[tuple[list[int], datetime | None]] = []

    def hand_over(self, pks: Sequence[int], not_before: datetime | None = None) -> None:
        self.told.append((list(pks), not_before))


@pytest.fixture
def told(settings: Any) -> list[tuple[list[int], datetime | None]]:
    """Return what a delivery of this kind was told."""
    settings.INVITATION_DELIVERY = f"{__name__}.ToldDelivery"
    ToldDelivery.told.clear()
    return ToldDelivery.told


class Gate:
    """Be the way out: ``error`` is raised for each email, ``tried`` says for which."""

    def __init__(self) -> None:
        self.error: Exception | None = DeliveryUnavailable("Connection refused")
        self.tried: list[InvitationEmail] = []


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate, send = Gate(), DummyDelivery.send

    def sending(self: DummyDelivery, mail: InvitationEmail) -> None:
        gate.tried.append(mail)
        if gate.error is not None:
            raise gate.error
        send(self, mail)

    monkeypatch.setattr(DummyDelivery, "send", sending)
    return gate


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def mails(clock: Any) -> list[InvitationEmail]:
    """Return five emails that are due."""
    return [make_mail(make_invitation(email=f"g{number}@example.org")) for number in range(5)]


def paused_for() -> timedelta | None:
    pause = delivery_pause()
    return None if pause is None else pause.until - timezone.now()


def rows() -> set[tuple[str, int, Any]]:
    return set(InvitationEmail.objects.values_list("state", "attempts", "lease_until"))


def test_a_closed_way_costs_one_attempt_of_the_mail_that_finds_it(
    mails: list[Any], gate: Gate
) -> None:
    assert deliver_due() == (0, 1)
    assert len(gate.tried) == 1
    assert rows() == {("queued", 0, None), ("queued", 1, None)}
    assert InvitationEmail.objects.get(pk=mails[0].pk).last_error == "Connection refused"


def test_nobody_tries_until_the_pause_is_over(
    mails: list[Any], gate: Gate, clock: Any, django_assert_num_queries: Any
) -> None:
    deliver_due()
    gate.error = None
    clock.shift(MINUTE - timedelta(microseconds=1))
    with django_assert_num_queries(1):
        assert deliver_due() == (0, 0)
    assert len(gate.tried) == 1
    clock.shift(timedelta(microseconds=1))
    assert deliver_due() == (5, 0)
    assert delivery_pause() is None


def test_a_member_who_invites_meanwhile_waits_for_nothing(
    member: Any, mails: list[Any], gate: Gate, commit: Any
) -> None:
    deliver_due()
    with commit():
        invitation = inviting.invite(member, ADDRESS).invitation
    assert len(gate.tried) == 1
    mail = invitation.mails.get()
    assert (mail.state, mail.attempts, mail.lease_until) == ("queued", 0, None)


def test_nor_for_a_mail_that_goes_again(
    member: Any, mails: list[Any], gate: Gate, commit: Any
) -> None:
    deliver_due()
    waiting = make_mail(make_invitation(member))
    with commit():
        inviting.resend(waiting.invitation)
    assert len(gate.tried) == 1


def test_each_failure_doubles_the_pause_up_to_half_an_hour(
    mails: list[Any], gate: Gate, clock: Any
) -> None:
    pauses = []
    for _ in range(8):
        deliver_due()
        pauses.append(paused_for())
        clock.shift(pauses[-1])
    assert pauses == [number * MINUTE for number in (1, 2, 4, 8, 16, 30, 30, 30)]
    # One after the other, and it costs no other attempt, however long it lasts.
    first, *others = [mail.pk for mail in mails]
    assert [mail.pk for mail in gate.tried] == [first, *others, *others[:3]]
    assert rows() == {("queued", 0, None), ("queued", 1, None)}


def test_the_pause_is_told_once_and_so_is_its_end(
    mails: list[Any],
    gate: Gate,
    clock: Any,
    heard: Heard,
    commit: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "invitation")
    with commit():
        for _ in range(3):
            deliver_due()
            clock.shift(31 * MINUTE)
    assert heard.names() == ["delivery_paused"]
    assert heard.last("delivery_paused")["reason"] == "Connection refused"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "Connection refused" in caplog.text
    gate.error = None
    with commit():
        assert deliver_due() == (5, 0)
    names = heard.names()
    assert names.count("delivery_resumed") == 1
    assert names.count("mail_settled") == 5
    assert heard.last("delivery_resumed")["reason"] == "Connection refused"
    # Besides the one of each email that has left.
    of_queue = [
        record for record in caplog.records if record.name == "invitation.flows.mail.sending"
    ]
    assert [record.levelname for record in of_queue] == ["ERROR", "INFO"]


def test_one_that_is_found_closed_again_later_is_told_again(
    mails: list[Any], gate: Gate, clock: Any, heard: Heard, commit: Any
) -> None:
    with commit():
        deliver_due()
        clock.shift(MINUTE)
        gate.error = None
        deliver_due(2)
        gate.error = DeliveryUnavailable("535 no")
        deliver_due()
    names = [name for name in heard.names() if name.startswith("delivery")]
    assert names == ["delivery_paused", "delivery_resumed", "delivery_paused"]
    assert paused_for() == MINUTE


def test_it_is_tried_by_one_alone_with_one_mail(mails: list[Any], gate: Gate, clock: Any) -> None:
    deliver_due()
    clock.shift(MINUTE)
    gate.error = None
    states = []

    class Slow(Exception):
        pass

    def other(mail: InvitationEmail) -> None:
        # While one tries, another one comes.
        gate.tried.append(mail)
        states.append((deliver_due(), len(InvitationEmail.objects.filter(state="sending"))))

    gate.tried, before = _Calling(other), gate.tried
    assert deliver_due(1) == (1, 0)
    assert states[0] == ((0, 0), 1)
    assert len(before) == 1


class _Calling(list[InvitationEmail]):
    """Call somebody for the first email that is tried."""

    def __init__(self, call: Any) -> None:
        super().__init__()
        self._call = call

    def append(self, mail: InvitationEmail) -> None:
        call, self._call = self._call, super().append
        call(mail)


@pytest.mark.parametrize("permanent", [True, False])
def test_an_answer_about_one_mail_opens_the_way(
    mails: list[Any], gate: Gate, clock: Any, permanent: bool
) -> None:
    deliver_due()
    clock.shift(MINUTE)
    gate.error = DeliveryFailed("no", permanent=permanent)
    assert deliver_due() == (0, 5)
    assert delivery_pause() is None


def test_a_mail_that_cannot_be_written_tells_nothing_and_the_next_is_tried(
    mails: list[Any], gate: Gate, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_due()
    clock.shift(MINUTE)
    gate.error = ValueError("odd template")
    assert deliver_due(2) == (0, 2)
    assert paused_for() == timedelta(0)  # for others to try, at once
    gate.error = None
    assert deliver_due() == (3, 0)
    assert delivery_pause() is None


def test_a_mail_that_is_no_longer_wanted_tells_nothing_either(gate: Gate, clock: Any) -> None:
    unwanted = make_mail(make_invitation(status="revoked"))
    wanted = make_mail(make_invitation(email="g@example.org"))
    PAUSES.close("closed", NOW)
    clock.shift(MINUTE)
    gate.error = None
    assert deliver_due() == (1, 1)
    assert [mail.pk for mail in gate.tried] == [wanted.pk]
    assert InvitationEmail.objects.get(pk=unwanted.pk).state == "failed"
    assert delivery_pause() is None


def test_an_empty_outbox_leaves_the_trial_to_others(gate: Gate, clock: Any) -> None:
    PAUSES.close("closed", NOW)
    clock.shift(MINUTE)
    assert deliver_due() == (0, 0)
    assert paused_for() == timedelta(0)


def test_one_that_tries_and_dies_leaves_it_to_others_after_a_while(
    mails: list[Any], gate: Gate, clock: Any
) -> None:
    PAUSES.close("closed", NOW)
    clock.shift(MINUTE)
    gate.error = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        deliver_due()
    gate.error = None
    assert deliver_due() == (0, 0)
    clock.shift(PAUSES.TRIAL)
    assert deliver_due() == (4, 0)  # the lease of the one that was in hand still holds
    clock.shift(DAY)


def test_who_loses_the_race_to_try_waits(
    mails: list[Any], gate: Gate, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    PAUSES.close("closed", NOW)
    clock.shift(MINUTE)
    try_again = PAUSES.try_again

    def too_late(pause: DeliveryPause, now: datetime) -> bool:
        assert try_again(PAUSES.get(), now)
        return try_again(pause, now)

    monkeypatch.setattr(PAUSES, "try_again", too_late)
    monkeypatch.setattr(DeliveryPause.objects, "try_again", too_late)
    assert deliver_due() == (0, 0)
    assert gate.tried == []
    assert rows() == {("queued", 0, None)}


def test_who_comes_when_it_has_just_been_opened_goes_on(
    mails: list[Any], gate: Gate, clock: Any
) -> None:
    gate.error = None
    PAUSES.close("closed", NOW)
    [held] = InvitationEmail.objects.lease_batch(1, NOW, [mails[0].pk])
    InvitationEmail.objects.begin(held, NOW)
    look = InvitationEmail.objects.look(held)
    assert look[1] == NOW + MINUTE
    PAUSES.update(failures=0)
    assert deliver(held)


def test_who_comes_in_the_moment_in_which_it_is_opened_goes_on_as_well(
    mails: list[Any], gate: Gate, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate.error = None
    PAUSES.close("closed", NOW)
    held = InvitationEmail.objects.lease(mails[0].pk, NOW)
    assert held is not None
    monkeypatch.setattr("invitation.flows.mail.pausing.delivery_pause", lambda: None)
    assert deliver(held)


def test_a_closing_that_comes_late_is_no_news(clock: Any) -> None:
    assert PAUSES.close("first", NOW) == (NOW + MINUTE, True)
    assert PAUSES.close("second", NOW + MINUTE / 2) == (NOW + MINUTE * 3 / 2, False)
    assert (PAUSES.get().reason, PAUSES.get().until) == ("first", NOW + MINUTE)


def test_a_trial_that_took_too_long_changes_nothing(clock: Any) -> None:
    PAUSES.close("closed", NOW)
    slow, fast = PAUSES.get(), PAUSES.get()
    assert PAUSES.try_again(slow, NOW + MINUTE)
    PAUSES.update(until=NOW)
    fast.until = NOW
    assert PAUSES.try_again(fast, NOW + 5 * MINUTE)
    assert not PAUSES.reopen(slow, NOW + 5 * MINUTE)
    PAUSES.keep_closed(slow, "late", NOW + 5 * MINUTE)
    assert PAUSES.get().failures == 1
    assert PAUSES.reopen(fast, NOW + 5 * MINUTE)


def test_who_finds_it_closed_when_it_is_known_tells_nobody(
    mails: list[Any], gate: Gate, clock: Any, heard: Heard, commit: Any
) -> None:
    class Late(DeliveryUnavailable):
        def __str__(self) -> str:
            if not PAUSES.exists():
                PAUSES.close("by somebody else", NOW)
            return "by us"

    gate.error = Late()
    with commit():
        assert deliver_due() == (0, 1)
    assert heard == []
    assert PAUSES.get().reason == "by somebody else"


def test_a_reason_is_kept_without_keys_and_nul(gate: Gate, mails: list[Any]) -> None:
    key = mails[0].invitation.mail_key
    gate.error = DeliveryUnavailable(f"550 \0{key}")
    deliver_due()
    pause = delivery_pause()
    assert pause is not None
    assert pause.reason == f"550 {mails[0].invitation.key_hint}"
    assert str(pause) == "mail"


# -- who sends in our place is told when to come back --


def test_who_is_told_comes_back_after_the_pause(
    told: list[Any], mails: list[Any], gate: Gate, clock: Any
) -> None:
    pks = [mail.pk for mail in mails]
    assert deliver_rows(pks) == (0, 1)
    assert told == [(pks, NOW + MINUTE)]
    assert deliver_rows(pks[:2]) == (0, 0)
    assert told[1:] == [(pks[:2], NOW + MINUTE)]
    clock.shift(MINUTE)
    gate.error = None
    assert deliver_rows(pks) == (5, 0)
    assert len(told) == 2


def test_who_is_told_comes_back_for_a_mail_that_failed(
    told: list[Any], mails: list[Any], gate: Gate
) -> None:
    gate.error = DeliveryFailed("451 later")
    deliver_rows([mails[0].pk])
    [(pks, not_before)] = told
    assert pks == [mails[0].pk]
    assert not_before == InvitationEmail.objects.get(pk=mails[0].pk).not_before


def test_nobody_is_told_of_what_is_settled(told: list[Any], mails: list[Any], gate: Gate) -> None:
    gate.error = DeliveryFailed("550 no", permanent=True)
    deliver_rows([mails[0].pk])
    gate.error = None
    deliver_rows([mails[1].pk])
    assert told == []


def test_cron_tells_of_the_mail_that_it_tried_alone(
    told: list[Any], mails: list[Any], gate: Gate
) -> None:
    deliver_due()
    assert told == [([mails[0].pk], NOW + MINUTE)]


# -- the connection to the database --


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch, gate: Gate) -> None:
    """Let the database hang up once, when an email has gone."""
    gate.error = None
    mark, failures = InvitationEmail.objects.mark_sent, [OperationalError("gone")]

    def mark_sent(mails: Sequence[InvitationEmail], now: datetime) -> list[InvitationEmail]:
        if failures:
            raise failures.pop()
        return mark(mails, now)

    monkeypatch.setattr(InvitationEmail.objects, "mark_sent", mark_sent)


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_has_gone_is_noted_although_the_database_hung_up(cut: None, gate: Gate) -> None:
    mail = make_mail()
    assert deliver_rows([mail.pk]) == (1, 0)
    assert InvitationEmail.objects.get().state == "sent"
    assert len(gate.tried) == 1


def test_in_a_transaction_what_is_lost_is_lost(cut: None) -> None:
    mail = make_mail()
    with pytest.raises(OperationalError):
        deliver_rows([mail.pk])
