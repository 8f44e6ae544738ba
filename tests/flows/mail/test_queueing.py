"""The outbox: every email is sent, retried or given up, and nobody writes over anybody."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from invitation import keys
from invitation.delivery.dummy import DummyDelivery
from invitation.exceptions import DeliveryFailed, MailTooSoon
from invitation.flows import inviting
from invitation.flows.mail import deliver, deliver_due, waiting_mails
from invitation.flows.mail.outcomes import JITTER, MAIL_ATTEMPTS, MAIL_PAUSE, MAIL_PAUSE_MAX
from invitation.models import InvitationEmail, InvitationKey
from invitation.models.managers.leases import _locks_ranges
from tests.factories import ADDRESS, DAY, make_invitation, make_mail
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db
LEASE = InvitationEmail.objects.LEASE
NOW = timezone.now()


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Use as ``fail(error)``: sending raises it from now on, and succeeds again after ``None``."""
    error: list[Exception | None] = [None]
    send = DummyDelivery.send

    def sending(self: DummyDelivery, mail: InvitationEmail) -> None:
        if error[0] is not None:
            raise error[0]
        send(self, mail)

    def fail_with(value: Exception | None) -> None:
        error[0] = value

    monkeypatch.setattr(DummyDelivery, "send", sending)
    return fail_with


def leased(**fields: Any) -> InvitationEmail:
    """Return an email that this process may send now."""
    mail = InvitationEmail.objects.lease(make_mail(**fields).pk, timezone.now())
    assert mail is not None
    return mail


def stored(mail: InvitationEmail) -> InvitationEmail:
    return InvitationEmail.objects.get(pk=mail.pk)


# -- what inviting leaves in the outbox --


def test_the_mail_waits_for_the_commit_already_leased(member: Any) -> None:
    inviting.invite(member, ADDRESS)
    mail = InvitationEmail.objects.get()
    assert (mail.state, mail.attempts, mail.kind) == ("sending", 1, "invitation")
    assert mail.lease_until is not None
    assert mail.lease_until > timezone.now() + LEASE - timedelta(minutes=1)


def test_its_message_id_names_the_host_of_the_link(member: Any, settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://join.example.org/app"
    inviting.invite(member, ADDRESS)
    assert InvitationEmail.objects.get().header_id.endswith("@join.example.org>")


def test_its_message_id_is_ascii_where_the_host_is_not(member: Any, settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://bücher.example"
    mail = inviting.invite(member, ADDRESS).invitation.mails.get()
    assert mail.header_id.endswith("@xn--bcher-kva.example>")


def test_a_host_that_is_no_host_name_does_not_break_inviting(member: Any, settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://example..org"
    mail = inviting.invite(member, ADDRESS).invitation.mails.get()
    assert mail.header_id.endswith("@localhost>")


def test_after_the_commit_it_is_sent_and_told(member: Any, commit: Any, heard: Heard) -> None:
    with commit():
        inviting.invite(member, ADDRESS)
        assert heard == []
    mail = InvitationEmail.objects.get()
    assert (mail.state, mail.lease_until, mail.last_error) == ("sent", None, "")
    assert mail.sent_at is not None
    assert heard.names() == ["invitation_created", "invitation_sent", "mail_settled"]
    assert heard.last("invitation_sent")["mail"] == mail


def test_where_mails_leave_by_cron_it_only_waits(
    member: Any, settings: Any, commit: Any, mailoutbox: list[Any]
) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    with commit():
        inviting.invite(member, ADDRESS)
    mail = InvitationEmail.objects.get()
    assert (mail.state, mail.attempts, mail.lease_until) == ("queued", 0, None)
    with commit():
        assert deliver_due() == (1, 0)
    assert [message.to for message in mailoutbox] == [[ADDRESS]]


def test_there_a_renewed_mail_waits_as_well(
    member: Any, settings: Any, commit: Any, mailoutbox: list[Any]
) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    settings.INVITATION_RESEND_COOLDOWN = timedelta(0)
    with commit():
        inviting.invite(member, ADDRESS)
        assert inviting.invite(member, ADDRESS).mailed
    assert (InvitationEmail.objects.count(), mailoutbox) == (1, [])


def test_a_mail_that_goes_again_is_left_to_who_has_leased_it(
    member: Any, commit: Any, outbox: list[InvitationEmail], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_mail(make_invitation(member), state="failed")
    monkeypatch.setattr(InvitationEmail.objects, "lease_batch", lambda *args, **options: [])
    with commit():
        assert inviting.invite(member, ADDRESS).mailed
    assert outbox == []


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_after_the_commit_loses_no_mail(
    member: Any, outbox: list[InvitationEmail], monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(mail: InvitationEmail, **options: bool) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("invitation.flows.mail.queueing.deliver", die)
        with pytest.raises(SystemExit):
            inviting.invite(member, ADDRESS)
    assert (InvitationKey.objects.count(), outbox) == (1, [])
    assert deliver_due() == (0, 0)  # its lease still holds
    with time_machine.travel(timezone.now() + LEASE, tick=False):
        assert deliver_due() == (1, 0)
    assert stored(outbox[0]).state == "sent"


# -- what a failure leads to --


def test_a_mail_server_that_fails_is_no_error_of_the_inviter(
    member: Any, commit: Any, fail: Any
) -> None:
    fail(DeliveryFailed("451 later"))
    with commit():
        assert inviting.invite(member, ADDRESS).mailed
    mail = InvitationEmail.objects.get()
    assert (mail.state, mail.last_error, mail.lease_until) == ("queued", "451 later", None)


def test_a_passing_failure_is_tried_again_after_a_pause(fail: Any, commit: Any) -> None:
    mail = make_mail()
    with time_machine.travel(NOW, tick=False) as clock, commit():
        InvitationEmail.objects.update(not_before=NOW)
        fail(DeliveryFailed("451 later"))
        assert deliver_due() == (0, 1)
        assert deliver_due() == (0, 0)
        clock.shift(MAIL_PAUSE * (1 + JITTER))
        fail(None)
        assert deliver_due() == (1, 0)
    assert (stored(mail).state, stored(mail).attempts, stored(mail).last_error) == ("sent", 2, "")


@pytest.mark.parametrize(
    ("attempts", "pause"),
    [
        (1, MAIL_PAUSE),
        (2, 2 * MAIL_PAUSE),
        (3, 4 * MAIL_PAUSE),
        (7, 64 * MAIL_PAUSE),
        (8, MAIL_PAUSE_MAX),
        (9, MAIL_PAUSE_MAX),
    ],
)
@pytest.mark.parametrize(("dice", "part"), [(0, -JITTER), (1000, 0), (2000, JITTER)])
def test_the_pause_doubles_up_to_a_bound_and_is_never_quite_the_same(
    fail: Any,
    monkeypatch: pytest.MonkeyPatch,
    attempts: int,
    pause: timedelta,
    dice: int,
    part: float,
) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda most: dice)
    fail(DeliveryFailed("451 later"))
    mail = leased(attempts=attempts - 1)
    with time_machine.travel(NOW, tick=False):
        assert not deliver(mail)
    assert stored(mail).not_before == NOW + pause * (1 + part)


def test_a_lasting_failure_is_not_tried_again(fail: Any) -> None:
    mail = make_mail()
    fail(DeliveryFailed("550 no such user", permanent=True))
    assert deliver_due() == (0, 1)
    assert (stored(mail).state, stored(mail).last_error) == ("failed", "550 no such user")
    with time_machine.travel(NOW + DAY, tick=False):
        assert deliver_due() == (0, 0)


@pytest.mark.parametrize(("before", "state"), [(2, "queued"), (1, "failed")])
@pytest.mark.parametrize("error", [DeliveryFailed("451 later"), ValueError("odd")])
def test_it_is_given_up_after_so_many_attempts(
    fail: Any, before: int, state: str, error: Exception
) -> None:
    fail(error)
    mail = leased(attempts=MAIL_ATTEMPTS - before)
    assert not deliver(mail)
    assert (stored(mail).state, stored(mail).attempts) == (state, MAIL_ATTEMPTS - before + 1)


def test_a_mail_whose_senders_all_died_is_given_up(outbox: list[InvitationEmail]) -> None:
    mail = leased(attempts=MAIL_ATTEMPTS)
    assert not deliver(mail)
    assert stored(mail).state == InvitationEmail.State.FAILED
    assert outbox == []


def test_a_failed_mail_is_not_told_as_sent(fail: Any, commit: Any, heard: Heard) -> None:
    make_mail()
    fail(DeliveryFailed("451 later"))
    with commit():
        deliver_due()
    assert heard == []


def test_one_mail_that_raises_does_not_hold_up_the_others(
    outbox: list[InvitationEmail], monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = [make_mail(make_invitation(email=f"guest{number}@example.org")) for number in range(3)]
    send = DummyDelivery.send

    def sending(self: DummyDelivery, mail: InvitationEmail) -> None:
        if mail == mails[0]:
            raise RuntimeError("poison")
        send(self, mail)

    monkeypatch.setattr(DummyDelivery, "send", sending)
    assert deliver_due() == (2, 1)
    assert outbox == mails[1:]
    assert stored(mails[0]).state == "queued"
    assert stored(mails[0]).last_error == "RuntimeError: poison"


@pytest.mark.parametrize("permanent", [True, False])
def test_a_failure_of_a_mail_that_somebody_else_has_by_now_is_not_noted(
    fail: Any, heard: Heard, commit: Any, permanent: bool
) -> None:
    mail = leased()

    class Late(DeliveryFailed):
        def __str__(self) -> str:
            InvitationEmail.objects.filter(pk=mail.pk).update(lease_until=NOW + DAY)
            return "late"

    fail(Late(permanent=permanent))
    with commit():
        assert not deliver(mail)
    assert (stored(mail).state, stored(mail).last_error, heard) == ("sending", "", [])


@pytest.mark.parametrize("kind", [DeliveryFailed, RuntimeError])
def test_a_reason_that_quotes_the_link_is_kept_and_logged_without_it(
    fail: Any, caplog: pytest.LogCaptureFixture, kind: type[Exception]
) -> None:
    mail = leased()
    key = mail.invitation.mail_key
    fail(kind(f"550 spam: https://example.com/invited/{key}/ {'x' * 1000}"))
    with caplog.at_level(logging.DEBUG):
        deliver(mail)
    assert mail.invitation.key_hint in stored(mail).last_error
    assert len(stored(mail).last_error) == 500
    assert f"Invitation email {mail.pk} was not sent" in caplog.text
    assert not keys.PATTERN.search(stored(mail).last_error + caplog.text)


def test_a_wrong_setting_stops_the_run_instead_of_giving_up_mails(settings: Any) -> None:
    mail = make_mail()
    settings.INVITATION_DELIVERY = "tests.nowhere.Delivery"
    with pytest.raises(ImproperlyConfigured):
        deliver_due()
    settings.INVITATION_DELIVERY = "invitation.delivery.dummy.DummyDelivery"
    with time_machine.travel(NOW + DAY, tick=False):
        assert deliver_due() == (1, 0)
    assert stored(mail).state == "sent"


@pytest.mark.parametrize("status", ["accepted", "declined", "revoked", "expired"])
def test_an_invitation_that_ended_before_its_mail_left_is_not_mailed(
    outbox: list[InvitationEmail], status: str
) -> None:
    mail = make_mail(make_invitation(status=status))
    assert deliver_due() == (0, 1)
    assert (stored(mail).state, outbox) == ("failed", [])
    assert stored(mail).last_error


def test_nor_is_one_whose_time_ran_out(outbox: list[InvitationEmail]) -> None:
    make_mail(make_invitation(left=-DAY))
    assert (deliver_due(), outbox) == ((0, 1), [])


# -- leases --


def test_a_leased_mail_is_nobody_elses() -> None:
    mail = leased()
    assert InvitationEmail.objects.lease(mail.pk, timezone.now()) is None
    assert deliver_due() == (0, 0)


def test_a_lease_ends_exactly_when_it_says() -> None:
    mail = make_mail(not_before=NOW)
    assert InvitationEmail.objects.lease(mail.pk, NOW)
    assert InvitationEmail.objects.lease(mail.pk, NOW + LEASE - timedelta(microseconds=1)) is None
    again = InvitationEmail.objects.lease(mail.pk, NOW + LEASE)
    assert again is not None
    assert again.attempts == 2


@pytest.fixture(params=["as the database can", "locking rows", "locking by key"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lease in each of the ways that there are for different databases."""
    if request.param != "as the database can":
        features = type(connection.features)
        monkeypatch.setattr(features, "has_select_for_update_skip_locked", True)
        by_key = request.param == "locking by key"
        monkeypatch.setattr("invitation.models.managers.leases._locks_ranges", lambda using: by_key)


def test_a_lease_of_many_counts_no_attempt(way: None) -> None:
    mails = [make_mail(make_invitation(email=f"g{number}@example.org")) for number in range(3)]
    held = InvitationEmail.objects.lease_batch(2, timezone.now())
    assert [mail.pk for mail in held] == [mail.pk for mail in mails[:2]]
    assert [stored(mail).state for mail in mails] == ["sending", "sending", "queued"]
    assert {stored(mail).attempts for mail in mails} == {0}
    assert [mail.pk for mail in InvitationEmail.objects.lease_batch(3, timezone.now())] == [
        mails[2].pk
    ]


def test_a_lease_takes_only_the_named_rows(way: None) -> None:
    mails = [make_mail(make_invitation(email=f"g{number}@example.org")) for number in range(3)]
    named = [mails[2].pk, mails[1].pk, 10**6]
    assert [
        mail.pk for mail in InvitationEmail.objects.lease_batch(9, timezone.now(), named)
    ] == named[1::-1]


def test_nothing_due_is_nothing_to_lease(way: None) -> None:
    make_mail(not_before=timezone.now() + DAY)
    assert InvitationEmail.objects.lease_batch(5, timezone.now()) == []


def test_who_cannot_lock_the_first_rows_looks_further(
    way: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = [make_mail(make_invitation(email=f"g{number}@example.org")) for number in range(4)]
    taken = {mails[0].pk, mails[1].pk}
    find = InvitationEmail.objects._due_by_key
    others = ~Q(pk__in=taken)
    monkeypatch.setattr(InvitationEmail.objects, "_due_by_key", lambda now: find(now) & others)
    held = {mail.pk for mail in InvitationEmail.objects.lease_batch(2, timezone.now())}
    # Rows that are locked in order are passed over by the database itself.
    assert held in ({mails[2].pk, mails[3].pk}, taken)
    monkeypatch.undo()


def test_who_loses_a_row_while_it_takes_them_has_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Asked here: MariaDB says so only when it is connected.
    if connection.features.has_select_for_update_skip_locked:
        pytest.skip("rows are locked there")
    mails = [make_mail(make_invitation(email=f"g{number}@example.org")) for number in range(3)]
    find, others = InvitationEmail.objects._due_by_key, ~Q(pk=mails[0].pk)
    monkeypatch.setattr(InvitationEmail.objects, "_due_by_key", lambda now: find(now) & others)
    held = InvitationEmail.objects.lease_batch(3, timezone.now())
    assert [mail.pk for mail in held] == [mail.pk for mail in mails[1:]]
    assert stored(mails[0]).state == "queued"


def test_what_a_sender_left_behind_comes_first(way: None) -> None:
    waiting = make_mail(not_before=NOW - DAY)
    left = make_mail(
        make_invitation(email="g@example.org"), state="sending", attempts=3, lease_until=NOW
    )
    assert [mail.pk for mail in InvitationEmail.objects.lease_batch(1, NOW)] == [left.pk]
    assert stored(waiting).state == "queued"


def test_in_a_batch_those_that_were_tried_least_come_first(way: None) -> None:
    """One that kills its sender is left behind, and must not kill the next one before the rest."""
    make_mail(not_before=NOW - DAY)
    left = make_mail(
        make_invitation(email="g@example.org"), state="sending", attempts=3, lease_until=NOW
    )
    held = InvitationEmail.objects.lease_batch(2, NOW)
    assert [mail.attempts for mail in held] == [0, 3]
    assert held[1].pk == left.pk


def test_the_one_that_finds_out_is_the_one_of_all_that_was_tried_least(way: None) -> None:
    make_mail(not_before=NOW - DAY, attempts=1)
    fresh = make_mail(make_invitation(email="g@example.org"), not_before=NOW)
    [held] = InvitationEmail.objects.lease_batch(1, NOW, least_tried=True)
    assert held.pk == fresh.pk


def test_to_begin_counts_an_attempt_and_holds_the_row_anew() -> None:
    [held] = InvitationEmail.objects.lease_batch(1, NOW + DAY, [make_mail().pk])
    assert InvitationEmail.objects.begin(held, NOW + DAY + LEASE / 2)
    assert (held.attempts, held.lease_until) == (1, NOW + DAY + LEASE / 2 + LEASE)
    assert (stored(held).attempts, stored(held).lease_until) == (1, held.lease_until)


def test_who_loses_a_row_between_lease_and_begin_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(InvitationEmail.objects, "begin", lambda mail, now: False)
    assert InvitationEmail.objects.lease(make_mail().pk, timezone.now()) is None


def test_only_some_databases_lock_what_lies_between_rows() -> None:
    assert _locks_ranges("default") is (connection.vendor == "mysql")


def test_what_is_let_go_waits_as_before() -> None:
    mail = make_mail()
    held = InvitationEmail.objects.lease_batch(1, timezone.now())
    InvitationEmail.objects.release(held)
    InvitationEmail.objects.release(held)
    assert (stored(mail).state, stored(mail).attempts, stored(mail).lease_until) == (
        "queued",
        0,
        None,
    )


def test_what_somebody_else_has_by_now_is_not_let_go() -> None:
    mail = make_mail(not_before=NOW)
    held = InvitationEmail.objects.lease_batch(1, NOW)
    InvitationEmail.objects.lease_batch(1, NOW + LEASE)
    InvitationEmail.objects.release(held)
    assert stored(mail).state == "sending"


def test_a_mail_is_not_due_before_its_time() -> None:
    mail = make_mail(not_before=NOW)
    assert InvitationEmail.objects.lease(mail.pk, NOW - timedelta(microseconds=1)) is None
    assert InvitationEmail.objects.lease(mail.pk, NOW)


@pytest.mark.parametrize("state", ["sent", "failed", "suppressed"])
def test_what_is_settled_is_not_due(state: str) -> None:
    make_mail(state=state)
    assert deliver_due() == (0, 0)


def test_who_lost_the_lease_before_its_turn_came_goes_on(
    outbox: list[InvitationEmail], monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = [
        make_mail(make_invitation(email=f"g{number}@example.org"), attempts=attempts)
        for number, attempts in enumerate([0, 0, 0, 1, 1])
    ]
    lost = [mails[1].pk, mails[3].pk]
    lease_batch = InvitationEmail.objects.lease_batch

    def too_late(number: int, now: Any, *args: Any, **options: Any) -> list[InvitationEmail]:
        held = lease_batch(number, now, *args, **options)
        InvitationEmail.objects.filter(pk__in=lost).update(lease_until=now + 2 * LEASE)
        return held

    monkeypatch.setattr(InvitationEmail.objects, "lease_batch", too_late)
    assert deliver_due() == (3, 0)
    assert outbox == [mails[0], mails[2], mails[4]]
    assert [stored(mail).attempts for mail in mails] == [1, 0, 1, 1, 2]


def test_who_lost_it_while_it_was_read_again_sends_nothing(outbox: list[InvitationEmail]) -> None:
    mail = leased()
    InvitationEmail.objects.filter(pk=mail.pk).update(lease_until=NOW + DAY)
    assert not deliver(mail)
    until = mail.lease_until
    InvitationEmail.objects.filter(pk=mail.pk).update(lease_until=until, state="cancelled")
    assert not deliver(mail)
    assert outbox == []


def test_a_mail_that_is_gone_cannot_be_leased() -> None:
    mail = make_mail()
    mail.invitation.delete()
    assert InvitationEmail.objects.lease(mail.pk, timezone.now()) is None


def test_a_mail_that_goes_in_the_moment_of_its_lease_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mail = make_mail()
    look_at = InvitationEmail.objects.look_at

    def too_late(held: Any) -> Any:
        mail.invitation.delete()
        return look_at(held)

    monkeypatch.setattr(InvitationEmail.objects, "look_at", too_late)
    assert InvitationEmail.objects.lease(mail.pk, timezone.now()) is None


@pytest.mark.parametrize(
    "finish",
    [
        lambda mail: InvitationEmail.objects.mark_sent([mail], NOW),
        lambda mail: InvitationEmail.objects.mark_ended(mail, "failed", "given_up", "late"),
        lambda mail: InvitationEmail.objects.mark_queued(mail, "late", NOW),
    ],
)
@pytest.mark.parametrize("requeued", [False, True])
def test_a_sender_whose_lease_ran_out_writes_over_nobody(finish: Any, requeued: bool) -> None:
    slow = InvitationEmail.objects.lease(make_mail(not_before=NOW).pk, NOW)
    assert slow is not None
    if requeued:
        # Tried again, failed, asked for by the inviter: the attempts count from the start.
        InvitationEmail.objects.update(state="failed")
        InvitationEmail.objects.requeue(slow.invitation, NOW)
    other = InvitationEmail.objects.lease(slow.pk, NOW + 2 * LEASE)
    assert other is not None
    assert (slow.attempts == other.attempts) is requeued
    assert not finish(slow)
    assert stored(slow).state == "sending"
    assert finish(other)


def test_a_mail_that_was_sent_by_another_one_is_told_once(
    commit: Any, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = leased()

    def lose(self: DummyDelivery, mail: InvitationEmail) -> None:
        InvitationEmail.objects.filter(pk=mail.pk).update(lease_until=NOW + DAY)

    monkeypatch.setattr(DummyDelivery, "send", lose)
    with commit():
        assert deliver(slow)
    assert heard == []


def test_the_limit_bounds_a_run_and_the_oldest_goes_first(outbox: list[InvitationEmail]) -> None:
    mails = [
        make_mail(make_invitation(email=f"g{age}@example.org"), not_before=NOW - age * DAY)
        for age in (1, 3, 2)
    ]
    assert deliver_due(2) == (2, 0)
    assert outbox == [mails[1], mails[2]]
    assert deliver_due(2) == (1, 0)


def test_all_attempts_carry_one_message_id(fail: Any, outbox: list[InvitationEmail]) -> None:
    make_mail(message_id="<x@example.com>")
    fail(DeliveryFailed("451 later"))
    deliver_due()
    fail(None)
    with time_machine.travel(NOW + DAY / 2, tick=False):
        deliver_due()
    assert [mail.message_id for mail in outbox] == ["<x@example.com>"]


def test_what_is_queued_again_waits_for_no_lease_of_before(member: Any) -> None:
    left_behind = timezone.now() - 5 * DAY
    invitation = make_invitation(member)
    make_mail(invitation, state="sending", attempts=1, lease_until=left_behind)
    inviting.resend(invitation)
    count, first = waiting_mails()
    assert count == 1
    assert first is not None
    assert first > timezone.now() - DAY


def test_a_mail_that_has_not_left_can_be_pushed_at_once(
    member: Any, commit: Any, outbox: list[InvitationEmail], fail: Any
) -> None:
    fail(DeliveryFailed("Connection refused"))
    with commit():
        invitation = inviting.invite(member, ADDRESS).invitation
    fail(None)
    with commit():
        inviting.resend(invitation)
    assert [mail.invitation for mail in outbox] == [invitation]
    with pytest.raises(MailTooSoon):
        inviting.resend(invitation)
