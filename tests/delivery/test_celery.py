"""CeleryDelivery: options, a broker that is down or hangs, and what a worker can find."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from invitation.delivery.base import get_delivery
from invitation.delivery.celery import CeleryDelivery
from invitation.flows import inviting
from invitation.flows.mail import deliver_due
from invitation.models import InvitationEmail
from tests.delivery.queues import CeleryQueue
from tests.factories import ADDRESS, make_mail

pytestmark = pytest.mark.django_db


class UrgentDelivery(CeleryDelivery):
    queue = "mail"
    priority = 7


def test_the_queue_and_the_priority_are_the_delivery_s(
    celery_queue: CeleryQueue, settings: Any
) -> None:
    settings.INVITATION_DELIVERY = f"{__name__}.UrgentDelivery"
    get_delivery().hand_over([1])
    [message] = celery_queue.messages()
    assert message.options == {"queue": "mail", "priority": 7}


def test_where_it_says_nothing_the_site_s_routes_decide(celery_queue: CeleryQueue) -> None:
    celery_queue.app.conf.task_routes = {"invitation.*": {"queue": "letters"}}
    get_delivery().hand_over([1])
    [message] = celery_queue.messages()
    assert message.options["queue"] == "letters"


def test_what_has_to_wait_long_is_left_to_the_command(celery_queue: CeleryQueue) -> None:
    now = timezone.now()
    longest = CeleryDelivery.longest_wait
    get_delivery().hand_over([1], now + longest + timedelta(minutes=1))
    assert celery_queue.messages() == []
    get_delivery().hand_over([1], now + longest - timedelta(minutes=1))
    assert celery_queue.pks() == [[1]]


def test_what_is_due_already_has_not_to_wait(celery_queue: CeleryQueue) -> None:
    get_delivery().hand_over([1], timezone.now() - timedelta(days=1))
    [message] = celery_queue.messages()
    assert message.not_before is None


def test_no_result_is_kept_and_a_message_is_done_with_when_its_mails_are(
    celery_queue: CeleryQueue,
) -> None:
    task = celery_queue.app.tasks["invitation.deliver"]
    assert (task.ignore_result, task.acks_late, task.reject_on_worker_lost) == (True, True, True)


# -- a broker that is down --


@pytest.fixture
def silence() -> Any:
    """Return the port of a server that lets everybody in and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("url", ["amqp://guest@127.0.0.1:{}//", "redis://127.0.0.1:{}/0"])
def test_a_broker_that_hangs_costs_bounded_time(
    celery_queue: CeleryQueue, silence: int, url: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    if url.startswith("redis"):
        pytest.importorskip("redis", reason="a broker on Redis needs redis")
    monkeypatch.setattr(CeleryDelivery, "broker_timeout", 0.3)
    monkeypatch.setattr(CeleryDelivery, "batch_size", 1)
    celery_queue.app.conf.broker_url = url.format(silence)
    start = time.monotonic()
    get_delivery().hand_over(range(20))
    assert time.monotonic() - start < 3
    assert "told no worker of 20 emails" in caplog.text


def test_a_member_does_not_wait_for_a_broker_that_hangs_and_the_mail_is_not_lost(
    celery_queue: CeleryQueue,
    silence: int,
    member_client: Client,
    commit: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CeleryDelivery, "broker_timeout", 0.3)
    celery_queue.app.conf.broker_url = f"amqp://guest@127.0.0.1:{silence}//"
    start = time.monotonic()
    with commit():
        answer = member_client.post(reverse("invitation_invite"), {"email": ADDRESS})
    assert time.monotonic() - start < 3
    assert answer.status_code == 302
    assert InvitationEmail.objects.get().state == "queued"
    with commit():
        assert deliver_due() == (1, 0)
    assert [message.to for message in django_mail.outbox] == [[ADDRESS]]


@pytest.mark.parametrize("url", ["amqp://guest@127.0.0.1:1//", "redis://127.0.0.1:1/0"])
def test_a_broker_that_is_not_there_costs_no_time(
    celery_queue: CeleryQueue, url: str, caplog: Any
) -> None:
    if url.startswith("redis"):
        pytest.importorskip("redis", reason="a broker on Redis needs redis")
    celery_queue.app.conf.broker_url = url
    start = time.monotonic()
    get_delivery().hand_over([1, 2])
    assert time.monotonic() - start < 5
    assert "told no worker of 2 emails" in caplog.text


# -- set-up --


def test_a_site_without_a_celery_app_is_reported(settings: Any) -> None:
    celery = pytest.importorskip("celery", reason="CeleryDelivery needs celery")
    from celery.contrib.testing.app import setup_default_app

    # What Celery itself makes where no app is.
    app = celery.Celery("default", set_as_current=False)
    with setup_default_app(app):
        app.set_default()
        app.set_current()
        [message] = CeleryDelivery().check()
    assert message.id == "invitation.E047"
    assert "app is not imported" in message.msg


def test_tasks_that_run_at_once_are_warned_of(celery_queue: CeleryQueue, settings: Any) -> None:
    celery_queue.app.conf.task_always_eager = True
    [message] = get_delivery().check()
    assert message.id == "invitation.W016"
    settings.DEBUG = True
    assert get_delivery().check() == []


def test_a_delivery_in_order_is_not_reported(celery_queue: CeleryQueue) -> None:
    assert get_delivery().check() == []


def test_where_tasks_run_at_once_the_mail_goes_at_once_and_needs_no_broker(
    celery_queue: CeleryQueue, member: Any, commit: Any
) -> None:
    celery_queue.app.conf.task_always_eager = True
    celery_queue.break_down()
    with commit():
        inviting.invite(member, ADDRESS)
    assert [message.to for message in django_mail.outbox] == [[ADDRESS]]
    assert InvitationEmail.objects.get().state == "sent"


def test_where_tasks_run_at_once_a_retry_waits_for_the_command(
    celery_queue: CeleryQueue,
    member: Any,
    commit: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
) -> None:
    celery_queue.app.conf.task_always_eager = True
    tried: list[Any] = []

    def refuse(backend: Any, messages: Any) -> int:
        tried.extend(messages)
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    with commit():
        inviting.invite(member, ADDRESS)
    assert len(tried) == 1
    assert InvitationEmail.objects.get().state == "queued"
    # As it would if the retry were made at once, again and again.
    assert "told no worker" not in caplog.text


#: A worker would also run the system checks, which look at the task; but it can be told not to.
FIND_TASK = """
import django
from celery import Celery

app = Celery("site")
django.setup()
print("invitation.deliver" in app.tasks)
"""


@pytest.mark.parametrize(
    ("delivery", "found"),
    [
        ("invitation.delivery.celery.CeleryDelivery", "True"),
        pytest.param("tests.delivery.test_celery.UrgentDelivery", "True", marks=pytest.mark.long),
        pytest.param("invitation.delivery.email.EmailDelivery", "False", marks=pytest.mark.long),
    ],
    ids=["chosen", "a subclass", "not chosen"],
)
def test_a_process_knows_the_task_where_it_is_wanted(
    tmp_path: Any, delivery: str, found: str
) -> None:
    pytest.importorskip("celery", reason="CeleryDelivery needs celery")
    (tmp_path / "chosen.py").write_text(
        f"from tests.settings import *\nINVITATION_DELIVERY = {delivery!r}\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", FIND_TASK],
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "chosen",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd()]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.strip() == found, run.stderr


def test_the_task_sends_what_a_retry_waits_for(celery_queue: CeleryQueue, commit: Any) -> None:
    mail = make_mail(attempts=3)
    with commit():
        assert celery_queue.run([mail.pk]) == {"sent": 1, "unsent": 0}
