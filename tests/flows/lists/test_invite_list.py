"""Inviting with a list: a verdict for each row, nothing twice, few statements."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError
from django.utils import timezone, translation

from invitation import signals
from invitation.addresses.recipients import Recipient
from invitation.delivery.dummy import DummyDelivery
from invitation.exceptions import (
    AlreadyInvited,
    DeliveryFailed,
    DeliveryUnavailable,
    InvitingForbidden,
    TextRefused,
)
from invitation.flows import arriving, inviting, lists
from invitation.flows.lists import Verdict, invite_list
from invitation.flows.mail import deliver_due, queueing, waiting_mails
from invitation.flows.mail.sending import IN_PROCESS_SECONDS
from invitation.flows.quota import remaining_invitations
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota, QuotaEntry, managers
from invitation.models.managers import batches
from tests import scenes
from tests.factories import DAY, make_invitation, make_user, register, spent
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]


def people(*emails: str, **fields: Any) -> list[Recipient]:
    """Return a list of these addresses."""
    return [Recipient(number, email, **fields) for number, email in enumerate(emails, start=1)]


def guests(number: int, start: int = 0) -> list[Recipient]:
    return people(*(f"guest{index}@example.org" for index in range(start, start + number)))


def verdicts(batch: lists.ListResult) -> list[str]:
    return [str(row.verdict) for row in batch.rows]


def balance(user: Any) -> int:
    """Return what the ledger says that a member has spent."""
    return -sum(QuotaEntry.objects.filter(inviter=user).values_list("change", flat=True))


#: What one row may be, and what is said of it.
ROWS = {
    "new": (Recipient(1, "bob@example.org"), "new", ""),
    "already": (Recipient(1, "Known@Example.org"), "already_invited", "already_invited"),
    "accepted": (Recipient(1, "came@example.org"), "already_invited", "already_invited"),
    "declined": (Recipient(1, "no@example.org"), "already_invited", "already_invited"),
    "overdue": (Recipient(1, "late@example.org"), "already_invited", "already_invited"),
    "expired": (Recipient(1, "expired@example.org"), "new", ""),
    "revoked": (Recipient(1, "revoked@example.org"), "new", ""),
    "own": (Recipient(1, "MEMBER@example.com"), "own_address", "own_address"),
    "no address": (Recipient(1, "nobody"), "invalid", "invalid_address"),
    "blank": (Recipient(1, ""), "invalid", "blank"),
    "two": (Recipient(1, "a@x.org b@x.org"), "invalid", "several_addresses"),
    "link": (Recipient(1, "b@x.org", note="see www.example.org"), "invalid", "link_in_text"),
    "language": (Recipient(1, "b@x.org", language="klingon"), "invalid", "unknown_language"),
    "long language": (Recipient(1, "b@x.org", language="de" * 99), "invalid", "unknown_language"),
    "group": (Recipient(1, "b@x.org", groups=("Board",)), "invalid", "group_refused"),
}


@pytest.fixture
def past(member: Any) -> None:
    """Let the member have invited before."""
    status = InvitationKey.Status
    make_invitation(member, "known@example.org")
    make_invitation(member, "late@example.org", left=-DAY)
    for name, ended in {
        "came": status.ACCEPTED,
        "no": status.DECLINED,
        "expired": status.EXPIRED,
        "revoked": status.REVOKED,
    }.items():
        uses = 1 if ended == status.ACCEPTED else 0
        make_invitation(member, f"{name}@example.org", status=ended, uses=uses)


@pytest.mark.parametrize(("recipient", "verdict", "code"), ROWS.values(), ids=ROWS)
def test_each_row_has_its_verdict(
    member: Any, past: None, recipient: Recipient, verdict: str, code: str
) -> None:
    before = scenes.dump()
    [planned] = lists.check_list(member, [recipient]).rows
    assert (planned.verdict, planned.code) == (verdict, code)
    assert bool(planned.reason) == (verdict != "new")
    assert scenes.dump() == before
    [row] = lists.invite_many(member, [recipient]).rows
    assert row.verdict == ("invited" if verdict == "new" else verdict)
    assert row.reason == planned.reason
    assert spent(member) == balance(member) == (1 if verdict == "new" else 0)


def test_each_reason_has_its_own_words(member: Any, past: None) -> None:
    rows = [recipient for recipient, verdict, _ in ROWS.values() if verdict == "already_invited"]
    reasons = [str(row.reason) for row in lists.check_list(member, rows).rows]
    assert len(set(reasons)) == len(rows) == 4


class TestADeletedAccount:
    """The account that accepted an invitation was deleted since."""

    @pytest.fixture(autouse=True)
    def gone(self, member: Any) -> InvitationKey:
        invitation = make_invitation(member, "gone@x.org")
        register(invitation, "gone").delete()
        invitation.refresh_from_db()
        assert invitation.status == InvitationKey.Status.ACCEPTED
        return invitation

    def test_its_address_can_be_invited_again(self, member: Any) -> None:
        [row] = lists.invite_many(member, people("gone@x.org")).rows
        assert row.verdict == "invited"
        [row] = lists.check_list(member, people("gone@x.org")).rows
        assert str(row.reason) == "You already invited this address."

    def test_an_answer_before_it_counts_no_more(self, member: Any) -> None:
        make_invitation(member, "late@x.org", status=InvitationKey.Status.DECLINED)
        register(make_invitation(member, "late@x.org"), "late").delete()
        assert verdicts(lists.check_list(member, people("late@x.org"))) == ["new"]

    def test_an_answer_after_it_counts(self, member: Any) -> None:
        make_invitation(member, "gone@x.org", status=InvitationKey.Status.DECLINED)
        assert verdicts(lists.check_list(member, people("gone@x.org"))) == ["already_invited"]

    def test_an_account_that_is_there_counts(self, member: Any) -> None:
        register(make_invitation(member, "there@x.org"), "there")
        assert verdicts(lists.check_list(member, people("there@x.org"))) == ["already_invited"]


def test_an_open_invitation_tells_more_than_one_that_ended(member: Any) -> None:
    make_invitation(member, "a@x.org", status=InvitationKey.Status.DECLINED)
    make_invitation(member, "a@x.org")
    make_invitation(member, "a@x.org", status=InvitationKey.Status.ACCEPTED, uses=1)
    [row] = lists.check_list(member, people("a@x.org")).rows
    assert str(row.reason) == "You already invited this address."


def test_the_same_address_twice_in_the_list_is_invited_once(member: Any, past: None) -> None:
    emails = ["a@x.org", "A@X.org", "known@example.org", "known@example.org", "x", "x"]
    batch = lists.invite_many(member, people(*emails))
    told = ["invited", "duplicate", "already_invited", "duplicate", "invalid", "invalid"]
    assert verdicts(batch) == told
    assert "row 1" in str(batch.rows[1].reason)
    assert (batch.rows[1].code, batch.count(Verdict.DUPLICATE)) == ("duplicate", 2)


def test_who_has_an_account_or_was_invited_by_others_is_not_told_apart(member: Any) -> None:
    make_user("ann")
    make_invitation(make_user("eve"), "bob@example.org")
    batch = lists.check_list(
        member, people("ann@example.com", "bob@example.org", "new@example.org")
    )
    assert verdicts(batch) == ["new"] * 3
    assert {(row.reason, row.code) for row in batch.rows} == {("", "")}


def test_an_inviter_without_an_address_has_none_of_his_own(member: Any) -> None:
    member.email = ""
    assert verdicts(lists.check_list(member, people("member@example.com"))) == ["new"]


@pytest.mark.parametrize("verb", [lists.check_list, lists.invite_many])
def test_who_may_not_invite_may_not_do_so_with_a_list(verb: Any, member: Any) -> None:
    member.is_active = False
    for user in (member, AnonymousUser()):
        with pytest.raises(InvitingForbidden):
            verb(user, guests(1))


@pytest.mark.parametrize("verb", [lists.check_list, lists.invite_many])
def test_a_note_for_all_that_may_not_be_mailed_refuses_the_list(verb: Any, member: Any) -> None:
    with pytest.raises(TextRefused):
        verb(member, guests(1), note="www.example.org")


@pytest.mark.parametrize("verb", [lists.check_list, lists.invite_many])
def test_without_an_address_for_its_links_a_site_invites_nobody(
    verb: Any, member: Any, settings: Any
) -> None:
    settings.INSTALLED_APPS = [x for x in settings.INSTALLED_APPS if x != "django.contrib.sites"]
    settings.ALLOWED_HOSTS = ["*"]
    with pytest.raises(ImproperlyConfigured):
        verb(member, guests(1))


# -- what is written -----------------------------------------------------------------------------


@pytest.mark.anywhere
def test_rows_are_written_spent_noted_mailed_and_told(
    member: Any, commit: Commit, outbox: list[InvitationEmail], heard: Heard
) -> None:
    with commit():
        batch = lists.invite_many(member, people(" Bob@Example.ORG ", "ann@example.org"))
        assert outbox == []
    assert verdicts(batch) == ["invited"] * 2
    assert [row.email for row in batch.rows] == ["Bob@example.org", "ann@example.org"]
    rows = list(InvitationKey.objects.order_by("pk"))
    assert [row.email_key for row in rows] == ["bob@example.org", "ann@example.org"]
    for row in rows:
        assert (row.from_user, row.status, row.uses, row.max_uses) == (member, "pending", 0, 1)
        assert row.pending_slot == row.slot()
        day = timezone.localtime(row.date_invited).date() + timedelta(days=7)
        zone = timezone.get_current_timezone()
        assert row.expires_at == datetime.combine(day, time(23, 59, 59), zone)
        assert row.mail_requested_at == row.date_invited
        assert row.quota_held == 1
    assert spent(member) == 2
    entries = QuotaEntry.objects.order_by("pk").values_list("inviter", "change", "reason")
    assert list(entries) == [(member.pk, -1, "invited")] * 2
    assert {entry.invitation for entry in QuotaEntry.objects.all()} == set(rows)
    assert [mail.invitation for mail in outbox] == rows
    assert [mail.state for mail in InvitationEmail.objects.all()] == ["sent"] * 2
    ids = {mail.header_id for mail in InvitationEmail.objects.all()}
    assert len(ids) == 2
    assert all(re.fullmatch("<.+@example.com>", one) for one in ids)
    assert heard.names() == ["invitation_created"] * 2 + ["invitation_sent", "mail_settled"] * 2
    told = [arguments["invitation"] for _, arguments in heard[:2]]
    assert told == rows
    assert not told[0]._state.adding


def test_what_a_row_says_is_what_the_mail_will_say(member: Any) -> None:
    row = Recipient(1, "a@x.org", name="www.x.org\nAnn", note=" Hello\r\nAnn ", language="de_AT")
    lists.invite_many(member, [row, Recipient(2, "b@x.org")], note="For all", site_id=1)
    first, second = InvitationKey.objects.order_by("pk")
    assert (first.recipient_name, first.note, first.language) == (
        "www x org Ann",
        "Hello\nAnn",
        "de",
    )
    assert (second.recipient_name, second.note, second.language) == ("", "For all", "en")


def test_a_row_without_language_has_that_of_the_page(member: Any) -> None:
    with translation.override("fr"):
        lists.invite_many(member, guests(1))
    assert InvitationKey.objects.get().language == "fr"


def test_an_invitation_that_opens_is_one_like_any_other(member: Any) -> None:
    lists.invite_many(member, guests(1))
    key = InvitationKey.objects.get().mail_key
    assert arriving.open_invitation(key).invitation.email == "guest0@example.org"


def test_groups_are_carried_if_the_inviter_may_give_them(
    member: Any, settings: Any, django_assert_num_queries: Any
) -> None:
    board, staff, _ = (Group.objects.create(name=name) for name in ("Board", "Staff", "Other"))
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: [board, staff]
    rows = [
        Recipient(1, "a@x.org", groups=("Board", "Staff", "Board")),
        Recipient(2, "b@x.org", groups=("Board", "Other")),
        Recipient(3, "c@x.org", groups=("board",)),
        Recipient(4, "d@x.org"),
    ]
    batch = lists.invite_many(member, rows)
    assert verdicts(batch) == ["invited", "invalid", "invalid", "invited"]
    assert batch.rows[0].group_names == ("Board", "Staff")
    carried = [set(row.groups.all()) for row in InvitationKey.objects.order_by("pk")]
    assert carried == [{board, staff}, set()]


def test_groups_are_asked_for_only_if_a_row_names_one(
    member: Any, django_assert_num_queries: Any
) -> None:
    lists.check_list(member, guests(3))  # The Site is kept in memory.
    with django_assert_num_queries(3):  # what is there, and quota and limits
        lists.check_list(member, guests(3))


# -- the quota -----------------------------------------------------------------------------------


def test_rows_over_the_quota_are_not_made_and_the_others_are(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 3
    inviting.invite(member, "before@example.org")
    rows = people("a@x.org", "nobody", "b@x.org", "c@x.org", "before@example.org")
    told = ["new", "invalid", "new", "over_quota", "already_invited"]
    assert verdicts(lists.check_list(member, rows)) == told
    batch = lists.invite_many(member, rows)
    assert verdicts(batch) == ["invited", "invalid", "invited", "over_quota", "already_invited"]
    assert batch.rows[3].code == "over_quota"
    assert spent(member) == balance(member) == 3
    assert remaining_invitations(member) == 0


def test_with_nothing_left_nothing_is_made(member: Any, settings: Any, heard: Heard) -> None:
    settings.INVITATIONS_PER_USER = 0
    assert verdicts(lists.invite_many(member, guests(2))) == ["over_quota"] * 2
    assert not InvitationKey.objects.exists()
    assert (spent(member), balance(member), heard) == (0, 0, [])


def test_without_limit_all_are_made_and_counted(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = None
    assert lists.invite_many(member, guests(15)).count(Verdict.INVITED) == 15
    assert spent(member) == 15


def test_a_period_that_is_over_gives_its_invitations_to_the_list(
    member: Any, settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = 2
    settings.INVITATION_QUOTA_PERIOD = timedelta(days=30)
    lists.invite_many(member, guests(2))
    with time_machine.travel(timezone.now() + 31 * DAY, tick=False):
        assert verdicts(lists.check_list(member, guests(3, start=5))) == [
            "new",
            "new",
            "over_quota",
        ]
        batch = lists.invite_many(member, guests(3, start=5))
    assert verdicts(batch) == ["invited", "invited", "over_quota"]
    quota = InvitationQuota.objects.get()
    assert quota.spent - quota.granted == balance(member) == 2


# -- once and no more ----------------------------------------------------------------------------


def test_the_same_list_again_makes_nothing(member: Any, commit: Commit) -> None:
    def rows() -> dict[str, Any]:
        # But for the mark that this list, too, is used.
        return {name: rows for name, rows in scenes.dump().items() if "throttle" not in name}

    lists.invite_many(member, guests(3))
    before = rows()
    with commit():
        assert verdicts(lists.invite_many(member, guests(3))) == ["already_invited"] * 3
    assert rows() == before


def test_a_list_that_is_confirmed_twice_says_the_same_twice(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 2
    rows = [*guests(3), Recipient(4, "nobody"), Recipient(5, "guest0@example.org")]
    number = lists.check_list(member, rows).id
    first = lists.invite_many(member, rows, batch=number)
    assert verdicts(first) == ["invited", "invited", "over_quota", "invalid", "duplicate"]
    settings.INVITATIONS_PER_USER = 10
    inviting.revoke(InvitationKey.objects.get(email="guest0@example.org"))
    before = InvitationKey.objects.count(), InvitationEmail.objects.count(), spent(member)
    assert lists.invite_many(member, rows, batch=number) == first
    assert (InvitationKey.objects.count(), InvitationEmail.objects.count(), spent(member)) == before


def test_the_list_of_one_member_is_not_that_of_another(member: Any) -> None:
    number = lists.check_list(member, guests(1)).id
    lists.invite_many(member, guests(1), batch=number)
    assert verdicts(lists.invite_many(make_user("ann"), guests(1), batch=number)) == ["invited"]
    assert InvitationKey.objects.count() == 2


def test_a_batch_is_found_by_its_id(member: Any) -> None:
    ids = [lists.invite_many(member, guests(2, start=start)).id for start in (0, 2)]
    inviting.invite(member, "alone@example.org")
    for number, start in zip(ids, (0, 2), strict=True):
        found = InvitationKey.objects.filter(lists.in_list(number)).values_list("email", flat=True)
        assert set(found) == {f"guest{start}@example.org", f"guest{start + 1}@example.org"}


@pytest.mark.parametrize("use_tz", [True, False])
def test_a_batch_is_found_until_a_day_after_it_was_looked_at(
    member: Any, settings: Any, use_tz: bool
) -> None:
    settings.USE_TZ = use_tz
    number = lists.check_list(member, guests(1)).id
    now = timezone.now()
    with time_machine.travel(now + DAY if use_tz else timedelta(days=1), tick=False):
        lists.invite_many(member, guests(1), batch=number)
        assert InvitationKey.objects.filter(lists.in_list(number)).count() == 1


@pytest.mark.each_case
@pytest.mark.parametrize("number", [0, 2**128 - 1, 2**127], ids=["least", "most", "middle"])
def test_an_id_that_is_none_finds_nothing(number: int) -> None:
    assert not InvitationKey.objects.filter(lists.in_list(uuid.UUID(int=number))).exists()


def test_an_id_of_another_kind_can_be_given(member: Any) -> None:
    assert verdicts(lists.invite_many(member, guests(1), batch=uuid.UUID(int=7))) == ["invited"]


def test_a_slot_that_is_taken_meanwhile_is_seen_in_the_next_round(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = invite_list._compare
    rounds: list[int] = []

    def be_late(inviter: Any, site_id: int, rows: Any) -> Any:
        compared = compare(inviter, site_id, rows)
        if not rounds:
            make_invitation(member, "guest1@example.org")
        rounds.append(1)
        return compared

    monkeypatch.setattr(invite_list, "_compare", be_late)
    # The other one is written in our own transaction here, and goes with its rollback.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(invite_list, "INVITE_ROUNDS", 2)
        assert verdicts(lists.invite_many(member, guests(2))) == ["invited"] * 2
    assert len(rounds) == 2
    assert spent(member) == balance(member) == 2


def test_who_is_late_again_and_again_is_told_so_and_nothing_is_changed(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = scenes.dump()

    def fail(*args: Any) -> None:
        raise IntegrityError("taken")

    monkeypatch.setattr(managers, "insert_like", fail)
    with pytest.raises(AlreadyInvited):
        lists.invite_many(member, guests(1))
    assert scenes.dump() == before


# -- the emails -----------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a request send no more than two emails."""
    monkeypatch.setattr(queueing, "MOST_AT_ONCE", 2)


def test_few_mails_leave_at_once(
    member: Any, few: None, commit: Commit, outbox: list[InvitationEmail]
) -> None:
    with commit():
        lists.invite_many(member, guests(2))
    assert len(outbox) == 2


def test_many_mails_wait_for_cron(
    member: Any, few: None, commit: Commit, outbox: list[InvitationEmail]
) -> None:
    with commit():
        lists.invite_many(member, guests(3))
    assert outbox == []
    assert waiting_mails()[0] == 3
    assert deliver_due() == (3, 0)
    assert [mail.invitation.email for mail in outbox] == [x.email for x in guests(3)]


def test_where_no_mail_is_sent_in_a_request_none_is(
    member: Any, few: None, commit: Commit, outbox: list[InvitationEmail], settings: Any
) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    with commit():
        lists.invite_many(member, guests(2))
    assert waiting_mails()[0] == 2


def test_where_no_mail_can_go_the_rest_waits(
    member: Any, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def hang(self: Any, mail: InvitationEmail) -> None:
        tried.append(mail)
        raise DeliveryUnavailable("It hangs.")

    monkeypatch.setattr(DummyDelivery, "send", hang)
    with commit():
        lists.invite_many(member, guests(3))
    assert len(tried) == 1
    assert waiting_mails()[0] == 3
    assert sorted(InvitationEmail.objects.values_list("attempts", flat=True)) == [0, 0, 1]


def test_after_a_mail_that_took_long_the_rest_waits(
    member: Any, commit: Commit, outbox: list[InvitationEmail], monkeypatch: pytest.MonkeyPatch
) -> None:
    send = DummyDelivery.send

    def crawl(self: Any, mail: InvitationEmail) -> None:
        send(self, mail)
        assert self.deadline == 1000 + IN_PROCESS_SECONDS
        clock.append(clock[-1] + 6)

    clock = [1000.0]
    monkeypatch.setattr(DummyDelivery, "send", crawl)
    monkeypatch.setattr("time.monotonic", lambda: clock[-1])
    with commit():
        lists.invite_many(member, guests(3))
    assert len(outbox) == 1
    assert waiting_mails()[0] == 2


def test_a_mail_that_is_refused_does_not_keep_the_rest_waiting(
    member: Any, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def refuse(self: Any, mail: InvitationEmail) -> None:
        tried.append(mail)
        raise DeliveryFailed("550 no such user", permanent=True)

    monkeypatch.setattr(DummyDelivery, "send", refuse)
    with commit():
        lists.invite_many(member, guests(3))
    assert len(tried) == 3


def test_a_mail_that_somebody_else_sends_is_not_sent_here(
    member: Any, commit: Commit, outbox: list[InvitationEmail]
) -> None:
    with commit():
        lists.invite_many(member, guests(2))
        first = InvitationEmail.objects.order_by("pk")[0]
        InvitationEmail.objects.lease(first.pk, timezone.now())
    assert [mail.invitation.email for mail in outbox] == ["guest1@example.org"]


@pytest.mark.parametrize("listens", [False, True])
def test_invitations_are_read_for_a_signal_only_if_somebody_listens(
    member: Any, monkeypatch: pytest.MonkeyPatch, commit: Commit, listens: bool
) -> None:
    monkeypatch.setattr(invite_list, "BATCH_SIZE", 2)
    told: list[InvitationKey] = []

    def hear(invitation: InvitationKey, **kwargs: Any) -> None:
        told.append(invitation)

    if listens:
        signals.invitation_created.connect(hear)
    try:
        with commit():
            lists.invite_many(member, guests(3))
        pks = list(InvitationKey.objects.order_by("pk").values_list("pk", flat=True))
        assert [row.pk for row in told] == pks * listens
        with scenes.statements() as asked:
            invite_list._announce(member, pks)
    finally:
        signals.invitation_created.disconnect(hear)
    assert len(asked) == 2 * listens
    assert all(row.from_user is member for row in told)


# -- many rows -----------------------------------------------------------------------------------


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("vendor", "version", "known", "allowed"),
    [
        ("sqlite", (3, 31), 999, 999),
        ("sqlite", (3, 32), 999, 32_000),
        ("sqlite", (3, 50), 250_000, 32_000),
        ("postgresql", (3, 50), None, 32_000),
        ("other", (3, 50), 2_000, 2_000),
    ],
)
def test_a_statement_carries_what_the_database_takes(
    monkeypatch: pytest.MonkeyPatch, vendor: str, version: Any, known: Any, allowed: int
) -> None:
    class Features:
        max_query_params = known

    class Connection:
        features = Features()

    Connection.vendor = vendor  # type: ignore[attr-defined]
    monkeypatch.setattr(batches, "connections", {"default": Connection()})
    monkeypatch.setattr(batches.sqlite3, "sqlite_version_info", version)
    assert batches.values_at_once("default") == allowed


def test_a_small_statement_is_enough(member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "VALUES_AT_ONCE", 60)
    assert lists.invite_many(member, guests(7)).count(Verdict.INVITED) == 7
    assert InvitationKey.objects.count() == InvitationEmail.objects.count() == 7
    assert set(verdicts(lists.check_list(member, guests(7)))) == {"already_invited"}


@pytest.mark.parametrize("unconfirmed", [0, 2])
def test_a_statement_leaves_out_what_the_database_fills_in(unconfirmed: int) -> None:
    invitation = make_invitation(email="ann@example.org")
    mails = [InvitationEmail(invitation=invitation, message_id=f"<{n}@x.org>") for n in range(2)]
    mails[1].unconfirmed = unconfirmed
    with scenes.statements() as asked:
        batches.insert(mails)
    assert ("unconfirmed" in asked[0]) is bool(unconfirmed)
    assert "of_recipient" not in asked[0]
    assert "lease_until" not in asked[0]
    rows = InvitationEmail.objects.order_by("pk")
    assert [row.unconfirmed for row in rows] == [0, unconfirmed]
    assert {(row.failure, row.of_recipient, row.lease_until) for row in rows} == {("", False, None)}


def test_nothing_is_inserted_without_a_statement() -> None:
    with scenes.statements() as asked:
        batches.insert([])
    assert asked == []


def test_a_blocked_address_is_invited_by_no_list_either(member: Any, settings: Any) -> None:
    settings.INVITATION_BLOCKED_RECIPIENTS = ["example.org"]
    both = people("ann@example.org", "bob@example.net")
    for batch in (lists.check_list(member, both), lists.invite_many(member, both)):
        assert [row.code for row in batch.rows] == ["blocked_address", ""]
    assert InvitationKey.objects.get().email == "bob@example.net"
