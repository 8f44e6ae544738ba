"""Limits of emails: so many in any 24 hours, by whom, to whom, to which domain, and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection, transaction
from django.utils.crypto import salted_hmac

from invitation import addresses
from invitation.addresses.recipients import Recipient
from invitation.conf import conf
from invitation.delivery.dummy import DummyDelivery
from invitation.exceptions import DeliveryFailed, MailLimitReached, QuotaExceeded
from invitation.flows import inviting, lists, upkeep
from invitation.flows.lists import Verdict, invite_list
from invitation.flows.mail import limits as limits_module
from invitation.flows.mail import queue as queue_mail
from invitation.flows.mail.limits import MailLimit
from invitation.models import InvitationEmail, InvitationKey, MailCounter
from tests import scenes
from tests.factories import make_user, rolled_back, spent

pytestmark = pytest.mark.django_db

Kind = InvitationEmail.Kind
State = InvitationEmail.State
NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
COOLDOWN = timedelta(minutes=5)

#: Who invites whom: two that are let, one too many, and one that another counter counts.
STEPS = {
    "inviter": [("ann", "a@x.org"), ("ann", "b@y.org"), ("ann", "c@z.org"), ("zoe", "c@z.org")],
    "recipient": [
        ("ann", "bob@x.org"),
        ("zoe", "B.o.b+choir@X.org"),
        ("eve", "bob+@x.org"),
        ("eve", "bobby@x.org"),
    ],
    "domain": [("ann", "a@x.org"), ("zoe", "b@X.ORG"), ("eve", "c@x.org"), ("eve", "c@s.x.org")],
    "site": [("ann", "a@x.org"), ("zoe", "b@y.org"), ("eve", "c@z.org")],
}


@pytest.fixture(autouse=True)
def _alone(settings: Any) -> None:
    """Let each test set its own limits, and no other one stop anybody."""
    scenes.no_limits(settings)
    settings.INVITATIONS_PER_USER = None


@pytest.fixture
def hands() -> Iterator[Any]:
    """Return the hands of a clock that stands still."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def limit(settings: Any, name: str, times: int | None) -> None:
    settings.INVITATION_LIMITS = {**getattr(settings, "INVITATION_LIMITS", {}), name: times}


def refusal(verb: Callable[[], Any]) -> str:
    """Return the code of the limit that a verb meets, or an empty text."""
    try:
        verb()
    except MailLimitReached as error:
        return error.code
    return ""


def counted() -> list[int]:
    return sorted(sum(row.hours.values()) for row in MailCounter.objects.all())


# -- what each limit stops -----------------------------------------------------------------------


@pytest.mark.anywhere
@pytest.mark.parametrize("name", STEPS)
def test_so_many_and_no_more_and_nothing_has_happened(settings: Any, name: str) -> None:
    members = {who: make_user(who) for who in ("ann", "zoe", "eve")}
    first, second, third, *others = STEPS[name]
    limit(settings, name, 2)
    for who, email in (first, second):
        inviting.invite(members[who], email)
    before = scenes.dump()
    with pytest.raises(MailLimitReached, match="tomorrow") as error:
        inviting.invite(members[third[0]], third[1])
    assert error.value.code == f"{name}_limit_reached"
    assert scenes.dump() == before
    for who, email in others:
        inviting.invite(members[who], email)
    limit(settings, name, 3)
    inviting.invite(members[third[0]], third[1])


@pytest.mark.parametrize("name", STEPS)
def test_a_limit_of_none_is_none_and_one_of_zero_stops_all(
    member: Any, settings: Any, name: str
) -> None:
    for number in range(7):
        inviting.invite(member, f"bob+{number}@x.org")
    assert not MailCounter.objects.exists()
    limit(settings, name, 0)
    assert refusal(lambda: inviting.invite(member, "a@x.org")) == f"{name}_limit_reached"


def test_each_site_has_its_own(member: Any, settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://example.org"
    limit(settings, "site", 1)
    inviting.invite(member, "a@x.org", site_id=1)
    inviting.invite(member, "a@x.org", site_id=2)
    assert refusal(lambda: inviting.invite(member, "b@x.org", site_id=2)) == "site_limit_reached"


def test_a_mailbox_has_one_counter_on_all_sites(member: Any, settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://example.org"
    limit(settings, "recipient", 1)
    inviting.invite(member, "a@x.org", site_id=1)
    again = lambda: inviting.invite(member, "a@x.org", site_id=2)  # noqa: E731
    assert refusal(again) == "recipient_limit_reached"


def test_the_limit_of_the_member_himself_is_named_first(member: Any, settings: Any) -> None:
    for name in STEPS:
        limit(settings, name, 0)
    codes = []
    for name in STEPS:
        codes.append(refusal(lambda: inviting.invite(member, "a@x.org")))
        limit(settings, name, None)
    assert codes == [f"{name}_limit_reached" for name in STEPS]


def test_no_word_says_who_else_has_invited() -> None:
    for make in limits_module.REACHED.values():
        assert "other" not in str(make())
        assert "somebody" not in str(make())


@pytest.mark.parametrize(
    ("email", "mailbox"),
    [
        ("bob@x.org", "bob@x.org"),
        ("b.o.b+a+b@x.org", "bob@x.org"),
        ("bob@googlemail.com", "bob@gmail.com"),
        ("b.ob+x@gmail.com", "bob@gmail.com"),
        ("bob-x@x.org", "bob-x@x.org"),
    ],
)
def test_a_mailbox_has_several_spellings(email: str, mailbox: str) -> None:
    assert addresses.mailbox(email) == mailbox


@pytest.mark.anywhere
def test_the_tables_name_nobody(member: Any, settings: Any) -> None:
    for name in STEPS:
        limit(settings, name, 9)
    inviting.invite(member, "bob@x.org")
    scopes = set(MailCounter.objects.values_list("scope", flat=True))
    assert [len(scope) for scope in scopes] == [32] * 4
    assert counted() == [1, 1, 1, 1]
    settings.INVITATION_SIGNING_KEYS = ["another key of at least thirty-two characters"]
    inviting.invite(member, "eve@x.org")
    others = set(MailCounter.objects.values_list("scope", flat=True)) - scopes
    assert len(others) == 4
    assert str(MailCounter.objects.first()).endswith("…")


# -- in any 24 hours -----------------------------------------------------------------------------


@pytest.mark.anywhere
@pytest.mark.parametrize("minutes", [0, 30, 59])
@pytest.mark.parametrize("use_tz", [True, False])
def test_it_is_full_for_24_hours_and_never_longer_than_25(
    settings: Any, hands: Any, minutes: int, use_tz: bool
) -> None:
    settings.USE_TZ = use_tz
    member = make_user()
    limit(settings, "inviter", 2)
    hands.shift(timedelta(minutes=minutes))
    inviting.invite(member, "a@x.org")
    hands.shift(timedelta(hours=10))
    inviting.invite(member, "b@x.org")
    hands.shift(timedelta(hours=14) - SECOND)
    assert refusal(lambda: inviting.invite(member, "c@x.org"))
    hands.shift(HOUR + SECOND)
    inviting.invite(member, "c@x.org")  # the first is forgotten, the second is not
    assert refusal(lambda: inviting.invite(member, "d@x.org"))
    hands.shift(timedelta(hours=10))
    inviting.invite(member, "d@x.org")
    assert counted() == [2]


def test_what_another_clock_has_counted_ahead_counts(
    member: Any, settings: Any, hands: Any
) -> None:
    limit(settings, "inviter", 1)
    inviting.invite(member, "a@x.org")
    hands.shift(-2 * HOUR)
    assert refusal(lambda: inviting.invite(member, "b@x.org"))


@pytest.mark.anywhere
def test_cleanup_forgets_what_limits_nothing_any_more(settings: Any, hands: Any) -> None:
    member = make_user()
    limit(settings, "site", 1)
    inviting.invite(member, "a@x.org")
    hands.shift(timedelta(hours=26))
    assert upkeep.forget_mail_counts() == 0
    hands.shift(SECOND)
    assert upkeep.forget_mail_counts() == 1
    assert not MailCounter.objects.exists()


def test_it_forgets_so_many_at_a_time() -> None:
    MailCounter.objects.bulk_create(
        [MailCounter(scope=bytes([number]), updated_at=NOON) for number in range(5)]
    )
    assert MailCounter.objects.forget(NOON, 3, NOON) == 0
    assert MailCounter.objects.forget(NOON + SECOND, 3, NOON) == 3
    assert upkeep.forget_mail_counts() == 2


def test_what_is_written_meanwhile_is_not_forgotten(
    settings: Any, hands: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    MailCounter.objects.create(scope=b"a", updated_at=NOON)
    found = MailCounter.objects.filter

    def write_meanwhile(*args: Any, **kwargs: Any) -> Any:
        if "scope" in kwargs:
            found(scope=b"a").update(updated_at=NOON + HOUR)
        return found(*args, **kwargs)

    monkeypatch.setattr(MailCounter.objects, "filter", write_meanwhile)
    assert MailCounter.objects.forget(NOON + SECOND, 3, NOON) == 0


# -- what counts, and what does not --------------------------------------------------------------


def test_what_is_rolled_back_was_not_counted(member: Any, settings: Any) -> None:
    limit(settings, "inviter", 1)
    with rolled_back():
        inviting.invite(member, "a@x.org")
    inviting.invite(member, "a@x.org")


def test_a_link_that_is_handed_over_by_hand_counts_for_nothing(member: Any, settings: Any) -> None:
    limit(settings, "recipient", 0)
    assert inviting.invite(member, "a@x.org", mail=False).created
    assert refusal(lambda: inviting.invite(member, "b@x.org"))


@pytest.mark.parametrize("verb", ["resend", "invite", "send_to", "renew", "renew a newer one"])
def test_a_new_mail_counts_whatever_asks_for_it(
    member: Any, settings: Any, hands: Any, verb: str
) -> None:
    row = inviting.invite(member, "a@x.org").invitation
    hands.shift(COOLDOWN)
    if verb.startswith("renew"):
        scenes.end(row, "revoked")
        row.refresh_from_db()
    if verb == "renew a newer one":
        inviting.invite(member, "a@x.org")
        hands.shift(COOLDOWN)
    verbs: dict[str, Callable[[], Any]] = {
        "resend": lambda: inviting.resend(row),
        "invite": lambda: inviting.invite(member, "a@x.org"),
        "send_to": lambda: inviting.send_to(row, "a@x.org"),
        "renew": lambda: inviting.renew(row),
        "renew a newer one": lambda: inviting.renew(row),
    }
    InvitationEmail.objects.update(state=State.SENT)
    limit(settings, "recipient", 0)
    before = scenes.dump()
    assert refusal(verbs[verb]) == "recipient_limit_reached"
    assert scenes.dump() == before
    limit(settings, "recipient", 1)
    assert not refusal(verbs[verb])
    assert counted() == [1]


def test_an_expired_invitation_stays_so_if_there_is_no_mail_for_it(
    member: Any, settings: Any, hands: Any
) -> None:
    settings.INVITATIONS_PER_USER = 1
    row = inviting.invite(member, "a@x.org").invitation
    InvitationEmail.objects.update(state=State.SENT)
    hands.shift(timedelta(days=8))
    upkeep.expire()
    limit(settings, "domain", 0)
    before = scenes.dump()
    assert refusal(lambda: inviting.resend(row)) == "domain_limit_reached"
    assert scenes.dump() == before
    assert spent(member) == 0
    assert not row.is_usable()


def test_the_next_try_of_a_mail_that_did_not_leave_counts_for_nothing(
    member: Any, settings: Any, hands: Any, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise DeliveryFailed("421 later")

    limit(settings, "recipient", 1)
    monkeypatch.setattr(DummyDelivery, "send", fail)
    with commit():
        row = inviting.invite(member, "a@x.org").invitation
    for _time in range(3):
        hands.shift(COOLDOWN)
        with commit():
            inviting.resend(row)
    assert counted() == [1]
    assert InvitationEmail.objects.count() == 1


def test_one_that_has_come_back_counts_anew(member: Any, settings: Any, hands: Any) -> None:
    limit(settings, "recipient", 1)
    row = inviting.invite(member, "a@x.org").invitation
    InvitationEmail.objects.update(state=State.FAILED, failure="bounced", sent_at=NOON)
    hands.shift(COOLDOWN)
    assert refusal(lambda: inviting.resend(row)) == "recipient_limit_reached"


def test_deleting_and_revoking_make_no_room(member: Any, settings: Any) -> None:
    limit(settings, "inviter", 3)
    inviting.revoke(inviting.invite(member, "a@x.org").invitation)
    scenes.end(inviting.invite(member, "b@x.org").invitation, "expired")
    upkeep.expire()
    inviting.invite(member, "c@x.org")
    InvitationKey.objects.all().delete()
    assert refusal(lambda: inviting.invite(member, "d@x.org")) == "inviter_limit_reached"


def test_the_quota_is_spoken_of_first(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 0
    limit(settings, "inviter", 0)
    with pytest.raises(QuotaExceeded):
        inviting.invite(member, "a@x.org")


# -- emails that nobody waits for -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.RENEWAL, Kind.ACCEPTED, Kind.EXPIRED, Kind.REMINDER])
def test_another_mail_counts_for_its_recipient_and_is_left_out(
    member: Any, settings: Any, kind: str
) -> None:
    row = inviting.invite(member, "a@x.org").invitation
    whom = "a+b@x.org" if kind == Kind.REMINDER else member.email.upper()
    for name in ("recipient", "domain", "site"):
        limit(settings, name, 2)
    assert queue_mail(row, Kind(kind))
    assert counted() == [1, 1, 1]
    inviting.invite(make_user("zoe"), whom)
    limit(settings, "site", 3)
    before = scenes.dump()
    with transaction.atomic():
        assert not queue_mail(row, Kind(kind))
    assert [name for name, rows in scenes.dump().items() if rows != before[name]] in (
        [],
        ["invitation_mailcounter"],  # the time at which it was last looked at
    )
    assert counted() == [2, 2, 2]


@pytest.mark.parametrize("kind", [Kind.RENEWAL, Kind.ACCEPTED, Kind.EXPIRED, Kind.REMINDER])
def test_another_mail_takes_nothing_from_the_inviter(member: Any, settings: Any, kind: str) -> None:
    row = inviting.invite(member, "a@x.org").invitation
    limit(settings, "inviter", 0)
    assert queue_mail(row, Kind(kind))


def test_one_to_an_inviter_without_address_counts_for_the_site_alone(
    member: Any, settings: Any
) -> None:
    row = inviting.invite(member, "a@x.org").invitation
    member.email = ""
    member.save()
    for name in ("recipient", "domain", "site"):
        limit(settings, name, 2)
    row.refresh_from_db()
    assert queue_mail(row, Kind.EXPIRED)
    assert counted() == [1]


def test_a_request_above_the_limit_can_be_made_again_when_there_is_room(
    member: Any, settings: Any, hands: Any
) -> None:
    row = inviting.invite(member, "a@x.org").invitation
    scenes.end(row, "revoked")
    limit(settings, "recipient", 0)
    assert not inviting.ask_for_renewal(row.mail_key)
    row.refresh_from_db()
    assert row.renewal_requested_at is None
    limit(settings, "recipient", 1)
    assert inviting.ask_for_renewal(row.mail_key)


# -- lists ---------------------------------------------------------------------------------------


def people(*emails: str) -> list[Recipient]:
    return [Recipient(number, email) for number, email in enumerate(emails, start=1)]


def verdicts(batch: lists.ListResult) -> list[str]:
    return [row.code or str(row.verdict) for row in batch.rows]


LISTS = {
    "inviter": ["a@x.org", "b@y.org", "c@z.org", "c@z.org"],
    "recipient": ["bob@x.org", "b.ob@x.org", "bob+c@x.org", "eve@x.org"],
    "domain": ["a@x.org", "b@x.org", "c@x.org", "a@y.org"],
    "site": ["a@x.org", "b@y.org", "c@z.org", "c@z.org"],
}


@pytest.mark.anywhere
@pytest.mark.parametrize("name", LISTS)
def test_rows_over_a_limit_say_so_and_the_others_are_invited(settings: Any, name: str) -> None:
    member = make_user()
    settings.INVITATIONS_PER_USER = 3
    limit(settings, name, 2)
    rows, code = people(*LISTS[name]), f"{name}_limit_reached"
    last = "duplicate" if name in ("inviter", "site") else "{}"
    before = scenes.dump()
    plan = lists.check_list(member, rows)
    assert scenes.dump() == before
    assert verdicts(plan) == ["new", "new", code, last.format("new")]
    assert plan.rows[2].verdict == Verdict.OVER_LIMIT
    assert "tomorrow" in str(plan.rows[2].reason)
    batch = lists.invite_many(member, rows)
    assert verdicts(batch) == ["invited", "invited", code, last.format("invited")]
    made = InvitationEmail.objects.count()
    assert spent(member) == made == batch.count(Verdict.INVITED)
    assert max(counted()) == 2


def test_what_was_counted_before_the_list_counts(member: Any, settings: Any, hands: Any) -> None:
    limit(settings, "inviter", 3)
    inviting.invite(member, "a@x.org")
    hands.shift(24 * HOUR)
    batch = lists.invite_many(member, people("b@x.org", "c@x.org", "d@x.org"))
    assert verdicts(batch) == ["invited", "invited", "inviter_limit_reached"]
    hands.shift(HOUR)
    batch = lists.invite_many(member, people("b@x.org", "c@x.org", "d@x.org"))
    assert verdicts(batch) == ["already_invited", "already_invited", "invited"]


def test_rows_over_the_quota_take_no_room(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 1
    limit(settings, "inviter", 3)
    batch = lists.check_list(member, people(*(f"{name}@x.org" for name in "abcdef")))
    assert verdicts(batch) == ["new", *["over_quota"] * 5]


def test_confirmed_again_a_list_says_the_same(member: Any, settings: Any) -> None:
    limit(settings, "inviter", 1)
    rows = people("a@x.org", "b@x.org")
    batch = lists.invite_many(member, rows)
    assert verdicts(batch) == ["invited", "inviter_limit_reached"]
    assert lists.invite_many(member, rows, batch=batch.id).rows == batch.rows


def test_who_is_invited_already_takes_no_room(member: Any, settings: Any) -> None:
    inviting.invite(member, "a@x.org")
    limit(settings, "inviter", 1)
    batch = lists.invite_many(member, people("a@x.org", "nobody", "b@x.org"))
    assert verdicts(batch) == ["already_invited", "invalid_address", "invited"]


@pytest.mark.parametrize("thieves", [1, invite_list.INVITE_ROUNDS - 1, invite_list.INVITE_ROUNDS])
def test_somebody_who_is_faster_gets_the_mail(
    member: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, thieves: int
) -> None:
    """The last try holds the counters, so that nobody can be faster."""
    other, limits, left = make_user("zoe"), 20, [thieves]
    limit(settings, "site", limits)
    look = limits_module.room_for

    def look_and_be_late(*args: Any, lock: bool) -> Any:
        found = look(*args, lock=lock)
        if left[0] and not lock:
            left[0] -= 1
            inviting.invite(other, f"thief{left[0]}@y.org")
        return found

    monkeypatch.setattr("invitation.flows.mail.room_for", look_and_be_late)
    # What is invited in the try is rolled back with it: the thief comes again, and at last stays.
    batch = lists.invite_many(member, people(*(f"a{n}@x.org" for n in range(20))))
    assert batch.count(Verdict.INVITED) == 20
    assert InvitationEmail.objects.count() == sum(counted()) == limits


def test_a_list_of_many_domains_is_counted_in_few_statements(member: Any, settings: Any) -> None:
    lists.check_list(member, people("a@x.org"))  # The Site is kept in memory.
    numbers = []
    for limits, size in ((None, 2), (1000, 2), (1000, 200)):
        for name in STEPS:
            limit(settings, name, limits)
        rows = people(*(f"a@x{size}-{limits}-{n}.org" for n in range(size)))
        with scenes.statements() as asked:
            lists.invite_many(member, rows)
        numbers.append(len(asked))
    # A look, and one statement that counts. MariaDB and MySQL take three to count: they cannot
    # return what was counted.
    assert numbers[1] == numbers[2] == numbers[0] + (4 if connection.vendor == "mysql" else 2)


# -- deadlocks -----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["invite", "invite_many", "resend"])
def test_a_deadlock_over_a_counter_that_was_just_deleted_is_tried_again(
    settings: Any, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    settings.INVITATION_RESEND_COOLDOWN = timedelta()
    member = make_user()
    row = inviting.invite(member, "old@x.org").invitation
    limit(settings, "site", 9)
    count, left = MailCounter.objects.count_at_once, [2]

    def deadlock(*args: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise OperationalError("Deadlock found when trying to get lock")
        return count(*args)

    monkeypatch.setattr(MailCounter.objects, "count_at_once", deadlock)
    verbs: dict[str, Callable[[], Any]] = {
        "invite": lambda: inviting.invite(member, "a@x.org"),
        "invite_many": lambda: lists.invite_many(member, people("a@x.org")),
        "resend": lambda: inviting.resend(row),
    }
    verbs[verb]()
    assert (left, counted()) == ([0], [1])
    assert InvitationEmail.objects.count() == 2


def test_nothing_to_hold_is_held_by_no_statement(django_assert_num_queries: Any) -> None:
    with transaction.atomic(), django_assert_num_queries(0):
        assert MailCounter.objects.hold([], 1, datetime.now(timezone.utc)) == {}


# -- one email, counted with one statement -------------------------------------------------------

NOW_HOUR = 500_000
#: What a counter may hold: hours of this day, of the next one by another clock, and of no day.
HELD: list[dict[str, int]] = [
    {},
    {"500000": 2},
    {"499976": 1, "499975": 5, "499999": 3},
    {"500024": 1, "500025": 7, "1": 1},
]


def taking(one: MailLimit, emails: int = 1) -> limits_module.Room:
    """Return a room in which so many emails have taken what they need."""
    room = limits_module.Room(Counter(), {one.scope: one})
    for _ in range(emails):
        room.take([one])
    return room


def count_with(scope: Any, held: dict[str, int] | None, times: int, way: str) -> Any:
    """Return the hours of a counter after an email, or ``None`` if it was full."""
    if held is not None:
        MailCounter.objects.create(scope=scope, hours=held, updated_at=NOON)
    one = MailLimit(scope, times, limits_module.REACHED["site"])
    with transaction.atomic():
        if way == "at once":
            refused = refusal(lambda: limits_module.count(taking(one)))
        else:
            refused = limits_module.count_all([[one]])[0]
    hours = MailCounter.objects.get(scope=scope).hours
    MailCounter.objects.all().delete()
    return None if refused else hours


@pytest.mark.anywhere
def test_one_statement_counts_as_lock_look_and_count_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_module, "this_hour", lambda: NOW_HOUR)
    scope = limits_module.scope_of("site", 1)
    for held in (None, *HELD):
        for times in (1, 2, 3, 4, 5, 99):
            ways = [count_with(scope, held, times, way) for way in ("at once", "in steps")]
            assert ways[0] == ways[1], (held, times)


@pytest.mark.anywhere
@pytest.mark.parametrize("way", ["at once", "in steps"])
@pytest.mark.parametrize("rows", [2, 100])
def test_many_counters_are_counted_together(
    monkeypatch: pytest.MonkeyPatch, rows: int, way: str
) -> None:
    """As the emails of a list are: some counters are new, and each counts a number of its own."""
    monkeypatch.setattr("invitation.models.managers.limits.ROWS_AT_ONCE", rows)
    if way == "in steps":
        monkeypatch.setattr("invitation.models.managers.limits._COUNTING", {})
    scopes = [bytes([n]) * 32 for n in range(5)]
    for scope, hours in zip(scopes, HELD, strict=False):
        MailCounter.objects.create(scope=scope, hours=hours, updated_at=NOON)
    taken = {scope: number for number, scope in enumerate(scopes, 1)}
    with transaction.atomic():
        counted_now = MailCounter.objects.count_at_once(taken, NOW_HOUR, NOON)
    assert counted_now == dict(zip(scopes, (1, 2 + 2, 4 + 3, 1 + 4, 5), strict=True))
    hours = dict(MailCounter.objects.values_list("scope", "hours"))
    assert [hours[scope] for scope in scopes] == [
        {"500000": 1},
        {"500000": 4},
        {"499976": 1, "499999": 3, "500000": 3},
        {"500024": 1, "500000": 4},
        {"500000": 5},
    ]


@pytest.mark.anywhere
@pytest.mark.parametrize(("emails", "code"), [(2, ""), (3, "site_limit_reached")])
def test_a_list_counts_all_its_emails_or_is_refused(
    monkeypatch: pytest.MonkeyPatch, emails: int, code: str
) -> None:
    monkeypatch.setattr(limits_module, "this_hour", lambda: NOW_HOUR)
    scope = limits_module.scope_of("site", 1)
    MailCounter.objects.create(scope=scope, hours=HELD[1], updated_at=NOON)
    one = MailLimit(scope, 4, limits_module.REACHED["site"])
    with transaction.atomic():
        assert refusal(lambda: limits_module.count(taking(one, emails))) == code


def test_a_counter_is_named_as_before() -> None:
    known = salted_hmac(
        "invitation:limit", "site:1", secret=conf.INVITATION_SIGNING_KEYS[0], algorithm="sha256"
    )
    assert limits_module.scope_of("site", 1) == known.digest()


@pytest.mark.anywhere
def test_the_full_counters_are_named(member: Any, settings: Any) -> None:
    for name, times in (("inviter", 9), ("recipient", 9), ("domain", 2), ("site", 2)):
        limit(settings, name, times)
    inviting.invite(member, "a@x.org")
    inviting.invite(member, "b@y.org")
    assert refusal(lambda: inviting.invite(member, "c@x.org")) == "site_limit_reached"
    limit(settings, "site", 3)
    assert refusal(lambda: inviting.invite(member, "c@x.org")) == ""
    assert refusal(lambda: inviting.invite(member, "d@x.org")) == "domain_limit_reached"
    assert counted() == [1, 1, 1, 1, 2, 3, 3]


def test_one_email_is_counted_with_one_statement(member: Any, settings: Any) -> None:
    numbers = []
    for times in (None, 99):
        for name in STEPS:
            limit(settings, name, times)
        for email in (f"a@{times}.org", f"b@{times}.org"):
            with scenes.statements() as asked:
                inviting.invite(member, email)
        numbers.append(len(asked))
    # MariaDB and MySQL cannot insert or update on a condition: they take three.
    assert numbers[1] == numbers[0] + (3 if connection.vendor == "mysql" else 1)


def test_a_database_without_such_a_statement_counts_in_steps(
    member: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(settings, "site", 1)
    monkeypatch.setattr("invitation.models.managers.limits._COUNTING", {})
    inviting.invite(member, "a@x.org")
    assert refusal(lambda: inviting.invite(member, "b@x.org")) == "site_limit_reached"
