"""TaskDelivery: options, backends that cannot wait, and backends that do not queue."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.core.checks import Error
from django.core.checks import Warning as CheckWarning
from django.utils import timezone

from invitation.delivery.base import get_delivery
from invitation.delivery.tasks import TaskDelivery, chosen_options
from invitation.flows import inviting
from invitation.models import InvitationEmail
from tests.delivery.queues import ROOM, TaskQueue
from tests.factories import ADDRESS

pytestmark = pytest.mark.django_db

KEEPING = "tests.delivery.backends.Keeping"
IMMEDIATE = f"{ROOM}.backends.immediate.ImmediateBackend"


class UrgentDelivery(TaskDelivery):
    queue_name = "mail"
    priority = 7


URGENT = f"{__name__}.UrgentDelivery"


def test_the_queue_and_the_priority_are_the_delivery_s(
    task_queue: TaskQueue, settings: Any
) -> None:
    get_delivery().hand_over([7])  # the task is defined, and goes elsewhere by itself
    task_queue.use(KEEPING, QUEUES=["mail", "default"])
    settings.INVITATION_DELIVERY = URGENT
    delivery = get_delivery()
    assert delivery.check() == []
    delivery.hand_over([1])
    [message] = task_queue.messages()
    assert message.options == {"queue_name": "mail", "priority": 7}


def test_the_task_is_defined_where_the_site_s_delivery_sends_it(
    task_queue: TaskQueue, settings: Any
) -> None:
    assert chosen_options() == {"backend": "default", "queue_name": "default", "priority": 0}
    settings.INVITATION_DELIVERY = URGENT
    assert chosen_options() == {"backend": "default", "queue_name": "mail", "priority": 7}
    settings.INVITATION_DELIVERY = "invitation.delivery.email.EmailDelivery"
    assert chosen_options() == {}


def test_what_a_backend_cannot_keep_for_later_is_left_to_the_command(
    task_queue: TaskQueue, caplog: Any
) -> None:
    task_queue.use("tests.delivery.backends.Forgetful")
    get_delivery().hand_over([1], timezone.now() + timedelta(minutes=5))
    assert task_queue.messages() == []
    assert caplog.text == ""
    get_delivery().hand_over([1])
    assert task_queue.pks() == [[1]]


def test_a_time_is_the_task_s_own(task_queue: TaskQueue) -> None:
    moment = timezone.now() + timedelta(days=1)
    get_delivery().hand_over([1], moment)
    [message] = task_queue.messages()
    assert message.not_before == moment


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ({"other": {"BACKEND": KEEPING}}, "default"),
        ({"default": {"BACKEND": KEEPING, "QUEUES": ["other"]}}, "Queue 'default' is not valid"),
        ({"default": {"BACKEND": "tests.nowhere.Backend"}}, "tests.nowhere"),
    ],
    ids=["no such alias", "no such queue", "no such backend"],
)
def test_a_backend_that_refuses_the_task_is_reported(
    task_queue: TaskQueue, settings: Any, tasks: Any, words: str
) -> None:
    get_delivery().hand_over([1])  # the task is defined already, as in a process that runs
    task_queue.use(KEEPING)
    settings.TASKS = tasks
    [message] = get_delivery().check()
    assert message.id == "invitation.E047"
    assert words in message.msg


def test_what_a_backend_says_of_itself_is_reported(
    task_queue: TaskQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = type(task_queue.room.task_backends["default"])
    said = [CheckWarning("Slow today."), Error("Its app is not installed.")]
    monkeypatch.setattr(backend, "check", lambda self: said)
    [message] = get_delivery().check()
    assert message.id == "invitation.E047"
    assert message.msg.endswith("Its app is not installed.")


@pytest.mark.parametrize("kind", ["immediate.ImmediateBackend", "dummy.DummyBackend"])
def test_a_backend_without_workers_is_warned_of(
    task_queue: TaskQueue, settings: Any, kind: str
) -> None:
    task_queue.use(f"{ROOM}.backends.{kind}")
    [message] = get_delivery().check()
    assert message.id == "invitation.W016"
    settings.DEBUG = True
    assert get_delivery().check() == []


def test_where_tasks_run_at_once_the_mail_goes_at_once(
    task_queue: TaskQueue, member: Any, commit: Any
) -> None:
    task_queue.use(IMMEDIATE)
    with commit():
        inviting.invite(member, ADDRESS)
        assert django_mail.outbox == []
    assert [message.to for message in django_mail.outbox] == [[ADDRESS]]
    assert InvitationEmail.objects.get().state == "sent"


def test_where_tasks_run_at_once_an_error_ends_in_the_row(
    task_queue: TaskQueue, member: Any, commit: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def refuse(*args: Any) -> int:
        raise ConnectionRefusedError("no mail server")

    task_queue.use(IMMEDIATE)
    backend = "django.core.mail.backends.locmem.EmailBackend.send_messages"
    monkeypatch.setattr(backend, refuse)
    with commit(), caplog.at_level(logging.CRITICAL):
        inviting.invite(member, ADDRESS)
    mail = InvitationEmail.objects.get()
    assert mail.state == "queued"
    assert "no mail server" in mail.last_error
