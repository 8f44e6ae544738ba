"""What is true of the deliveries by workers, whoever runs the workers."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from smtplib import SMTPDataError
from typing import Any

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from invitation.addresses.recipients import Recipient
from invitation.delivery import workers
from invitation.delivery.background import BackgroundDelivery
from invitation.delivery.base import get_delivery
from invitation.flows import inviting, lists
from invitation.flows.mail import deliver_due
from invitation.models import DeliveryPause, InvitationEmail, InvitationKey
from tests.conftest import Sink
from tests.delivery.queues import ROOM, Queue
from tests.factories import ADDRESS, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def invite(commit: Any, inviter: Any, email: str = ADDRESS, **fields: Any) -> InvitationEmail:
    with commit():
        invitation = inviting.invite(inviter, email, **fields).invitation
    return InvitationEmail.objects.get(invitation=invitation)


# -- what is handed over, and when --


def test_it_is_handed_over_after_the_commit(queue: Queue, member: Any, commit: Any) -> None:
    with commit():
        inviting.invite(member, ADDRESS)
        assert queue.messages() == []
    assert queue.pks() == [[InvitationEmail.objects.get().pk]]


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_not_handed_over(queue: Queue, member: Any) -> None:
    with transaction.atomic():
        inviting.invite(member, ADDRESS)
        transaction.set_rollback(True)
    assert queue.messages() == []


def test_the_row_waits_unheld(queue: Queue, member: Any, commit: Any) -> None:
    mail = invite(commit, member)
    assert (mail.state, mail.attempts, mail.lease_until) == ("queued", 0, None)


def test_a_message_holds_the_id_and_nothing_secret(queue: Queue, member: Any, commit: Any) -> None:
    mail = invite(commit, member, recipient_name="Robert", note="See you at the lake")
    [message] = queue.messages()
    invitation = mail.invitation
    secrets = [ADDRESS, "bob", "Robert", "lake", member.email, mail.header_id]
    secrets += [invitation.locator, invitation.mail_key, invitation.key]
    assert str(mail.pk) in message.text
    assert [secret for secret in secrets if secret in message.text] == []


def test_a_list_is_handed_over_in_batches(
    queue: Queue, member: Any, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BackgroundDelivery, "batch_size", 2)
    people = [Recipient(number, f"person{number}@example.org") for number in range(5)]
    with commit():
        lists.invite_many(member, people)
    written = list(InvitationEmail.objects.order_by("pk").values_list("pk", flat=True))
    assert queue.pks() == [written[:2], written[2:4], written[4:]]


def test_asking_for_the_mail_again_hands_over(
    queue: Queue, member: Any, commit: Any, settings: Any
) -> None:
    settings.INVITATION_RESEND_COOLDOWN = timedelta(0)
    mail = invite(commit, member)
    queue.messages()
    with commit():
        inviting.resend(mail.invitation)
    assert queue.pks() == [[mail.pk]]


def test_for_nothing_there_is_no_message(queue: Queue) -> None:
    get_delivery().hand_over([])
    assert queue.messages() == []


def test_what_has_to_wait_is_handed_over_with_its_time(queue: Queue) -> None:
    get_delivery().hand_over([7], timezone.now() + MINUTE)
    [message] = queue.messages()
    assert message.pks == [7]
    assert message.not_before


# -- what the task does --


def test_the_task_sends(queue: Queue, commit: Any, mailoutbox: Any) -> None:
    mail = make_mail()
    with commit():
        assert queue.run([mail.pk]) == {"sent": 1, "unsent": 0}
    assert [message.to for message in mailoutbox] == [[ADDRESS]]
    mail.refresh_from_db()
    assert mail.state == "sent"


def test_a_task_that_comes_twice_sends_once(queue: Queue, commit: Any, mailoutbox: Any) -> None:
    mail = make_mail()
    with commit():
        queue.run([mail.pk])
        assert queue.run([mail.pk]) == {"sent": 0, "unsent": 0}
        assert queue.run([mail.pk, mail.pk]) == {"sent": 0, "unsent": 0}
    assert len(mailoutbox) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "sent"},
        {"state": "failed"},
        {"state": "cancelled"},
        {"state": "sending", "lease_until": MINUTE},
        {"state": "queued", "not_before": MINUTE},
    ],
    ids=["sent", "failed", "cancelled", "held by somebody else", "not due"],
)
def test_a_task_that_has_nothing_to_send_leaves_the_row_alone(
    queue: Queue, commit: Any, mailoutbox: Any, fields: dict[str, Any]
) -> None:
    now = timezone.now()
    times = {name: now + value for name, value in fields.items() if isinstance(value, timedelta)}
    mail = make_mail(**fields | times)
    before = InvitationEmail.objects.values().get()
    with commit():
        assert queue.run([mail.pk]) == {"sent": 0, "unsent": 0}
    assert InvitationEmail.objects.values().get() == before
    assert mailoutbox == []


def test_a_task_whose_row_is_gone_does_nothing(queue: Queue, mailoutbox: Any) -> None:
    mail = make_mail()
    mail.invitation.delete()
    assert queue.run([mail.pk]) == {"sent": 0, "unsent": 0}
    assert mailoutbox == []


def test_a_task_before_its_row_is_committed_does_nothing(queue: Queue, mailoutbox: Any) -> None:
    assert queue.run([2**31]) == {"sent": 0, "unsent": 0}
    assert mailoutbox == []


def test_a_task_that_comes_late_still_sends(queue: Queue, commit: Any, mailoutbox: Any) -> None:
    mail = make_mail(make_invitation(make_user("ann"), left=timedelta(days=9)))
    with time_machine.travel(timezone.now() + timedelta(days=8)), commit():
        assert queue.run([mail.pk]) == {"sent": 1, "unsent": 0}
    assert len(mailoutbox) == 1


def test_a_task_for_what_was_withdrawn_meanwhile_sends_nothing(
    queue: Queue, commit: Any, mailoutbox: Any
) -> None:
    mail = make_mail(make_invitation(status=InvitationKey.Status.REVOKED))
    with commit():
        assert queue.run([mail.pk]) == {"sent": 0, "unsent": 1}
    mail.refresh_from_db()
    assert (mail.state, mail.failure) == ("failed", "pointless")
    assert mailoutbox == []


def test_what_did_not_go_is_handed_over_again_for_later(
    queue: Queue, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*args: Any) -> int:
        raise SMTPDataError(451, "try again later")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", break_off)
    mail = make_mail()
    with commit():
        assert queue.run([mail.pk]) == {"sent": 0, "unsent": 1}
    [message] = queue.messages()
    assert message.pks == [mail.pk]
    assert message.not_before
    mail.refresh_from_db()
    assert mail.state == "queued"


def test_while_the_queue_is_paused_nothing_is_tried_and_the_rows_come_back(
    queue: Queue, commit: Any, mailoutbox: Any
) -> None:
    mail = make_mail()
    now = timezone.now()
    DeliveryPause.objects.create(since=now, until=now + MINUTE, failures=1)
    with commit():
        assert queue.run([mail.pk]) == {"sent": 0, "unsent": 0}
    [message] = queue.messages()
    assert message.pks == [mail.pk]
    assert message.not_before
    assert mailoutbox == []
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == ("queued", 0)


# -- when nobody takes it --


def test_a_broken_queue_holds_nobody_up_and_loses_nothing(
    queue: Queue, member_client: Client, commit: Any, mailoutbox: Any, caplog: Any
) -> None:
    queue.break_down()
    with commit(), caplog.at_level(logging.ERROR):
        answer = member_client.post(reverse("invitation_invite"), {"email": ADDRESS})
    assert answer.status_code == 302
    assert "told no worker of 1 emails" in caplog.text
    mail = InvitationEmail.objects.get()
    secrets = [ADDRESS, "bob", mail.invitation.locator]
    assert [secret for secret in secrets if secret in caplog.text] == []
    with commit():
        assert deliver_due() == (1, 0)
    assert [message.to for message in mailoutbox] == [[ADDRESS]]


def test_a_batch_asks_a_broken_queue_once(queue: Queue, caplog: Any) -> None:
    queue.break_down()
    with get_delivery() as delivery:
        delivery.hand_over([1])
        delivery.hand_over([2])
    assert caplog.text.count("told no worker") == 1
    with get_delivery() as another:
        another.hand_over([3])
    assert caplog.text.count("told no worker") == 2


# -- no request waits for a mail server --


@pytest.fixture
def knocks(smtp: Sink, settings: Any) -> Iterator[list[Any]]:
    """Return who has knocked at the mail server, which lets them in and never says a word."""
    server = socket.create_server(("127.0.0.1", 0))
    visitors: list[Any] = []

    def listen() -> None:
        while True:
            try:
                visitors.append(server.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    port = server.getsockname()[1]
    if hasattr(settings, "MAILERS"):
        backend = settings.MAILERS["default"]["BACKEND"]
        options = {"host": "127.0.0.1", "port": port}
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
    else:
        settings.EMAIL_PORT = port
    try:
        yield visitors
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)
        for visitor in visitors:
            visitor.close()


def test_a_request_that_invites_opens_no_socket_to_a_mail_server(
    queue: Queue, member_client: Client, commit: Any, knocks: list[Any]
) -> None:
    with commit():
        answer = member_client.post(reverse("invitation_invite"), {"email": ADDRESS})
    assert answer.status_code == 302
    assert len(queue.messages()) == 1
    assert knocks == []


def test_this_is_seen(
    member_client: Client,
    commit: Any,
    knocks: list[Any],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.email.EmailDelivery"
    monkeypatch.setattr("invitation.delivery.email.EmailDelivery.timeout", 0.2)
    with commit():
        member_client.post(reverse("invitation_invite"), {"email": ADDRESS})
    assert len(knocks) == 1


# -- set-up --


@pytest.mark.parametrize(
    ("path", "package", "words"),
    [
        ("invitation.delivery.celery.CeleryDelivery", "celery", "needs the package celery"),
        ("invitation.delivery.tasks.TaskDelivery", ROOM, "or the package django-tasks"),
    ],
    ids=["celery", "tasks"],
)
def test_a_package_that_is_missing_is_reported(
    settings: Any, monkeypatch: pytest.MonkeyPatch, path: str, package: str, words: str
) -> None:
    settings.INVITATION_DELIVERY = path
    delivery = get_delivery()
    assert isinstance(delivery, BackgroundDelivery)
    # Importing what is None in this place fails, as where it is not installed.
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, delivery.task.rpartition(".")[0], raising=False)
    [message] = delivery.check()
    assert message.id == "invitation.E046"
    assert words in message.msg
    with pytest.raises(ImproperlyConfigured, match=words):
        delivery.get_task()
    workers.register()
    delivery.hand_over([1])


def test_whatever_else_stops_the_task_is_reported(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("a backend of the site")

    monkeypatch.setattr(BackgroundDelivery, "get_task", fail)
    [message] = get_delivery().check()
    assert message.id == "invitation.E047"
    assert "RuntimeError: a backend of the site" in message.msg


def test_a_delivery_that_cannot_be_had_keeps_no_process_from_starting(settings: Any) -> None:
    settings.INVITATION_DELIVERY = "tests.nowhere.Delivery"
    workers.register()
