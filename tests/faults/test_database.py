"""A database that hangs up, transactions that are not over, and clocks that differ."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import InterfaceError, OperationalError, connection, connections, transaction
from django.utils import timezone

from invitation.delivery.dummy import DummyDelivery
from invitation.flows import inviting
from invitation.flows.mail import deliver_due
from invitation.models import InvitationEmail
from tests.factories import ADDRESS, make_invitation, make_mail, make_user
from tests.faults.conftest import PATIENCE, Processes
from tests.faults.server import Server, Talk

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


def fill(number: int) -> None:
    inviter = make_user("inviter")
    for guest in range(number):
        invitation = make_invitation(inviter, f"guest{guest}@example.org")
        make_mail(invitation, message_id=f"<{guest}@example.com>")


def own_number() -> int:
    """Return the number of this thread's connection at the server."""
    postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {'pg_backend_pid' if postgresql else 'connection_id'}()")
        return int(cursor.fetchone()[0])


def cut(*spared: int) -> None:
    """Let the server end all connections but this one and those."""
    all_of = "SELECT id FROM information_schema.processlist WHERE db = database()"
    end = "KILL %s"
    if connection.vendor == "postgresql":
        all_of = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        end = "SELECT pg_terminate_backend(%s)"
    with connection.cursor() as cursor:
        cursor.execute(all_of)
        for (number,) in cursor.fetchall():
            if number not in {own_number(), *spared}:
                cursor.execute(end, [number])


def check_sent(server: Server, number: int, cuts: int) -> None:
    """Assert that all went, and few of them twice, as the same email."""
    times = Counter(server.recipients)
    assert len(times) == len({taken.message_id for taken in server.taken}) == number
    assert len(server.taken) - number <= cuts
    assert not InvitationEmail.objects.exclude(state="sent").exists()


@pytest.mark.row_locks
@pytest.mark.parametrize("command", ["MAIL", "BODY"])
def test_a_connection_that_is_cut_while_a_mail_is_on_its_way(
    processes: Callable[[Server], Processes], command: str
) -> None:
    cuts = iter(range(3))

    def script(said: str, rest: str, talk: Talk) -> None:
        if said == command and next(cuts, None) is not None:
            cut(spared)
            connections.close_all()  # this thread's own

    fill(5)
    spared = own_number()
    with Server(script) as server:
        assert processes(server).run() == "Sent: 5, not sent: 0.\n"
    # The email that was on its way is noted with a new connection, so that none goes twice.
    check_sent(server, 5, 0)


@pytest.mark.row_locks
def test_a_connection_that_is_cut_between_two_mails(
    processes: Callable[[Server], Processes],
) -> None:
    fill(2)
    with Server() as server:
        process = processes(server).command("--loop", "--interval=1")
        for number in (2, 3, 4):
            end = time.monotonic() + PATIENCE
            while InvitationEmail.objects.filter(state="sent").count() < number:
                assert time.monotonic() < end
                time.sleep(0.1)
            cut()
            make_mail(make_invitation(email=f"late{number}@example.org"), message_id=f"<{number}>")
        end = time.monotonic() + PATIENCE
        while InvitationEmail.objects.exclude(state="sent").exists():
            assert time.monotonic() < end
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
    # A connection that was cut while it rested is made again without a word. One that was cut right
    # after sending costs the line about it.
    assert "Sent: 1, not sent: 0." in said.splitlines()
    check_sent(server, 5, 3)


@pytest.mark.row_locks
def test_a_connection_that_is_cut_before_each_statement(outbox: list[InvitationEmail]) -> None:
    cut_before = 0
    while True:
        outbox.clear()
        guests = [f"guest{cut_before}.{guest}@example.org" for guest in range(3)]
        mails = {make_mail(make_invitation(email=guest)) for guest in guests}
        statements = iter(range(1000))

        def execute(execute: Any, sql: str, *rest: Any) -> Any:
            if next(statements) == cut_before:  # noqa: B023 (called in this round alone)
                number = own_number()
                with ThreadPoolExecutor(1) as another:
                    another.submit(end_of, number).result()
            return execute(sql, *rest)

        with connection.execute_wrapper(execute):
            whole = deliver_once()
            if next(statements) <= cut_before:
                assert whole
                break
        InvitationEmail.objects.filter(state="sending").update(lease_until=timezone.now())
        deliver_due()
        assert set(InvitationEmail.objects.values_list("state", flat=True)) == {"sent"}
        assert set(outbox) == mails
        # What was noted through a new connection goes no other time.
        assert len(outbox) == len(mails), cut_before
        cut_before += 1
    assert cut_before > 6  # pause, lease, look, whether they are wanted, members, mark


def end_of(number: int) -> None:
    """Let the server end a connection."""
    end = "SELECT pg_terminate_backend(%s)" if connection.vendor == "postgresql" else "KILL %s"
    with connection.cursor() as cursor:
        cursor.execute(end, [number])
    connections.close_all()  # this thread's own


def deliver_once() -> bool:
    """Send what is due, as a loop does; tell whether the database was there."""
    try:
        deliver_due()
    except (OperationalError, InterfaceError):
        connections.close_all()
        return False
    return True


@pytest.mark.parametrize("kept", [True, False], ids=["commit", "rollback"])
def test_a_worker_that_comes_before_the_commit_finds_nothing(
    processes: Callable[[Server], Processes], settings: Any, kept: bool
) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    member = make_user("member")
    with Server() as server:
        run = processes(server).run
        with transaction.atomic():
            inviting.invite(member, ADDRESS)
            assert run() == "Sent: 0, not sent: 0.\n"
            transaction.set_rollback(not kept)
        assert run() == f"Sent: {int(kept)}, not sent: 0.\n"
    assert server.recipients == [ADDRESS] * kept


# -- clocks --


@pytest.fixture
def outbox(settings: Any) -> Iterator[list[InvitationEmail]]:
    settings.INVITATION_DELIVERY = "invitation.delivery.dummy.DummyDelivery"
    DummyDelivery.outbox.clear()
    yield DummyDelivery.outbox
    DummyDelivery.outbox.clear()


@pytest.mark.parametrize(("skew", "first"), [(HOUR, 1), (-HOUR, 0)], ids=["fast", "slow"])
def test_a_worker_whose_clock_is_wrong_loses_no_mail(
    outbox: list[InvitationEmail], skew: timedelta, first: int
) -> None:
    now = timezone.now()
    make_mail(make_invitation(left=timedelta(days=1)), not_before=now)
    with time_machine.travel(now + skew, tick=False):
        assert deliver_due() == (first, 0)
    with time_machine.travel(now + timedelta(seconds=1), tick=False):
        assert deliver_due() == (1 - first, 0)
    assert len(outbox) == 1


def test_one_whose_clock_is_fast_may_take_what_another_has_leased_but_not_begun(
    outbox: list[InvitationEmail],
) -> None:
    now = timezone.now()
    mails = [make_mail(make_invitation(email=f"g{n}@example.org")) for n in range(2)]
    with time_machine.travel(now, tick=False):
        held = InvitationEmail.objects.lease_batch(2, now)
    with time_machine.travel(now + HOUR, tick=False):
        assert deliver_due() == (2, 0)
    # The one that was overtaken notices before it sends.
    assert not any(InvitationEmail.objects.begin(mail, now) for mail in held)
    assert outbox == mails
