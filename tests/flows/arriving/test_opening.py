"""Opening an invitation: text becomes a row or a coded refusal, and nothing changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from invitation import exceptions, keys
from invitation.flows import arriving
from invitation.flows.after_commit import transactions
from invitation.models import InvitationKey
from tests import scenes
from tests.factories import ADDRESS, DAY, make_invitation, open_it

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("channel", [keys.MAIL, keys.COPY])
def test_a_key_opens_its_invitation(channel: str) -> None:
    invitation = make_invitation()
    opened = open_it(invitation, channel)
    assert (opened.invitation, opened.channel) == (invitation, channel)
    assert opened.key == keys.make(invitation.locator, channel, 1)


def test_opening_is_one_query_inviter_included(member: Any, django_assert_num_queries: Any) -> None:
    key = make_invitation(member).key
    with django_assert_num_queries(1):
        assert arriving.open_invitation(key).invitation.from_user == member


@pytest.mark.parametrize("text", ["", "x" * 66, None, 1, b"bytes", "\0" * 66, "ü" * 66])
def test_what_is_no_key_costs_no_query(text: object, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0), pytest.raises(exceptions.KeyNotFound) as refused:
        arriving.open_invitation(text)
    assert (refused.value.code, refused.value.status) == ("invalid_key", 404)


def test_a_signed_key_without_a_row_opens_nothing() -> None:
    with pytest.raises(exceptions.KeyNotFound):
        arriving.open_invitation(keys.make(keys.new_locator(), keys.MAIL, 1))


def test_a_key_opens_nothing_on_another_site(django_assert_num_queries: Any) -> None:
    invitation = make_invitation(site_id=2)
    assert arriving.open_invitation(invitation.key, 2).invitation == invitation
    with django_assert_num_queries(0), pytest.raises(exceptions.KeyNotFound):
        arriving.open_invitation(invitation.key)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        ("accepted", exceptions.KeyUsedUp, "no_uses_left_key"),
        ("declined", exceptions.KeyDeclined, "declined_key"),
        ("revoked", exceptions.KeyRevoked, "revoked_key"),
        ("expired", exceptions.KeyExpired, "expired_key"),
    ],
)
def test_an_ended_invitation_says_why(
    status: str, error: type[exceptions.KeyRefused], code: str
) -> None:
    with pytest.raises(error) as refused:
        open_it(make_invitation(status=status))
    assert (refused.value.code, refused.value.status) == (code, 410)


def test_the_reason_of_an_accepted_one_is_not_its_time() -> None:
    with pytest.raises(exceptions.KeyUsedUp):
        open_it(make_invitation(status="accepted", left=-DAY))


def test_it_opens_until_the_very_end_and_not_at_it() -> None:
    invitation = make_invitation()
    assert invitation.expires_at is not None
    with time_machine.travel(invitation.expires_at, tick=False) as clock:
        with pytest.raises(exceptions.KeyExpired):
            open_it(invitation)
        clock.shift(timedelta(microseconds=-1))
        assert open_it(invitation)


def test_no_cleanup_is_needed_for_it_to_expire() -> None:
    with pytest.raises(exceptions.KeyExpired):
        open_it(make_invitation(left=-timedelta(microseconds=1)))


def test_one_that_never_expires_opens_in_a_hundred_years() -> None:
    invitation = make_invitation(left=None)
    with time_machine.travel(timezone.now() + 36500 * DAY, tick=False):
        assert open_it(invitation)


def test_one_that_is_used_up_opens_no_more_whatever_its_status() -> None:
    invitation = make_invitation(max_uses=2, uses=2)
    with pytest.raises(exceptions.KeyUsedUp):
        open_it(invitation)


@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize("how", [*scenes.ENDS, "paused", "pending", "nobody's"])
def test_the_state_alone_tells_what_the_whole_invitation_does(
    member: Any,
    django_assert_num_queries: Any,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    is_active: bool,
) -> None:
    # MariaDB is asked whether it has a cluster that knows more.
    monkeypatch.setattr("invitation.flows.arriving.opening.catch_up", lambda: False)
    invitation = make_invitation(None if how == "nobody's" else member, shared=how == "paused")
    if how == "paused":
        InvitationKey.objects.pause(invitation.pk, timezone.now())
    elif how in scenes.ENDS:
        scenes.end(invitation, how)
    if not is_active:
        type(member)._default_manager.filter(pk=member.pk).update(is_active=False)
    with django_assert_num_queries(1):
        refusal = arriving.refusal_to_open(invitation.mail_key, 1)
    told: list[exceptions.KeyRefused] = []
    try:
        arriving.open_invitation(invitation.mail_key)
    except exceptions.KeyRefused as error:
        told.append(error)
    facts = [(type(one), str(one), one.shared) for one in told]
    assert facts == ([(type(refusal), str(refusal), refusal.shared)] if refusal else [])


def test_the_state_of_a_text_that_is_no_key_costs_no_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        refusal = arriving.refusal_to_open("x" * 22 + "." + "y" * 43, 1)
    assert isinstance(refusal, exceptions.KeyNotFound)


def test_opening_changes_no_row() -> None:
    invitation = make_invitation()
    before = InvitationKey.objects.values().get()
    open_it(invitation)
    assert InvitationKey.objects.values().get() == before


def test_neither_key_nor_row_show_in_a_log() -> None:
    opened = open_it(make_invitation())
    assert opened.key not in repr(opened)
    assert opened.invitation.locator not in repr(opened)


# -- what it proves and admits --


@pytest.mark.parametrize(
    ("channel", "email", "proven"),
    [
        (keys.MAIL, ADDRESS, True),
        (keys.MAIL, "BOB@Example.ORG", True),
        (keys.MAIL, "eve@example.org", False),
        (keys.MAIL, "", False),
        (keys.COPY, ADDRESS, False),
    ],
)
def test_only_the_mailed_key_proves_and_only_its_own_mailbox(
    channel: str, email: str, proven: bool
) -> None:
    assert open_it(make_invitation(), channel).proves(email) is proven


def test_a_key_to_nobody_proves_nothing() -> None:
    opened = open_it(make_invitation(email=""))
    assert not opened.proves("")
    assert not opened.proves(ADDRESS)


@pytest.mark.parametrize(
    ("policy", "invited", "email", "admitted"),
    [
        ("exact", ADDRESS, "BOB@example.org", True),
        ("exact", ADDRESS, "eve@example.org", False),
        ("exact", ADDRESS, "", False),
        ("exact", "kate@example.org", "Kate@example.org", False),  # the Kelvin sign
        ("exact", "", "eve@example.org", True),
        ("any", ADDRESS, "eve@example.org", True),
        ("Any", ADDRESS, "eve@example.org", False),
    ],
)
def test_the_policy_decides_which_address_may_register(
    settings: Any, policy: str, invited: str, email: str, admitted: bool
) -> None:
    settings.INVITATION_EMAIL_POLICY = policy
    email = email.replace("Kate", "\N{KELVIN SIGN}ate")
    assert open_it(make_invitation(email=invited)).admits(email) is admitted


class Node:
    """Be the connection to a node of a cluster, or to a server alone; remember what was asked."""

    mysql_is_mariadb = True

    def __init__(self, wsrep: list[tuple[str, str]]) -> None:
        self.wsrep, self.asked = wsrep, list[str]()

    def cursor(self) -> Node:
        return self

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def execute(self, sql: str) -> None:
        self.asked.append(sql)

    def fetchall(self) -> list[tuple[str, str]]:
        return self.wsrep


@pytest.mark.parametrize(
    ("wsrep", "waits"), [([("wsrep_on", "ON")], True), ([("wsrep_on", "OFF")], False), ([], False)]
)
def test_a_node_of_a_cluster_waits_for_the_others_before_it_looks_once_more(
    wsrep: list[tuple[str, str]], waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(wsrep)
    monkeypatch.setattr(transactions, "connections", {transactions.database(): node})
    assert transactions.catch_up() is waits
    assert ("SET STATEMENT wsrep_sync_wait = 1 FOR SELECT 1" in node.asked) is waits


def test_what_a_node_does_not_know_yet_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    invitation = make_invitation()
    key, rows = invitation.key, InvitationKey.objects.filter(pk=invitation.pk)
    rows.delete()

    def catch_up() -> bool:
        invitation.save(force_insert=True)
        return True

    monkeypatch.setattr("invitation.flows.arriving.opening.catch_up", catch_up)
    assert arriving.open_invitation(key).invitation.locator == invitation.locator
