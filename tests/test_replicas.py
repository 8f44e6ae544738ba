"""A router sends reads to a replica that lags behind, and nobody notices.

The replica is a second database of SQLite. It has what the first one had when it was last copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from invitation import keys
from invitation.addresses.recipients import Recipient
from invitation.exceptions import KeyNotFound, MailLimitReached
from invitation.flows import arriving, inviting, lists, privacy, quota, sharing
from invitation.keys.links import new_locator
from invitation.models import Acceptance, InvitationEmail, InvitationKey
from tests.factories import make_invitation, make_user
from tests.scenes import (
    COMPLETE,
    DECLINE,
    INVITE,
    LANDING,
    NEWCOMER,
    REGISTER,
    accounts,
    activate,
    answers,
    flags,
    link,
    may_share,
    path_in,
    statements,
    visit,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="copies a database of SQLite"),
]

LIST = "/accounts/invitations/"


class Router:
    """Read from the replica, whatever it is about, and write to the first database."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"

    def allow_relation(self, *rows: Any, **hints: Any) -> bool:
        return True


class Replica:
    """Second database, and what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.connection: Any = connections["default"].copy("replica")
        self.connection.settings_dict["NAME"] = "file:replica?mode=memory"

    def catch_up(self) -> None:
        """Let the replica have what the first database has now."""
        connection.ensure_connection()
        self.connection.ensure_connection()
        connection.connection.backup(self.connection.connection)

    def note(self, execute: Any, sql: str, *args: Any) -> Any:
        self.asked.append(sql)
        assert sql.startswith("SELECT"), sql
        return execute(sql, *args)


@pytest.fixture
def replica(settings: Any, member: Any) -> Iterator[Replica]:
    """Use a replica that has seen the member, and nothing that happens in the test."""
    replica = Replica()
    connections["replica"] = replica.connection
    with replica.connection.execute_wrapper(replica.note):
        settings.DATABASE_ROUTERS = [Router()]
        replica.catch_up()
        yield replica
        del settings.DATABASE_ROUTERS
    replica.connection.connection.close()
    del connections["replica"]


@pytest.fixture
def client_of_member(member_client: Client, replica: Replica) -> Client:
    """Return the browser of the member, whose session has reached the replica."""
    replica.catch_up()
    return member_client


def test_a_member_sees_at_once_what_they_have_done(client_of_member: Client) -> None:
    assert client_of_member.post(INVITE, {"email": NEWCOMER}).status_code == 302
    page = client_of_member.get(COMPLETE)
    assert NEWCOMER in page.text
    invitation = InvitationKey.objects.get()
    assert NEWCOMER in client_of_member.get(LIST).text
    detail = reverse("invitation_detail", args=[invitation.pk])
    assert NEWCOMER in client_of_member.get(detail).text
    assert client_of_member.post(f"{detail}revoke/").status_code == 302
    assert client_of_member.get(detail).context["invitation"].state == "revoked"


def test_a_fresh_invitation_opens_and_is_claimed(replica: Replica, member: Any) -> None:
    invitation = inviting.invite(member, NEWCOMER).invitation
    browser = visit(invitation)
    assert browser.get(LANDING).status_code == 200
    assert browser.get(REGISTER).status_code == 200
    assert browser.post(REGISTER, answers()).status_code == 302
    assert accounts().using("default").exists()
    invitation.refresh_from_db()
    assert invitation.status == "accepted"
    assert Client().get(link(invitation.mail_key)).status_code == 410


def test_a_fresh_invitation_is_declined(replica: Replica, member: Any) -> None:
    invitation = inviting.invite(member, NEWCOMER).invitation
    browser = visit(invitation)
    assert browser.get(DECLINE).status_code == 200
    assert browser.post(DECLINE).status_code == 200
    assert flags(browser.get(LANDING)) == {"declined_key"}


def test_the_quota_is_exact(replica: Replica, member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 3
    invitations = [inviting.invite(member, f"a{n}@example.org").invitation for n in range(2)]
    assert quota.remaining_invitations(member) == 1
    inviting.revoke(invitations[0])
    inviting.extend(invitations[1])
    inviting.resend(make_invitation(member, "b@example.org"))
    quota.grant(member, 2)
    assert quota.remaining_invitations(member) == 3


def test_a_shared_link_is_made_changed_and_opened(replica: Replica, member: Any) -> None:
    owner = may_share(member)
    replica.catch_up()
    owner = type(owner)._default_manager.get(pk=owner.pk)
    shared = sharing.share(owner, label="all", max_uses=3, expires_at=None, word="lake-house")
    sharing.edit_shared(shared, label="all", max_uses=2, expires_at=None, word="lake-house")
    sharing.pause(shared)
    replica.catch_up()
    sharing.resume(shared)
    assert sharing.open_code(shared.code).invitation == shared
    assert sharing.open_word("lake-house").invitation == shared
    assert visit(shared).get(LANDING).status_code == 200
    sharing.close(shared)


def test_a_fresh_invitation_is_accepted_by_a_member(replica: Replica, member: Any) -> None:
    friend = make_user("friend")
    invitation = inviting.invite(member, friend.email).invitation
    browser = visit(invitation)
    browser.force_login(friend)
    replica.catch_up()
    InvitationKey.objects.filter(pk=invitation.pk).update(email=friend.email.upper())
    assert browser.post(f"{LANDING}accept/").status_code in (200, 302)
    assert Acceptance.objects.get().user == friend


def test_a_fresh_account_is_activated_and_invites(replica: Replica, member: Any) -> None:
    invitation = inviting.invite(member, NEWCOMER).invitation
    django_mail.outbox.clear()
    browser = visit(invitation)
    browser.post(REGISTER, answers())
    [message] = django_mail.outbox
    replica.catch_up()  # Redux reads the account.
    assert activate(Client(), path_in(message)).status_code == 302
    account = accounts().using("default").get()
    assert account.is_active
    assert inviting.invite(account, "next@example.com").mailed


def test_emails_of_the_outbox_are_sent(replica: Replica, member: Any, settings: Any) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    fresh = make_user("fresh")
    for inviter in (member, fresh):
        inviting.invite(inviter, NEWCOMER)
    lists.invite_many(fresh, [Recipient(1, "a@example.org"), Recipient(2, "b@example.org")])
    call_command("sendinvitations", verbosity=0)
    assert len(django_mail.outbox) == 4
    assert set(InvitationEmail.objects.values_list("state", flat=True)) == {"sent"}


def test_cleanup_marks_deletes_and_forgets(replica: Replica, member: Any, settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 1
    make_invitation(member, NEWCOMER, left=-timedelta(hours=1), quota_held=1)
    old = timezone.now() - timedelta(days=9)
    make_invitation(member, "b@example.org", status="revoked", ended_at=old)
    call_command("cleanupinvitation", verbosity=0)
    assert InvitationKey.objects.get().status == "expired"
    assert privacy.forget(NEWCOMER).invitations == 1
    assert privacy.export(NEWCOMER)["invitations"] == []


def test_what_the_replica_does_not_know_yet_opens_nothing(replica: Replica, member: Any) -> None:
    invitation = inviting.invite(member, NEWCOMER).invitation
    replica.catch_up()
    browser = visit(invitation)
    inviting.revoke(invitation)
    assert browser.post(REGISTER, answers()).status_code == 410
    assert not accounts().using("default").exists()


def test_what_has_ended_on_the_replica_alone_opens(replica: Replica, member: Any) -> None:
    invitation = make_invitation(member, left=-timedelta(hours=1))
    replica.catch_up()
    InvitationKey.objects.filter(pk=invitation.pk).update(expires_at=None)
    assert visit(invitation).get(LANDING).status_code == 200


def test_what_the_replica_opens_is_asked_of_nobody_else(replica: Replica, member: Any) -> None:
    invitation = make_invitation(member)
    replica.catch_up()
    replica.asked.clear()
    with statements() as asked:
        visit(invitation).head(LANDING)
    assert asked == []
    assert len([sql for sql in replica.asked if "locator" in sql]) == 2


def test_an_unknown_key_costs_one_query_more_and_a_forged_one_none(replica: Replica) -> None:
    replica.asked.clear()
    with statements() as asked:
        with pytest.raises(KeyNotFound):
            arriving.open_invitation(keys.make(new_locator(), keys.MAIL, 1), 1, may_lag=True)
        assert (len(asked), len(replica.asked)) == (1, 1)
        with pytest.raises(KeyNotFound):
            arriving.open_invitation("x" * keys.KEY_LENGTH, 1, may_lag=True)
        assert (len(asked), len(replica.asked)) == (1, 1)


# -- another database than the default one ---------------------------------------------------------


class Elsewhere(Router):
    """Read and write everything in another database than ``default``."""

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "replica"


@pytest.fixture
def elsewhere(settings: Any, member: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Replica]:
    """Keep all tables in another database; nobody asks ``default`` for anything."""

    def refuse(execute: Any, sql: str, *args: Any) -> Any:
        assert sql == "BEGIN", f"The default database was asked: {sql}"  # Redux begins one there.
        return execute(sql, *args)

    other = Replica()
    other.catch_up()
    connections["replica"] = other.connection
    with connection.execute_wrapper(refuse):
        settings.DATABASE_ROUTERS = [Elsewhere()]
        yield other
        del settings.DATABASE_ROUTERS
    other.connection.connection.close()
    del connections["replica"]


@pytest.mark.usefixtures("no_retention")
def test_everything_happens_in_the_database_of_the_router(elsewhere: Replica, member: Any) -> None:
    elsewhere.asked.clear()
    invitation = inviting.invite(member, NEWCOMER).invitation
    assert len(django_mail.outbox) == 1
    browser = visit(invitation)
    assert browser.post(REGISTER, answers()).status_code == 302
    assert activate(Client(), path_in(django_mail.outbox[-1])).status_code == 302
    assert accounts().get().is_active
    lists.invite_many(member, [Recipient(1, "a@example.org"), Recipient(2, "b@example.org")])
    make_invitation(member, "c@example.org", left=-timedelta(hours=1), quota_held=1)
    call_command("cleanupinvitation", verbosity=0)
    call_command("sendinvitations", verbosity=0)
    assert InvitationKey.objects.count() == 3
    call_command("invitationquota", "unlimited", "--all", dry_run=True, verbosity=0)
    assert quota.remaining_invitations(member) is not None
    assert privacy.forget(NEWCOMER, dry_run=True).invitations == 1
    assert accounts().get().email == NEWCOMER


def test_a_failure_rolls_back_there(elsewhere: Replica, member: Any, settings: Any) -> None:
    settings.INVITATION_LIMITS = {"inviter": 1}
    inviting.invite(member, NEWCOMER)
    with pytest.raises(MailLimitReached):
        inviting.invite(member, "b@example.org")
    assert InvitationKey.objects.count() == 1
