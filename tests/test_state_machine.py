"""Whatever is done in whatever order: what must hold of invitations and quotas, holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count, Sum
from django.test import TestCase, override_settings
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from invitation import flows
from invitation.conf import conf
from invitation.exceptions import InvitationError, KeyRefused
from invitation.models import Acceptance, InvitationKey, InvitationQuota, QuotaEntry
from tests.factories import make_user, open_it

NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)
NAMES = ("ann", "bob", "eve")
ADDRESSES = ("kim@example.org", "lou@example.org", "max@example.org")
Status = InvitationKey.Status

#: Which of what there is, and who of the members.
places = st.integers(min_value=0, max_value=20)
addresses = st.sampled_from(ADDRESSES)


class Life(RuleBasedStateMachine):
    """Let members and the people they invite do what they can, and time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.clock = time_machine.travel(NOON, tick=False)
        self.traveller = self.clock.start()
        self.members = [make_user(name) for name in NAMES]
        self.newcomers: list[Any] = []
        self.number = 0
        self.accepted: set[int] = set()
        self.settings: list[Any] = []

    def teardown(self) -> None:
        for changed in reversed(self.settings):
            changed.disable()
        self.clock.stop()
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def set(self, **values: Any) -> None:
        changed = override_settings(**values)
        changed.enable()
        self.settings.append(changed)

    def member(self, place: int) -> Any:
        member = self.members[place % len(self.members)]
        member.refresh_from_db()
        return member

    def invitation(self, place: int) -> InvitationKey:
        rows = list(InvitationKey.objects.order_by("pk"))
        return rows[place % len(rows)]

    @contextmanager
    def doing(self, inviter: Any = None) -> Iterator[None]:
        """Do the block to its end, commit included, as far as it is not refused.

        Nobody spends more than he has left at that time.
        """
        left = flows.remaining_invitations(inviter) if inviter is not None else None
        before = QuotaEntry.objects.latest_pk()
        with suppress(InvitationError), TestCase.captureOnCommitCallbacks(execute=True):
            yield
        spent = QuotaEntry.objects.filter(pk__gt=before, change__lt=0)
        spent = spent.filter(reason__in=("invited", "reopened"))
        assert left is None or left + (spent.aggregate(sum=Sum("change"))["sum"] or 0) >= 0

    # -- the site --

    @initialize(
        limit=st.one_of(st.none(), st.integers(0, 3)),
        period=st.sampled_from([None, timedelta(days=3)]),
        days=st.sampled_from([None, 1, 3]),
        switches=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        retention=st.sampled_from([0, 30]),
    )
    def open_the_site(
        self, limit: Any, period: Any, days: Any, switches: Any, retention: int
    ) -> None:
        self.set(
            INVITATION_DELIVERY="invitation.delivery.dummy.DummyDelivery",
            INVITATIONS_PER_USER=limit,
            INVITATION_QUOTA_PERIOD=period,
            ACCOUNT_INVITATION_DAYS=days,
            INVITATION_REFUND_EXPIRED=switches[0],
            INVITATION_REQUIRE_ACTIVE_INVITER=switches[1],
            INVITATION_REWARD=int(switches[2]),
            INVITATION_RETENTION_DAYS=retention,
        )

    @rule(limit=st.one_of(st.none(), st.integers(0, 3)))
    def change_the_limit(self, limit: int | None) -> None:
        self.set(INVITATIONS_PER_USER=limit)

    @rule(hours=st.integers(1, 60))
    def pass_time(self, hours: int) -> None:
        self.traveller.shift(timedelta(hours=hours))

    @rule()
    def expire(self) -> None:
        with self.doing():
            flows.expire()
        assert not InvitationKey.objects.overdue().exists()
        assert not InvitationKey.objects.filter(status=Status.EXPIRED, quota_held__gt=0).exists()

    @rule()
    def purge(self) -> None:
        with self.doing():
            flows.purge()

    # -- the members --

    @rule(place=places, email=addresses)
    def invite(self, place: int, email: str) -> None:
        member = self.member(place)
        with self.doing(member):
            flows.invite(member, email)

    @rule(place=places, email=addresses)
    def create_and_send(self, place: int, email: str) -> None:
        member = self.member(place)
        with self.doing(member):
            flows.send_to(flows.create(member), email)

    @rule(place=places)
    def create(self, place: int) -> None:
        member = self.member(place)
        with self.doing(member):
            flows.create(member)

    @precondition(lambda self: InvitationKey.objects.exists())
    @rule(
        place=places,
        verb=st.sampled_from([flows.resend, flows.extend, flows.change_link, flows.revoke]),
    )
    def manage(self, place: int, verb: Callable[[InvitationKey], None]) -> None:
        invitation = self.invitation(place)
        with self.doing(invitation.from_user):
            verb(invitation)

    @precondition(lambda self: InvitationKey.objects.exists())
    @rule(place=places, email=addresses)
    def send_to(self, place: int, email: str) -> None:
        with self.doing():
            flows.send_to(self.invitation(place), email)

    @precondition(lambda self: InvitationKey.objects.exists())
    @rule(place=places)
    def edit(self, place: int) -> None:
        with self.doing():
            flows.edit(self.invitation(place), recipient_name="Kim", note="Come")

    @rule(place=places)
    def switch_a_member(self, place: int) -> None:
        member = self.member(place)
        member.is_active = not member.is_active
        member.save()

    @precondition(lambda self: len(self.members) > 1)
    @rule(place=places)
    def delete_a_member(self, place: int) -> None:
        member = self.member(place)
        own = list(InvitationKey.objects.filter(from_user=member).values_list("pk", flat=True))
        self.members.remove(member)
        with self.doing():
            member.delete()
        if conf.INVITATION_REQUIRE_ACTIVE_INVITER:
            assert not InvitationKey.objects.usable().filter(pk__in=own).exists()

    # -- the quotas --

    @rule(place=places, amount=st.integers(1, 3))
    def grant(self, place: int, amount: int) -> None:
        flows.grant(self.member(place), amount)

    @rule(place=places, granted=st.one_of(st.none(), st.integers(0, 3)), unlimited=st.booleans())
    def correct(self, place: int, granted: int | None, unlimited: bool) -> None:
        flows.correct_quota(self.member(place), granted, unlimited)

    @rule(amount=st.integers(1, 3), verb=st.sampled_from([flows.grant_all, flows.top_up]))
    def grant_to_all(self, amount: int, verb: Callable[..., int]) -> None:
        users = get_user_model()._default_manager.filter(pk__in=[m.pk for m in self.members])
        verb(users, amount)
        if verb is flows.top_up:
            left = [flows.remaining_invitations(member) for member in users]
            assert all(number is None or number >= amount for number in left)

    # -- the invited --

    @precondition(lambda self: InvitationKey.objects.usable().exists())
    @rule(place=places, active=st.booleans())
    def claim(self, place: int, active: bool) -> None:
        rows = list(InvitationKey.objects.usable().order_by("pk"))
        invitation = rows[place % len(rows)]
        opened = open_it(invitation)
        email = invitation.email or "anybody@example.org"
        self.number += 1
        name = f"newcomer{self.number}"
        with self.doing():
            self.newcomers.append(
                flows.claim(
                    opened, lambda: make_user(name, email=email, is_active=active), email=email
                )
            )
        self.accepted.add(invitation.pk)
        # A second one with the same key is turned away.
        with pytest.raises(KeyRefused):
            flows.claim(opened, lambda: make_user("late"), email=email)

    @precondition(lambda self: InvitationKey.objects.usable().exists())
    @rule(place=places)
    def decline(self, place: int) -> None:
        rows = list(InvitationKey.objects.usable().order_by("pk"))
        with self.doing():
            flows.decline(open_it(rows[place % len(rows)]))

    @precondition(lambda self: self.newcomers)
    @rule(place=places)
    def activate(self, place: int) -> None:
        newcomer = self.newcomers[place % len(self.newcomers)]
        newcomer.is_active = True
        newcomer.save()
        with self.doing():
            flows.activate(newcomer)

    @precondition(lambda self: self.newcomers)
    @rule(place=places)
    def delete_a_newcomer(self, place: int) -> None:
        newcomer = self.newcomers.pop(place % len(self.newcomers))
        came = Acceptance.objects.get(user=newcomer)
        with self.doing():
            newcomer.delete()
        if not Acceptance.objects.filter(pk=came.pk).exists():
            self.accepted.remove(came.invitation_id)

    # -- what holds --

    @invariant()
    def every_counter_is_the_sum_of_its_entries(self) -> None:
        assert flows.ledger_differences() == []

    @invariant()
    def an_invitation_is_paid_once_and_given_back_once(self) -> None:
        entries = QuotaEntry.objects.exclude(reason="reward").exclude(invitation=None)
        sums = entries.order_by().values_list("invitation").annotate(Sum("change"))
        balances = dict(sums)
        assert set(balances.values()) <= {0, -1}
        for row in InvitationKey.objects.filter(from_user__isnull=False):
            assert row.quota_held in (0, 1)
            assert not row.quota_held or balances[row.pk] == -1, repr(row)

    @invariant()
    def what_is_held_was_spent(self) -> None:
        if conf.INVITATION_QUOTA_PERIOD is not None:
            return  # A new period forgives what open invitations hold.
        held = InvitationKey.objects.filter(from_user__isnull=False).values("from_user")
        for row in held.order_by().annotate(sum=Sum("quota_held")):
            if row["sum"]:
                assert InvitationQuota.objects.get(inviter=row["from_user"]).spent >= row["sum"]

    @invariant()
    def an_address_is_open_once_for_each_inviter(self) -> None:
        rows = InvitationKey.objects.pending().exclude(email_key="")
        places = list(rows.values_list("from_user", "email_key", "pending_slot"))
        assert all(slot for _inviter, _address, slot in places)
        assert len({slot for _inviter, _address, slot in places}) == len(places)
        own = [place[:2] for place in places if place[0] is not None]
        assert len(set(own)) == len(own)

    @invariant()
    def uses_are_counted(self) -> None:
        for row in InvitationKey.objects.annotate(came=Count("acceptances")):
            assert row.uses == row.came <= 1 == row.max_uses
            assert (row.uses == 1) == (row.status == Status.ACCEPTED)

    @invariant()
    def what_has_ended_opens_nothing_and_what_has_not_opens(self) -> None:
        usable = set(InvitationKey.objects.usable().values_list("pk", flat=True))
        for row in InvitationKey.objects.select_related("from_user"):
            assert row.is_usable() == (row.pk in usable)
            if row.pk not in usable:
                with pytest.raises(KeyRefused):
                    open_it(row)
            else:
                assert row.status == Status.PENDING
                assert not row.key_expired()

    @invariant()
    def nothing_that_was_accepted_is_deleted(self) -> None:
        kept = InvitationKey.objects.filter(status=Status.ACCEPTED).values_list("pk", flat=True)
        assert set(kept) == self.accepted


@pytest.mark.django_db
def test_what_must_hold_holds_whatever_is_done() -> None:
    run_state_machine_as_test(
        Life, settings=hypothesis_settings(max_examples=20, stateful_step_count=30)
    )
