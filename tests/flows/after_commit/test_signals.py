"""Signals: after the commit, never on rollback, and a raising receiver does no harm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.db import transaction
from django.utils import timezone

from invitation import signals
from invitation.delivery.dummy import DummyDelivery
from invitation.exceptions import DeliveryFailed, DeliveryUnavailable
from invitation.flows import arriving, inviting, privacy, upkeep
from invitation.flows import mail as mail_room
from invitation.flows.mail import deliver_rows, report_bounce, report_complaint
from invitation.keys import unsubscribing
from invitation.models import DeliveryPause, InvitationEmail, InvitationKey
from tests.factories import (
    ADDRESS,
    DAY,
    make_invitation,
    make_mail,
    open_it,
    register,
    rolled_back,
    spent,
)
from tests.flows.conftest import SIGNALS, Heard

pytestmark = pytest.mark.django_db(transaction=True)


def invite(member: Any) -> None:
    inviting.invite(member, ADDRESS)


def claim(member: Any) -> None:
    register(make_invitation(member))


def activate(member: Any) -> None:
    user = register(make_invitation(member), is_active=False)
    user.is_active = True
    arriving.activate(user)


def decline(member: Any) -> None:
    arriving.decline(open_it(make_invitation(member)))


def revoke(member: Any) -> None:
    inviting.revoke(make_invitation(member))


def expire(member: Any) -> None:
    make_invitation(member, left=-DAY)
    upkeep.expire()


def ask(member: Any) -> None:
    assert inviting.ask_for_renewal(make_invitation(member, status="expired").mail_key)


def fail_to_send(member: Any) -> None:
    """Find the way out closed; the email waits."""
    mail = make_mail(make_invitation(member))
    with patch.object(DummyDelivery, "send", side_effect=DeliveryUnavailable("refused")):
        deliver_rows([mail.pk])


def find_it_open(member: Any) -> None:
    """Find it open again, by an answer that is about one email."""
    moment = timezone.now()
    DeliveryPause.objects.create(until=moment, since=moment, failures=1)
    mail = make_mail(make_invitation(member))
    with patch.object(DummyDelivery, "send", side_effect=DeliveryFailed("no", permanent=True)):
        deliver_rows([mail.pk])


def unsubscribe(member: Any) -> None:
    mail_room.unsubscribe(unsubscribing.make_token(ADDRESS))


def bounce(member: Any) -> None:
    report_bounce(ADDRESS)


def complain(member: Any) -> None:
    report_complaint(ADDRESS)


VERBS = {
    fail_to_send: ["delivery_paused"],
    find_it_open: ["mail_settled", "delivery_resumed"],
    unsubscribe: ["address_suppressed"],
    bounce: ["address_suppressed", "invitation_bounced"],
    complain: ["address_suppressed", "invitation_complained"],
    invite: ["invitation_created", "invitation_sent", "mail_settled"],
    claim: ["invitation_accepted", "invitation_activated"],
    activate: ["invitation_accepted", "invitation_activated"],
    decline: ["invitation_declined"],
    revoke: ["invitation_revoked"],
    expire: ["invitations_expired"],
    ask: ["mail_settled", "invitation_renewal_requested"],
}


class Crash(Exception):
    """Stand for a receiver that fails."""


def crash(**arguments: Any) -> None:
    raise Crash


@pytest.fixture
def raising() -> Iterator[None]:
    """Let a receiver of every signal raise, called before all others."""
    for signal in SIGNALS.values():
        signal.connect(crash)
    yield
    for signal in SIGNALS.values():
        signal.disconnect(crash)


@pytest.mark.parametrize("verb", VERBS)
def test_the_verb_tells_what_it_did_with_the_model_as_sender(
    member: Any, heard: Heard, verb: Any
) -> None:
    verb(member)
    assert heard.names() == VERBS[verb]
    assert {arguments["sender"] for _, arguments in heard} == {InvitationKey}


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_told_before_the_commit(member: Any, heard: Heard, verb: Any) -> None:
    with transaction.atomic():
        verb(member)
        assert heard == []
    assert sorted(heard.names()) == sorted(VERBS[verb])


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_told_and_nothing_is_left_on_rollback(
    member: Any, heard: Heard, outbox: list[Any], verb: Any
) -> None:
    with rolled_back():
        verb(member)
    assert (heard, outbox) == ([], [])
    assert not InvitationKey.objects.exists()
    assert spent(member) == 0


@pytest.mark.parametrize("verb", VERBS)
def test_a_raising_receiver_does_no_harm(
    raising: None, heard: Heard, member: Any, verb: Any
) -> None:
    verb(member)
    assert heard.names() == VERBS[verb]


def test_every_signal_is_sent_by_a_verb() -> None:
    assert set(SIGNALS) == {name for names in VERBS.values() for name in names}


def test_the_ids_of_a_batch_are_told_together(member: Any, heard: Heard) -> None:
    rows = [make_invitation(member, f"g{number}@example.org", left=-DAY) for number in range(5)]
    upkeep.expire(batch_size=2)
    batches = [arguments["invitation_ids"] for _, arguments in heard]
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert sorted(pk for batch in batches for pk in batch) == sorted(row.pk for row in rows)


def test_an_empty_batch_is_not_told(member: Any, heard: Heard) -> None:
    make_invitation(member)
    upkeep.expire()
    assert heard == []


def test_a_receiver_sees_the_committed_row(member: Any) -> None:
    seen: list[int] = []

    def look(invitation: InvitationKey, **arguments: Any) -> None:
        assert transaction.get_connection().in_atomic_block is False
        seen.append(InvitationKey.objects.get(pk=invitation.pk).uses)

    signals.invitation_accepted.connect(look)
    try:
        claim(member)
    finally:
        signals.invitation_accepted.disconnect(look)
    assert seen == [1]


def cancel(member: Any) -> None:
    mail_room.cancel([make_mail(make_invitation(member))])


def forget(member: Any) -> None:
    make_mail(make_invitation(member))
    privacy.forget(ADDRESS)


def come_back(member: Any) -> None:
    invite(member)
    report_bounce(ADDRESS, details="550 no")


def row_of(mail: InvitationEmail) -> dict[str, Any]:
    return InvitationEmail.objects.filter(pk=mail.pk).values().get()


@pytest.mark.parametrize(
    "verb", [invite, find_it_open, ask, cancel, forget, come_back], ids=lambda verb: verb.__name__
)
def test_who_is_told_of_a_mail_may_save_it(member: Any, outbox: list[Any], verb: Any) -> None:
    rows: list[tuple[Any, Any]] = []

    def save(mail: InvitationEmail | None = None, **told: Any) -> None:
        if mail is not None:
            before = row_of(mail)
            mail.save()
            rows.append((row_of(mail), before))

    for signal in SIGNALS.values():
        signal.connect(save)
    try:
        verb(member)
    finally:
        for signal in SIGNALS.values():
            signal.disconnect(save)
    assert rows
    assert all(after == before for after, before in rows)
