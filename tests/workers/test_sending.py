"""A member invites, and a worker sends: the database worker, and Celery's on each broker."""

from __future__ import annotations

import signal
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from invitation import keys
from invitation.addresses.recipients import Recipient
from invitation.flows import arriving, inviting, lists, quota
from invitation.models import InvitationEmail
from tests.factories import ADDRESS, make_user
from tests.workers.conftest import SlowSink, Way, eventually

pytestmark = pytest.mark.django_db(transaction=True)


def member_client() -> Client:
    client = Client()
    client.force_login(make_user("member"))
    return client


def invite(email: str, **fields: Any) -> InvitationEmail:
    """Invite as a member does, with a browser."""
    fields |= {"email": email}
    assert member_client().post(reverse("invitation_invite"), fields).status_code == 302
    return InvitationEmail.objects.get()


def is_sent(mail: InvitationEmail) -> bool:
    mail.refresh_from_db()
    return mail.state == "sent"


def test_the_worker_sends_what_a_member_asks_for(worker: Way, sink: SlowSink) -> None:
    mail = invite(ADDRESS)
    eventually(lambda: is_sent(mail))
    [(_, recipients, message)] = sink.got
    assert recipients == [ADDRESS]
    body = message.get_body(("plain",))
    assert body is not None
    [key] = set(keys.PATTERN.findall(body.get_content()))
    assert arriving.open_invitation(key).invitation == mail.invitation
    assert mail.attempts == 1


def test_each_of_a_long_list_is_sent_once(worker: Way, sink: SlowSink) -> None:
    addresses = sorted(f"person{number}@example.org" for number in range(120))
    inviter = make_user("member")
    quota.grant(inviter, len(addresses))
    lists.invite_many(inviter, [Recipient(*row) for row in enumerate(addresses)])
    unsent = InvitationEmail.objects.exclude(state="sent")
    eventually(lambda: not unsent.exists())
    assert sink.recipients() == addresses


def test_without_a_worker_an_id_waits_and_no_secret(way: Way, sink: SlowSink) -> None:
    way.stop()
    mail = invite(ADDRESS, note="See you at the lake")
    [message] = eventually(way.queued)
    assert str(mail.pk) in message
    invitation = mail.invitation
    secrets = [ADDRESS, "bob", "lake", "member@", invitation.locator, mail.header_id]
    assert [secret for secret in secrets if secret in message] == []
    assert sink.got == []


def test_a_worker_that_comes_late_sends_what_the_command_has_not(way: Way, sink: SlowSink) -> None:
    way.stop()
    invite(ADDRESS)
    second = inviting.invite(make_user("another"), "second@example.org").invitation
    call_command("sendinvitations", limit=1, verbosity=0)
    assert sink.recipients() == [ADDRESS]
    assert len(way.queued()) == 2
    way.start()
    eventually(lambda: is_sent(InvitationEmail.objects.get(invitation=second)))
    assert sink.recipients() == [ADDRESS, "second@example.org"]


def test_what_a_killed_worker_leaves_is_sent_by_the_command(worker: Way, sink: SlowSink) -> None:
    addresses = ["a@example.org", "slow@example.org", "z@example.org"]
    lists.invite_many(make_user("member"), [Recipient(*row) for row in enumerate(addresses)])
    assert sink.waiting.wait(60)
    worker.stop(signal.SIGKILL)
    sink.let_go.set()
    held = InvitationEmail.objects.filter(state="sending")
    assert "slow@example.org" in held.values_list("invitation__email", flat=True)
    # The leases run out.
    held.update(lease_until=timezone.now() - timedelta(seconds=1))
    call_command("sendinvitations", stdout=StringIO())
    assert not InvitationEmail.objects.exclude(state="sent").exists()
    # A server may have taken those that the worker did not record. Then it knows them again.
    got = [(recipient, message["Message-ID"]) for _, [recipient], message in sink.got]
    assert sorted(recipient for recipient, _ in set(got)) == addresses
    assert [recipient for recipient, _ in got].count("z@example.org") == 1
