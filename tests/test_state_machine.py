"""Whatever is done in whatever order: what must hold of invitations and quotas, holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any, TypeVar

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import Sum
from django.test import TestCase, override_settings
from django.utils import timezone as clock
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from invitation import keys
from invitation.addresses.recipients import Recipient
from invitation.conf import conf
from invitation.delivery.dummy import DummyDelivery
from invitation.exceptions import InvitationError, KeyRefused
from invitation.flows import arriving, inviting, lists, privacy, sharing, upkeep
from invitation.flows.quota import (
    correct_quota,
    grant,
    grant_all,
    ledger_differences,
    remaining_invitations,
    set_unlimited,
    top_up,
)
from invitation.models import (
    Acceptance,
    InvitationEmail,
    InvitationKey,
    InvitationQuota,
    QuotaEntry,
)
from tests.factories import DAY, make_user, open_it

NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)
NAMES = ("ann", "bob", "eve")
#: Of strangers and of members.
ADDRESSES = ("kim@example.org", "lou@example.org", "ann@example.com", "bob@example.com")
GROUPS = ("board", "choir")
WORD = "spring-fair"
Status = InvitationKey.Status
Kind = InvitationEmail.Kind
Reason = QuotaEntry.Reason
User: Any = get_user_model()
F = TypeVar("F", bound=Callable[..., None])

#: What a refused verb leaves as it was.
TABLES: tuple[Any, ...] = (
    InvitationKey,
    InvitationKey.groups.through,
    Acceptance,
    InvitationEmail,
    InvitationQuota,
    QuotaEntry,
    User,
    User.groups.through,
)

#: What may become of an invitation; nothing else comes back once it has ended.
NEXT = {
    Status.PENDING: set(Status),
    Status.ACCEPTED: {Status.ACCEPTED, Status.PENDING, Status.EXPIRED},
    Status.DECLINED: {Status.DECLINED},
    Status.REVOKED: {Status.REVOKED},
    Status.EXPIRED: {Status.EXPIRED, Status.PENDING},
}

#: Which of what there is, and who of the members.
places = st.integers(min_value=0, max_value=20)
addresses = st.sampled_from(ADDRESSES)
some_groups = st.sampled_from([(), ("choir",), GROUPS])
hours = st.sampled_from([1, 5, 25, 60])


def groups_of(user: Any) -> Any:
    """Let everybody give the groups that they are in."""
    return user.groups.all()


def address_of(user: Any) -> list[str]:
    """Take everybody's address for proven."""
    return [user.email]


def photograph() -> list[list[tuple[Any, ...]]]:
    return [list(table._base_manager.order_by("pk").values_list()) for table in TABLES]


def named(names: Collection[str]) -> list[Group]:
    return list(Group.objects.filter(name__in=names))


def names_of(groups: Any) -> set[str]:
    return set(groups.values_list("name", flat=True))


def unused(row: InvitationKey) -> int:
    """Return how much of what an invitation costs nobody has used."""
    if row.from_user_id is None:
        return 0
    if row.shared and row.max_uses is not None:
        return min(row.quota_held, row.max_uses - row.uses)
    return row.quota_held if row.uses == 0 else 0


def step(
    when: Callable[[Any], object] = lambda life: True, **arguments: st.SearchStrategy[Any]
) -> Callable[[F], F]:
    """Make a method one of the steps.

    Not a rule: of these, Hypothesis leaves out most in each run, and a run has little time.
    """

    def mark(method: F) -> F:
        vars(method).update(when=when, arguments=arguments)
        return method

    return mark


def there_are_some(life: Life) -> bool:
    return bool(life.rows)


def some_are_usable(life: Life) -> bool:
    return bool(life.usable)


def a_link_is_usable(life: Life) -> bool:
    return any(row.shared and row.pk in life.usable for row in life.rows)


def some_were_opened(life: Life) -> bool:
    return bool(life.opened)


def somebody_has_come(life: Life) -> bool:
    return bool(life.newcomers)


def some_members_are_left(life: Life) -> bool:
    return len(life.members) > 1


def end_of(day: datetime) -> datetime:
    """Return the last second of a day."""
    return day.replace(hour=23, minute=59, second=59, microsecond=0)


class Life(RuleBasedStateMachine):
    """Let members do what they can and time pass: what personal and shared ones have in common."""

    def __init__(self) -> None:
        super().__init__()
        methods = [getattr(type(self), name) for name in sorted(dir(type(self)))]
        self.steps = [method for method in methods if hasattr(method, "arguments")]
        self.rows: list[InvitationKey] = []
        self.usable: set[int] = set()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.clock = time_machine.travel(NOON, tick=False)
        self.traveller = self.clock.start()
        self.settings: list[Any] = []
        groups = {name: Group.objects.create(name=name) for name in GROUPS}
        self.members = [make_user(name) for name in NAMES]
        self.members[0].groups.set(groups.values())
        self.members[1].groups.set([groups["choir"]])
        self.newcomers: list[Any] = []
        self.opened: list[arriving.Opened] = []
        self.number = 0
        self.blocked = ""
        self.refusal: InvitationError | None = None
        #: How many have come through an invitation and are there, and to how many while it was
        #: for any number.
        self.came: Counter[int] = Counter()
        self.gratis: Counter[int] = Counter()
        #: What was seen after the last step.
        self.states: dict[int, str] = {}
        self.tried: dict[int, tuple[Any, ...]] = {}
        self.mails = 0

    def teardown(self) -> None:
        for changed in reversed(self.settings):
            changed.disable()
        DummyDelivery.outbox.clear()
        self.clock.stop()
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def use(self, **values: Any) -> None:
        changed = override_settings(**values)
        changed.enable()
        self.settings.append(changed)

    def member(self, place: int) -> Any:
        # Another object each time: an account remembers its permissions.
        return User._default_manager.get(pk=self.members[place % len(self.members)].pk)

    def invitation(self, place: int, *, usable: bool = False) -> InvitationKey:
        rows = InvitationKey.objects.select_related("from_user").order_by("pk")
        found = list(rows.usable() if usable else rows)
        return found[place % len(found)]

    @contextmanager
    def doing(self, inviter: Any = None) -> Iterator[None]:
        """Do the block to its end, commit included, or find that nothing has changed.

        Nobody spends more than he has left at that time.
        """
        left = remaining_invitations(inviter) if inviter is not None else None
        entries, before = QuotaEntry.objects.latest_pk(), photograph()
        self.refusal = None
        try:
            with TestCase.captureOnCommitCallbacks(execute=True):
                yield
        except InvitationError as error:
            self.refusal = error
        if self.refusal is not None:
            assert photograph() == before, repr(self.refusal)
            return
        if left is not None:
            reasons = (Reason.INVITED, Reason.REOPENED, Reason.SHARED)
            assert left + self.changed(entries, *reasons) >= 0

    def changed(self, entries: int, *reasons: str) -> int:
        """Return what the entries since then say, for these reasons."""
        rows = QuotaEntry.objects.filter(pk__gt=entries, reason__in=reasons)
        return rows.aggregate(sum=Sum("change"))["sum"] or 0

    def gave_back(self, entries: int, reason: str, amount: int) -> None:
        """See that so much came back: less only of what a new period has given back before."""
        given = self.changed(entries, reason)
        assert 0 <= given <= amount
        assert given == amount or conf.INVITATION_QUOTA_PERIOD is not None

    @rule(data=st.data())
    def do_something(self, data: st.DataObject) -> None:
        possible = [method for method in self.steps if method.when(self)]
        names = [method.__name__ for method in possible]
        chosen = possible[names.index(data.draw(st.sampled_from(names), label="step"))]
        arguments = chosen.arguments.items()
        chosen(self, **{name: data.draw(values, label=name) for name, values in arguments})

    # -- the site --

    @initialize(
        limit=st.sampled_from([None, 1, 3, 8]),
        period=st.sampled_from([None, None, timedelta(days=3)]),
        days=st.sampled_from([1, 3, None]),
        switches=st.tuples(*[st.booleans()] * 4),
        retention=st.sampled_from([30, 30, 0]),
    )
    def open_the_site(
        self, limit: Any, period: Any, days: Any, switches: Any, retention: int
    ) -> None:
        self.use(
            INVITATION_DELIVERY="invitation.delivery.dummy.DummyDelivery",
            INVITATIONS_PER_USER=limit,
            INVITATION_QUOTA_PERIOD=period,
            ACCOUNT_INVITATION_DAYS=days,
            INVITATION_EXPIRY_CHOICES=[1, 7],
            INVITATION_REFUND_EXPIRED=switches[0],
            INVITATION_REQUIRE_ACTIVE_INVITER=switches[1],
            INVITATION_REWARD=int(switches[2]),
            INVITATION_RETENTION_DAYS=retention,
            INVITATION_GRANTABLE_GROUPS=groups_of,
            INVITATION_VERIFIED_ADDRESSES=address_of if switches[3] else None,
        )
        self.begin()

    def begin(self) -> None:
        """Make what there is at the beginning."""

    @step(limit=st.sampled_from([None, 0, 2, 8]))
    def change_the_limit(self, limit: int | None) -> None:
        self.use(INVITATIONS_PER_USER=limit)

    @step(hours=hours)
    def pass_time(self, hours: int) -> None:
        self.traveller.shift(timedelta(hours=hours))

    @step(hours=st.sampled_from([0, 25, 75]))
    def expire(self, hours: int) -> None:
        self.traveller.shift(timedelta(hours=hours))
        over = InvitationKey.objects.expired()
        amount = sum(unused(row) for row in over) if conf.INVITATION_REFUND_EXPIRED else 0
        entries = QuotaEntry.objects.latest_pk()
        with self.doing():
            upkeep.expire()
        self.gave_back(entries, Reason.EXPIRED, amount)
        assert not InvitationKey.objects.overdue().exists()
        assert not InvitationKey.objects.filter(status=Status.EXPIRED, quota_held__gt=0).exists()
        assert ledger_differences() == []

    @step()
    def purge(self) -> None:
        asked = InvitationKey.objects.filter(renewal_requested_at__gt=clock.now() - 7 * DAY)
        waiting = list(asked)
        with self.doing():
            upkeep.purge()
        assert list(asked) == waiting

    @step(email=addresses)
    def forget(self, email: str) -> None:
        with self.doing():
            privacy.forget(email)
        assert self.refusal is None
        for table in (InvitationKey, InvitationEmail):
            assert email not in str(list(table._default_manager.values_list()))
        assert ledger_differences() == []

    @step(hours=st.sampled_from([0, 5, 60]))
    def forget_ended(self, hours: int) -> None:
        with self.doing():
            privacy.forget_ended(timedelta(hours=hours))
        open_ones = InvitationKey.objects.usable()
        assert not open_ones.exclude(forgotten_at=None).exists()

    # -- the members --

    @step(place=places)
    def switch_a_member(self, place: int) -> None:
        member = self.member(place)
        member.is_active = not member.is_active
        member.save()

    @step(place=places, names=some_groups)
    def put_a_member_into_groups(self, place: int, names: tuple[str, ...]) -> None:
        self.member(place).groups.set(named(names))

    @step(when=some_members_are_left, place=places)
    def delete_a_member(self, place: int) -> None:
        member = self.member(place)
        own = list(InvitationKey.objects.filter(from_user=member).values_list("pk", flat=True))
        self.members.remove(member)
        self.delete(member)
        if conf.INVITATION_REQUIRE_ACTIVE_INVITER:
            assert not InvitationKey.objects.usable().filter(pk__in=own).exists()

    def delete(self, user: Any) -> None:
        """Delete an account; what it has used is released if it was never usable."""
        never = not user.is_active and user.last_login is None
        rows = Acceptance.objects.filter(user=user)
        used = dict(rows.values_list("pk", "invitation"))
        released = set(rows.filter(activated_at=None).values_list("pk", flat=True) if never else ())
        with self.doing():
            user.delete()
        kept = set(Acceptance.objects.filter(pk__in=used).values_list("pk", flat=True))
        assert kept == used.keys() - released
        self.came.subtract(used[pk] for pk in released)

    # -- the quotas --

    @step(place=places, amount=st.integers(1, 3))
    def grant(self, place: int, amount: int) -> None:
        grant(self.member(place), amount)

    @step(place=places, granted=st.one_of(st.none(), st.integers(0, 3)), unlimited=st.booleans())
    def correct(self, place: int, granted: int | None, unlimited: bool) -> None:
        correct_quota(self.member(place), granted, unlimited)

    @step(amount=st.integers(1, 3), verb=st.sampled_from([grant_all, top_up]))
    def grant_to_all(self, amount: int, verb: Callable[..., int]) -> None:
        users = User._default_manager.filter(pk__in=[m.pk for m in self.members])
        before = [remaining_invitations(member) for member in users]
        verb(users, amount)
        for had, has in zip(before, map(remaining_invitations, users), strict=True):
            if verb is top_up:
                assert has is None or (had is not None and has == max(had, amount))

    @step(place=places, unlimited=st.booleans())
    def set_unlimited(self, place: int, unlimited: bool) -> None:
        member = self.member(place)
        set_unlimited(User._default_manager.filter(pk=member.pk), unlimited)
        assert not unlimited or remaining_invitations(member) is None

    # -- the invited --

    def register(self, opened: arriving.Opened, email: str, *, active: bool = True) -> None:
        """Come with an invitation that was opened some time ago, if it is still open."""
        row = self.now(opened.invitation)
        still = row is not None and row.locator == opened.invitation.locator and row.is_usable()
        groups = self.given_by(row)
        self.number += 1
        name = f"newcomer{self.number}"
        with self.doing():
            user = arriving.claim(
                opened, lambda: make_user(name, email=email, is_active=active), email=email
            )
            self.newcomers.append(user)
        assert (self.refusal is None) == (still and opened.admits(email)), repr(self.refusal)
        if row is not None and self.refusal is None:
            self.count(row)
            # None were carried when it was opened: they are not asked for again.
            carried = getattr(opened.invitation, "carries_groups", True)
            assert names_of(user.groups) == (groups if carried else set())

    def now(self, invitation: InvitationKey) -> InvitationKey | None:
        rows = InvitationKey.objects.select_related("from_user")
        return rows.filter(pk=invitation.pk).first()

    def given_by(self, row: InvitationKey | None) -> set[str]:
        """Return the groups that come with an invitation, as its inviter may give them now."""
        if row is None or row.from_user is None or not row.from_user.is_active:
            return set()
        return names_of(row.groups) & names_of(row.from_user.groups)

    def count(self, row: InvitationKey) -> None:
        self.came[row.pk] += 1
        self.gratis[row.pk] += row.max_uses is None

    @step(when=some_are_usable, place=places, channel=st.sampled_from(keys.CHANNELS))
    def open(self, place: int, channel: str) -> None:
        self.opened.append(open_it(self.invitation(place, usable=True), channel))

    @step(when=some_were_opened, place=places, email=addresses, active=st.booleans())
    def claim_late(self, place: int, email: str, active: bool) -> None:
        opened = self.opened[place % len(self.opened)]
        self.register(opened, opened.invitation.email or email, active=active)

    @step(
        when=there_are_some,
        place=places,
        who=places,
        channel=st.sampled_from([*keys.CHANNELS, None]),
    )
    def accept(self, place: int, who: int, channel: str | None) -> None:
        """Let somebody with an account accept, of those who have the address if there are any."""
        row = self.invitation(place)
        people = User._default_manager.filter(is_active=True).order_by("pk")
        others = people.exclude(pk=row.from_user_id) or people
        people = list(people.filter(email=row.email)) or list(others)
        if not people or (channel and not row.is_usable()):
            return
        user = people[who % len(people)]
        thing = open_it(row, channel) if channel else row
        before, groups = names_of(user.groups), self.given_by(row)
        may = self.may_accept(row, user, channel)
        with self.doing():
            arriving.accept(thing, user)
        assert (self.refusal is None) == may, repr(self.refusal)
        if self.refusal is None:
            self.count(row)
            assert names_of(user.groups) == before | groups
            with self.doing():
                arriving.accept(thing, user)
            assert self.refusal is not None

    def may_accept(self, row: InvitationKey, user: Any, channel: str | None) -> bool:
        """Tell what docs/reference/registration.rst says."""
        proven = set(conf.verified_addresses(user)) if conf.verified_addresses else set()
        if not row.is_usable() or row.from_user_id == user.pk:
            return False
        if row.email:
            mailed = channel == keys.MAIL and row.email == user.email
            return mailed or row.email in proven
        if Acceptance.objects.filter(invitation=row, user=user, invitation__shared=True).exists():
            return False
        domains = {address.rpartition("@")[2] for address in proven}
        there = not row.allowed_domains or bool(domains & set(row.allowed_domains))
        return channel is not None and bool(self.given_by(row)) and there

    @step(when=somebody_has_come, place=places)
    def activate(self, place: int) -> None:
        newcomer = self.newcomers[place % len(self.newcomers)]
        newcomer.is_active = True
        newcomer.save()
        with self.doing():
            arriving.activate(newcomer)

    @step(when=somebody_has_come, place=places)
    def delete_a_newcomer(self, place: int) -> None:
        self.delete(self.newcomers.pop(place % len(self.newcomers)))

    # -- what holds --

    @invariant()
    def all_of_it_holds(self) -> None:
        self.rows = list(InvitationKey.objects.select_related("from_user").order_by("pk"))
        entries = QuotaEntry.objects.order_by()
        self.entries = list(entries.values_list("inviter", "invitation", "reason", "change"))
        self.quotas = {quota.inviter_id: quota for quota in InvitationQuota.objects.all()}
        self.every_counter_is_the_sum_of_its_entries()
        self.an_invitation_is_paid_once_and_given_back_once()
        self.what_is_held_was_spent()
        self.an_address_is_open_once_for_each_inviter()
        self.uses_are_counted()
        self.what_has_ended_opens_nothing_and_what_has_not_opens()
        self.what_has_ended_has_ended()
        self.mails_keep_their_distance()

    def every_counter_is_the_sum_of_its_entries(self) -> None:
        sums: Counter[int] = Counter()
        for inviter, _invitation, _reason, change in self.entries:
            sums[inviter] += change
        for inviter, quota in self.quotas.items():
            assert sums.pop(inviter, 0) == quota.granted - quota.spent
        assert not any(sums.values())

    def an_invitation_is_paid_once_and_given_back_once(self) -> None:
        paid: Counter[int] = Counter()
        for _inviter, invitation, reason, change in self.entries:
            if reason != Reason.REWARD:
                paid[invitation] -= change
        for row in self.rows:
            if row.from_user_id is None:
                assert paid[row.pk] == 0
            elif row.shared:
                self.a_shared_link_holds_what_it_costs(row, paid[row.pk])
            else:
                assert paid[row.pk] in (0, 1)
                assert row.quota_held in (0, 1)
                assert not row.quota_held or paid[row.pk] == 1, repr(row)

    def a_shared_link_holds_what_it_costs(self, row: InvitationKey, paid: int) -> None:
        assert 0 <= row.quota_held <= paid
        if row.status == Status.EXPIRED:
            return
        # A new period forgives what an open link holds.
        assert row.quota_held == paid or conf.INVITATION_QUOTA_PERIOD is not None
        if row.status == Status.PENDING and row.max_uses is not None:
            # Whoever came while it was for any number has cost nothing, also if they are gone.
            assert row.max_uses - row.uses <= row.quota_held + self.gratis[row.pk]
            assert unused(row) == row.given_back().amount

    def what_is_held_was_spent(self) -> None:
        if conf.INVITATION_QUOTA_PERIOD is not None:
            return  # A new period forgives what open invitations hold.
        held: Counter[int] = Counter()
        for row in self.rows:
            if row.from_user_id is not None and row.quota_held:
                held[row.from_user_id] += row.quota_held
        for inviter, amount in held.items():
            assert self.quotas[inviter].spent >= amount

    def an_address_is_open_once_for_each_inviter(self) -> None:
        open_ones = [row for row in self.rows if row.status == Status.PENDING and row.email_key]
        assert all(row.pending_slot for row in open_ones)
        assert len({row.pending_slot for row in open_ones}) == len(open_ones)
        own = [(row.from_user_id, row.email_key) for row in open_ones if row.from_user]
        assert len(set(own)) == len(own)

    def uses_are_counted(self) -> None:
        acceptances = list(Acceptance.objects.order_by().values_list("invitation", "user"))
        came = Counter(invitation for invitation, _user in acceptances)
        assert came == +self.came  # Nothing that was accepted is gone, either.
        known = Counter(acceptance for acceptance in acceptances if acceptance[1])
        assert all(times == 1 for times in known.values())
        for row in self.rows:
            assert row.uses == came[row.pk]
            assert row.max_uses is None or row.uses <= row.max_uses
            assert row.shared or row.max_uses == 1
            assert (row.uses == row.max_uses) == (row.status == Status.ACCEPTED)

    def what_has_ended_opens_nothing_and_what_has_not_opens(self) -> None:
        usable = set(InvitationKey.objects.usable().values_list("pk", flat=True))
        self.usable = usable
        for row in self.rows:
            assert row.is_usable() == (row.pk in usable)
            if row.pk in usable:
                assert row.status == Status.PENDING
                assert row.paused_at is None
                assert not row.key_expired()
            as_it_is = (row.pk in usable, row.status, row.locator, row.word)
            if self.tried.get(row.pk) != as_it_is:
                self.tried[row.pk] = as_it_is
                self.try_to_open(row, row.pk in usable)

    def try_to_open(self, row: InvitationKey, usable: bool) -> None:
        ways: list[Callable[[], arriving.Opened]] = [
            lambda: open_it(row, keys.MAIL),
            lambda: open_it(row, keys.COPY),
        ]
        if row.shared:
            ways += [
                lambda: sharing.open_code(row.code),
                lambda: sharing.open_code(row.code.lower().replace("-", " ")),
            ]
        if row.word is not None:
            ways.append(lambda: sharing.open_code(f" {row.word} ".upper()))
        for way in ways:
            if usable:
                assert way().invitation == row
            else:
                with pytest.raises(KeyRefused):
                    way()

    def what_has_ended_has_ended(self) -> None:
        for row in self.rows:
            before = self.states.get(row.pk, row.status)
            assert row.status in NEXT[Status(before)], f"{before}: {row!r}"
            assert not (row.shared and before == Status.EXPIRED) or row.status == before
        self.states = {row.pk: row.status for row in self.rows}

    def mails_keep_their_distance(self) -> None:
        mails: dict[tuple[int, str], list[datetime]] = defaultdict(list)
        fields = ("pk", "invitation", "invitation__email", "kind", "created_at")
        written = InvitationEmail.objects.order_by("pk").values_list(*fields)
        for pk, invitation, email, kind, created_at in written:
            mails[invitation, kind].append(created_at)
            assert pk <= self.mails or kind == Kind.RENEWAL or email != self.blocked
            self.mails = max(self.mails, pk)
        for (_invitation, kind), times in mails.items():
            pause = DAY if kind == Kind.RENEWAL else conf.INVITATION_RESEND_COOLDOWN
            assert kind == Kind.INVITATION or len(times) <= 3
            assert all(later - earlier >= pause for earlier, later in pairwise(times))


class PersonalLife(Life):
    """Let members invite one person at a time, and many by lists."""

    def begin(self) -> None:
        for member in self.members[:2]:
            with self.doing(member):
                inviting.invite(member, ADDRESSES[0], groups=named(["choir"]))

    @step(email=st.sampled_from(["", *ADDRESSES]))
    def block(self, email: str) -> None:
        self.blocked = email
        self.use(INVITATION_BLOCKED_RECIPIENTS=[email] if email else [])

    # -- the members --

    @step(
        place=places,
        email=addresses,
        days=st.sampled_from(["default", "default", 1, 5, 7]),
        mail=st.booleans(),
        names=st.one_of(st.none(), some_groups),
    )
    def invite(self, place: int, email: str, days: Any, mail: bool, names: Any) -> None:
        member = self.member(place)
        may_give = names_of(member.groups)
        entries, mails = QuotaEntry.objects.latest_pk(), InvitationEmail.objects.count()
        with self.doing(member):
            groups = None if names is None else named(names)
            invited = inviting.invite(member, email, days=days, mail=mail, groups=groups)
        if self.refusal is not None:
            return
        row = invited.invitation
        assert days != 5
        assert email not in (member.email, self.blocked)
        assert days == "default" or row.expires_at == end_of(clock.now() + days * DAY)
        assert self.changed(entries, Reason.INVITED) == (-1 if invited.created else 0)
        assert mail or not invited.mailed
        assert mail or InvitationEmail.objects.count() == mails
        if names is not None:
            assert names_of(row.groups) == set(names) <= may_give

    @step(
        place=places,
        emails=st.lists(st.sampled_from([*ADDRESSES, "no address"]), min_size=1, max_size=5),
        names=some_groups,
    )
    def invite_many(self, place: int, emails: list[str], names: tuple[str, ...]) -> None:
        member = self.member(place)
        people = [Recipient(n, email, groups=names) for n, email in enumerate(emails, 1)]
        left = remaining_invitations(member)
        entries = QuotaEntry.objects.latest_pk()
        with self.doing(member):
            planned = lists.check_list(member, people)
        if self.refusal is not None:
            assert not member.is_active
            return
        with self.doing(member):
            done = lists.invite_many(member, people, batch=planned.id)
        assert self.refusal is None
        invited, new = lists.Verdict.INVITED, lists.Verdict.NEW
        verdicts = [row.verdict for row in done.rows]
        assert verdicts == [invited if r.verdict == new else r.verdict for r in planned.rows]
        assert self.changed(entries, Reason.INVITED) == -done.count(invited)
        assert left is None or done.count(invited) <= left
        over = [row for row in done.rows if row.verdict == lists.Verdict.OVER_QUOTA]
        assert not over or done.count(invited) == left
        got = [row.email for row in done.rows if row.verdict == invited]
        assert len(set(got)) == len(got)
        assert self.blocked not in got
        assert not got or set(names) <= names_of(member.groups)
        # Confirmed once more, it changes nothing and says the same.
        before = photograph()
        with self.doing(member):
            again = lists.invite_many(member, people, batch=planned.id)
        assert again.rows == done.rows or not got
        assert photograph() == before

    @step(place=places, email=addresses)
    def create_and_send(self, place: int, email: str) -> None:
        member = self.member(place)
        made: list[InvitationKey] = []
        with self.doing(member):
            made.append(inviting.create_without_address(member))
        for invitation in made:
            with self.doing():
                inviting.send_to(invitation, email)

    @step(
        when=there_are_some,
        place=places,
        verb=st.sampled_from(
            [inviting.resend, inviting.extend, inviting.change_link, inviting.revoke]
        ),
    )
    def manage(self, place: int, verb: Callable[[InvitationKey], None]) -> None:
        invitation = self.invitation(place)
        key = invitation.key
        with self.doing(invitation.from_user):
            verb(invitation)
        if verb is inviting.change_link and self.refusal is None:
            with pytest.raises(KeyRefused):
                arriving.open_invitation(key)

    @step(when=there_are_some, place=places, email=addresses)
    def send_to(self, place: int, email: str) -> None:
        with self.doing():
            inviting.send_to(self.invitation(place), email)

    @step(when=there_are_some, place=places, names=st.one_of(st.none(), some_groups))
    def edit(self, place: int, names: tuple[str, ...] | None) -> None:
        row = self.invitation(place)
        with self.doing():
            groups = None if names is None else named(names)
            inviting.edit(row, recipient_name="Kim", note="Come", groups=groups)
        if self.refusal is None and names:
            assert row.from_user is not None
            assert names_of(row.groups) == set(names) <= names_of(row.from_user.groups)

    # -- a dead link --

    @step(when=there_are_some, place=places)
    def ask_for_renewal(self, place: int) -> None:
        row = self.invitation(place)
        asked = InvitationEmail.objects.filter(kind=Kind.RENEWAL)
        before = asked.count()
        for _time in range(2):
            with self.doing():
                inviting.ask_for_renewal(row.mail_key)
            assert self.refusal is None
        assert asked.count() <= before + 1
        if asked.count() > before:
            assert row.state in (Status.EXPIRED, Status.REVOKED)
            assert row.email
            assert row.from_user is not None
            assert row.from_user.is_active

    @step(when=there_are_some, place=places)
    def renew(self, place: int) -> None:
        row = self.invitation(place)
        costs, entries = inviting.renewal_costs(row), QuotaEntry.objects.latest_pk()
        dead = row.state in (Status.EXPIRED, Status.REVOKED)
        with self.doing(row.from_user):
            inviting.renew(row)
        spent = -self.changed(entries, Reason.INVITED, Reason.REOPENED)
        assert spent == (costs if self.refusal is None else 0)
        assert self.refusal is not None or (dead and row.email and row.from_user)

    # -- the invited --

    @step(when=some_are_usable, place=places, active=st.booleans())
    def claim(self, place: int, active: bool) -> None:
        opened = open_it(self.invitation(place, usable=True))
        email = opened.invitation.email or "anybody@example.org"
        self.register(opened, email, active=active)
        assert self.refusal is None
        # A second one with the same key is turned away.
        self.register(opened, email)
        assert isinstance(self.refusal, KeyRefused)

    @step(when=some_are_usable, place=places)
    def decline(self, place: int) -> None:
        with self.doing():
            arriving.decline(open_it(self.invitation(place, usable=True)))


class SharedLife(Life):
    """Let members make links for several people, and all sorts of people come."""

    def begin(self) -> None:
        self.permit(0, 2)
        self.permit(1, 1)
        for place, uses in ((0, None), (1, 2)):
            member = self.member(place)
            with self.doing(member):
                sharing.share(
                    member, label="Fair", max_uses=uses, expires_at=None, groups=named(["choir"])
                )

    @step(place=places, rights=st.integers(0, 2))
    def permit(self, place: int, rights: int) -> None:
        names = ("create_shared_link", "unlimited_shared_link")[:rights]
        permissions = Permission.objects.filter(codename__in=names)
        self.member(place).user_permissions.set(permissions)

    @step(
        place=places,
        uses=st.sampled_from([None, 1, 2, 5]),
        days=st.sampled_from([None, 1, 3]),
        domains=st.sampled_from([(), (), ("example.org",)]),
        names=some_groups,
        word=st.sampled_from(["", WORD]),
    )
    def share(
        self, place: int, uses: int | None, days: Any, domains: Any, names: Any, word: str
    ) -> None:
        member = self.member(place)
        entries = QuotaEntry.objects.latest_pk()
        with self.doing(member):
            sharing.share(
                member,
                label="Fair",
                max_uses=uses,
                expires_at=days and clock.now() + days * DAY,
                allowed_domains=domains,
                groups=named(names),
                word=word,
            )
        assert self.changed(entries, Reason.SHARED) == (-(uses or 0) if not self.refusal else 0)
        if self.refusal is None:
            self.has_the_right(member, uses)
            assert set(names) <= names_of(member.groups)

    def has_the_right(self, member: Any, uses: int | None) -> None:
        held = set(member.user_permissions.values_list("codename", flat=True))
        assert member.is_active
        assert {"create_shared_link"} <= held
        assert uses is not None or "unlimited_shared_link" in held

    @step(
        when=there_are_some,
        place=places,
        uses=st.sampled_from([None, 1, 2, 5]),
        domains=st.sampled_from([(), ("example.org",)]),
        names=st.one_of(st.none(), some_groups),
        word=st.sampled_from(["", WORD]),
    )
    def edit_shared(
        self, place: int, uses: int | None, domains: Any, names: Any, word: str
    ) -> None:
        row = self.invitation(place)
        before, had = unused(row), row.max_uses
        entries = QuotaEntry.objects.latest_pk()
        with self.doing(row.from_user):
            sharing.edit_shared(
                row,
                label="Feast",
                max_uses=uses,
                expires_at=row.expires_at,
                allowed_domains=domains,
                groups=None if names is None else named(names),
                word=word,
            )
        if self.refusal is not None or row.from_user is None:
            return
        if uses is None and had is not None:
            self.has_the_right(row.from_user, uses)
        free = 0 if uses is None else uses - row.uses
        assert self.changed(entries, Reason.SHARED) == -max(0, free - before)
        self.gave_back(entries, Reason.RETURNED, max(0, before - free))

    @step(
        when=there_are_some,
        place=places,
        verb=st.sampled_from([sharing.pause, sharing.resume, sharing.close, inviting.revoke]),
    )
    def manage(self, place: int, verb: Callable[[InvitationKey], None]) -> None:
        row = self.invitation(place)
        ends = verb in (sharing.close, inviting.revoke)
        # A personal one that is revoked stays spent.
        amount = unused(row) if ends and row.shared else 0
        entries = QuotaEntry.objects.latest_pk()
        opened = [open_it(row)] if row.is_usable() else []
        with self.doing(row.from_user):
            verb(row)
        if self.refusal is None:
            self.gave_back(entries, Reason.RETURNED, amount)
            assert not ends or row.status == Status.REVOKED
            assert ends or (row.paused_at is None) == (verb is sharing.resume)
        for seen_before in opened:
            self.register(seen_before, row.email or ADDRESSES[0])

    @step(when=there_are_some, place=places)
    def change_link(self, place: int) -> None:
        row = self.invitation(place)
        key, code = row.key, row.code
        with self.doing():
            inviting.change_link(row)
        if self.refusal is None:
            for find, text in ((arriving.open_invitation, key), (sharing.open_code, code)):
                with pytest.raises(KeyRefused):
                    find(text)

    @step(
        when=there_are_some,
        place=places,
        verb=st.sampled_from(
            [
                inviting.extend,
                inviting.resend,
                inviting.renew,
                lambda row: inviting.send_to(row, ADDRESSES[0]),
            ]
        ),
    )
    def treat_as_personal(self, place: int, verb: Callable[[InvitationKey], Any]) -> None:
        row = self.invitation(place)
        if not row.shared:
            return
        was_open = row.status == Status.PENDING
        with self.doing():
            verb(row)
        assert self.refusal is not None or (verb is inviting.extend and was_open)

    @step(when=there_are_some, place=places)
    def ask_for_renewal(self, place: int) -> None:
        row = self.invitation(place)
        with self.doing():
            asked = inviting.ask_for_renewal(row.key)
        assert not (asked and row.shared)

    @step(place=places, email=addresses)
    def invite(self, place: int, email: str) -> None:
        member = self.member(place)
        with self.doing(member):
            inviting.invite(member, email)

    # -- the invited --

    @step(
        when=a_link_is_usable,
        place=places,
        emails=st.lists(addresses, min_size=1, max_size=3),
        active=st.booleans(),
    )
    def come(self, place: int, emails: Iterable[str], active: bool) -> None:
        """Let some come who have all typed the code before the first of them registers."""
        rows = list(InvitationKey.objects.shared_links().usable().order_by("pk"))
        row = rows[place % len(rows)]
        for opened, email in [(sharing.open_code(row.code), email) for email in emails]:
            self.register(opened, email, active=active)

    @step(when=some_are_usable, place=places)
    def decline(self, place: int) -> None:
        opened = open_it(self.invitation(place, usable=True))
        with self.doing():
            arriving.decline(opened)
        assert InvitationKey.objects.filter(pk=opened.invitation.pk).usable().exists() == (
            opened.invitation.shared
        )


@pytest.mark.django_db
@pytest.mark.long
@pytest.mark.parametrize("lives", [2, pytest.param(12, marks=pytest.mark.stress)])
@pytest.mark.parametrize("life", [PersonalLife, SharedLife])
def test_what_must_hold_holds_whatever_is_done(life: type[Life], lives: int) -> None:
    run_state_machine_as_test(
        life, settings=hypothesis_settings(max_examples=lives, stateful_step_count=40)
    )
