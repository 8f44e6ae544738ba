"""Cleanup: what expires is marked and refunded once, what ended unused is deleted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation import signals
from invitation.exceptions import Busy
from invitation.flows import inviting, upkeep
from invitation.flows.after_commit import transactions
from invitation.flows.upkeep import cleanup
from invitation.models import (
    Acceptance,
    InvitationEmail,
    InvitationKey,
    InvitationQuota,
    QuotaEntry,
)
from invitation.models.managers import InvitationKeyManager
from tests import scenes
from tests.factories import DAY, make_acceptance, make_invitation, make_mail, make_user, spent
from tests.flows.conftest import Heard

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_retention")]
ENDED = ["declined", "revoked", "expired"]


def overdue(inviter: Any, number: int = 1, **fields: Any) -> list[InvitationKey]:
    """Return invitations of this member that were paid for and ran out yesterday."""
    InvitationQuota.objects.get_or_create(inviter=inviter)
    InvitationQuota.objects.spend(inviter, None, number)
    start = InvitationKey.objects.count()
    return [
        make_invitation(inviter, f"g{index}@example.org", left=-DAY, quota_held=1, **fields)
        for index in range(start, start + number)
    ]


def statements(action: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        action()
    return len(queries)


# -- expire --


def test_what_ran_out_is_marked_and_frees_its_slot(member: Any) -> None:
    [invitation] = overdue(member)
    assert upkeep.expire() == 1
    invitation.refresh_from_db()
    assert (invitation.status, invitation.pending_slot) == ("expired", None)
    assert invitation.ended_at is not None


@pytest.mark.parametrize("left", [DAY, None])
def test_what_has_time_left_is_not(left: timedelta | None) -> None:
    make_invitation(left=left)
    assert upkeep.expire() == 0
    assert InvitationKey.objects.get().status == "pending"


@pytest.mark.parametrize("status", ["accepted", "declined", "revoked"])
def test_what_has_ended_stays_what_it_is(member: Any, status: str) -> None:
    overdue(member, status=status)
    assert upkeep.expire() == 0
    assert InvitationKey.objects.get().status == status
    assert spent(member) == 1


def test_it_ends_at_the_time_that_is_passed() -> None:
    invitation = make_invitation()
    assert invitation.expires_at is not None
    assert upkeep.expire(now=invitation.expires_at - timedelta(microseconds=1)) == 0
    assert upkeep.expire(now=invitation.expires_at) == 1


def test_the_same_member_can_invite_the_address_anew(member: Any) -> None:
    [invitation] = overdue(member)
    upkeep.expire()
    assert inviting.invite(member, invitation.email).created


# -- refund --


def test_each_inviter_gets_back_what_expired_of_his(member: Any) -> None:
    ann = make_user("ann")
    overdue(member, 3)
    overdue(ann, 2)
    InvitationQuota.objects.spend(member, None, 4)
    upkeep.expire(batch_size=2)
    assert (spent(member), spent(ann)) == (4, 0)


def test_it_is_given_back_once(member: Any) -> None:
    overdue(member)
    InvitationQuota.objects.spend(member, None, 4)
    upkeep.expire()
    upkeep.expire()
    InvitationKey.objects.update(status="pending", ended_at=None)
    upkeep.expire()
    assert spent(member) == 4


def test_nothing_comes_back_where_the_setting_says_so(member: Any, settings: Any) -> None:
    settings.INVITATION_REFUND_EXPIRED = False
    overdue(member)
    upkeep.expire()
    settings.INVITATION_REFUND_EXPIRED = True
    upkeep.expire()
    assert spent(member) == 1


def test_nor_for_one_that_ended_because_its_slot_was_taken(member: Any, settings: Any) -> None:
    settings.INVITATION_REFUND_EXPIRED = False
    overdue(member, status="expired")
    upkeep.expire()
    assert (spent(member), InvitationKey.objects.get().quota_held) == (1, 0)


def test_what_holds_no_quota_gives_none_back(member: Any) -> None:
    InvitationQuota.objects.create(inviter=member, spent=1)
    make_invitation(member, left=-DAY)
    upkeep.expire()
    assert spent(member) == 1


def test_what_was_used_in_part_expires_but_gives_nothing_back(member: Any) -> None:
    overdue(member, max_uses=3, uses=1)
    assert (upkeep.expire(), upkeep.purge()) == (1, 0)
    assert (spent(member), InvitationKey.objects.get().quota_held) == (1, 0)


def test_an_inviter_who_is_gone_needs_nothing_back(member: Any) -> None:
    overdue(member)
    member.delete()
    assert (upkeep.expire(), upkeep.purge()) == (1, 1)


@pytest.fixture
def locked_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let others have locked every quota as long as nobody waits for it."""
    lock = InvitationQuota.objects.lock_for_refund
    monkeypatch.setattr(
        InvitationQuota.objects,
        "lock_for_refund",
        lambda inviters, free=False: [] if free else lock(inviters),
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", [upkeep.expire, upkeep.clean_up])
def test_a_crash_before_the_refund_leaves_all_to_the_next_run(
    member: Any, monkeypatch: pytest.MonkeyPatch, verb: Callable[[], Any]
) -> None:
    overdue(member, 2)
    with monkeypatch.context() as patch:
        patch.setattr(InvitationQuota.objects, "refund", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            verb()
    assert (upkeep.purge(), spent(member)) == (0, 2)
    assert upkeep.clean_up() == (2, 2)
    assert spent(member) == 0


@pytest.mark.django_db(transaction=True)
def test_a_crash_between_mark_and_refund_is_made_good_by_the_next_run(
    member: Any, monkeypatch: pytest.MonkeyPatch, locked_by_others: None
) -> None:
    overdue(member, 2)
    with monkeypatch.context() as patch:
        patch.setattr(InvitationQuota.objects, "refund", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            upkeep.expire()
    assert (upkeep.purge(), spent(member)) == (0, 2)  # not before the refund
    assert upkeep.expire() == 0
    assert (upkeep.purge(), spent(member)) == (2, 0)


def test_beside_itself_one_of_two_cleanups_refunds(member: Any) -> None:
    pks = [row.pk for row in overdue(member, 2)]
    flows_now = timezone.now()
    assert InvitationKey.objects.expire(pks, flows_now) == sorted(pks)
    later = flows_now + timedelta(seconds=1)
    assert InvitationKey.objects.expire(pks, later) == []
    held = InvitationKey.objects.give_up_quota(pks)
    assert [(one.inviter, one.amount) for one in held] == [(member.pk, 1)] * 2
    assert InvitationKey.objects.give_up_quota(pks) == []


def test_a_batch_that_somebody_else_has_done_is_not_told(
    member: Any, monkeypatch: pytest.MonkeyPatch, commit: Any, heard: Heard
) -> None:
    overdue(member)
    monkeypatch.setattr(InvitationKey.objects, "end_free", lambda *args, **kwargs: ([], []))
    monkeypatch.setattr(InvitationKey.objects, "expire", lambda *args, **kwargs: [])
    with commit():
        assert upkeep.expire() == 0
    assert heard == []


# -- accounts that went without a trace --


def test_a_use_is_released_whose_account_is_gone_without_a_trace(member: Any) -> None:
    accepted = [
        make_invitation(member, f"g{number}@example.org", status="accepted", uses=1)
        for number in range(3)
    ]
    for number, invitation in enumerate(accepted):
        user = make_user(f"guest{number}", is_active=False)
        make_acceptance(user, invitation)
    Acceptance.objects.update(user=None)  # as SET_NULL leaves it
    upkeep.expire(batch_size=2)
    assert InvitationKey.objects.usable().count() == 3
    assert not Acceptance.objects.exists()


@pytest.mark.parametrize("gone", [True, False])
def test_a_use_stays_whose_account_was_active_or_is_there(gone: bool) -> None:
    user = make_user("bob", is_active=False)
    acceptance = make_acceptance(user)
    if gone:
        Acceptance.objects.update(user=None, activated_at=timezone.now())
    upkeep.expire()
    acceptance.refresh_from_db()
    assert acceptance.invitation.status == "accepted"


# -- purge --


@pytest.mark.parametrize("status", ENDED)
def test_what_ended_unused_is_deleted_with_its_mails(status: str) -> None:
    make_mail(make_invitation(status=status))
    assert upkeep.purge() == 1
    assert not InvitationEmail.objects.exists()


@pytest.mark.parametrize("left", [DAY, -DAY, None])
def test_what_is_pending_is_never_deleted(left: timedelta | None) -> None:
    make_invitation(left=left)
    assert upkeep.purge() == 0


def test_what_was_accepted_is_never_deleted(member: Any) -> None:
    make_acceptance(make_user("bob"))
    with time_machine.travel(timezone.now() + 9999 * DAY, tick=False):
        assert (upkeep.expire(), upkeep.purge()) == (0, 0)
    assert Acceptance.objects.exists()


@pytest.mark.parametrize("status", ENDED)
def test_nor_what_was_used_in_part(status: str) -> None:
    make_invitation(status=status, max_uses=2, uses=1)
    assert upkeep.purge() == 0


def test_it_is_kept_for_the_days_of_the_setting(settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 30
    ended_at = make_invitation(status="declined").ended_at
    assert ended_at is not None
    assert upkeep.purge(now=ended_at + 30 * DAY - timedelta(microseconds=1)) == 0
    assert upkeep.purge(now=ended_at + 30 * DAY) == 1


def test_deleting_touches_no_account(member: Any) -> None:
    overdue(member, 2)
    upkeep.expire()
    upkeep.purge()
    assert get_user_model()._default_manager.get() == member


def test_what_was_revived_since_it_was_picked_stays() -> None:
    revived, ended = make_invitation(status="expired"), make_invitation(status="expired")
    InvitationKey.objects.filter(pk=revived.pk).update(status="pending", ended_at=None)
    pks = [revived.pk, ended.pk]
    now = timezone.now()
    assert InvitationKey.objects.purge(pks, now, now) == 1
    assert InvitationKey.objects.purge(pks, now, now) == 0
    assert InvitationKey.objects.get() == revived


def test_what_still_holds_quota_waits_for_its_refund(member: Any) -> None:
    overdue(member, status="expired")
    assert upkeep.purge() == 0


def test_the_old_name_marks_refunds_and_deletes(member: Any) -> None:
    overdue(member, 2)
    assert InvitationKey.objects.delete_expired_keys() == 2
    assert spent(member) == 0


# -- deleting at once --


def updates(asked: list[str]) -> list[str]:
    """Return the statements that change invitations, without those that only lock them."""
    table = InvitationKey._meta.db_table
    return [one for one in asked if one.startswith("UPDATE") and table in one and "status" in one]


def test_what_nobody_needs_is_deleted_without_being_marked(member: Any) -> None:
    make_mail(overdue(member, 3)[0])
    with scenes.statements() as asked:
        assert upkeep.clean_up() == (3, 3)
    assert updates(asked) == []
    assert spent(member) == 0
    assert not InvitationKey.objects.exists()
    entries = QuotaEntry.objects.filter(reason=QuotaEntry.Reason.EXPIRED)
    assert len({entry.invitation_id for entry in entries}) == len(entries) == 3


def test_a_receiver_hears_what_is_then_deleted(member: Any, commit: Any) -> None:
    pks = [row.pk for row in overdue(member, 2)]
    with scenes.received(signals.invitations_expired) as announced, commit():
        assert upkeep.clean_up() == (2, 2)
    assert [arguments["invitation_ids"] for arguments in announced] == [pks]


def test_a_receiver_of_deletions_sees_them_as_expired(member: Any) -> None:
    overdue(member)
    seen: list[str] = []

    def see(sender: Any, instance: InvitationKey, **kwargs: Any) -> None:
        seen.append(instance.status)

    post_delete.connect(see, sender=InvitationKey)
    try:
        assert upkeep.clean_up() == (1, 1)
    finally:
        post_delete.disconnect(see, sender=InvitationKey)
    assert seen == ["expired"]


@pytest.mark.parametrize(
    "kept", [{"INVITATION_RETENTION_DAYS": 1}, {"INVITATION_NOTIFY_INVITER": ["expired"]}]
)
def test_what_somebody_may_want_to_know_is_marked_and_kept(
    member: Any, settings: Any, kept: dict[str, Any]
) -> None:
    [(name, value)] = kept.items()
    setattr(settings, name, value)
    overdue(member)
    assert upkeep.clean_up() == (1, 0)
    row = InvitationKey.objects.get()
    assert (row.status, row.quota_held, spent(member)) == ("expired", 0, 0)


@pytest.mark.parametrize("refund", [True, False])
def test_what_was_used_or_asked_for_is_marked_and_kept(
    member: Any, settings: Any, refund: bool
) -> None:
    settings.INVITATION_REFUND_EXPIRED = refund
    overdue(member, max_uses=3, uses=1)
    overdue(member, renewal_requested_at=timezone.now() - DAY)
    overdue(member, renewal_requested_at=timezone.now() - 9 * DAY)
    assert upkeep.clean_up() == (3, 1)
    assert set(InvitationKey.objects.values_list("status", "quota_held")) == {("expired", 0)}
    assert spent(member) == (1 if refund else 3)


def test_a_shared_link_gives_back_the_uses_that_are_left(member: Any) -> None:
    InvitationQuota.objects.create(inviter=member, spent=8)
    for uses in (0, 1):
        make_invitation(
            member, "", left=-DAY, shared=True, max_uses=4, uses=uses, quota_held=4 - uses
        )
    assert upkeep.clean_up() == (2, 1)
    assert spent(member) == 1


@pytest.mark.parametrize("inviter", ["there", "gone", "without a quota"])
def test_each_kind_of_inviter_is_cleaned_up_after(member: Any, inviter: str) -> None:
    overdue(member)
    if inviter == "gone":
        InvitationKey.objects.update(from_user=None)
    elif inviter == "without a quota":
        InvitationQuota.objects.all().delete()
    assert upkeep.clean_up() == (1, 1)
    assert QuotaEntry.objects.count() == (1 if inviter == "there" else 0)


def test_what_was_extended_since_it_was_found_stays(member: Any) -> None:
    found, extended = overdue(member, 2)
    forever = make_invitation(member, "ever@example.org", left=None, quota_held=1)
    ended = make_invitation(member, "ended@example.org", left=-DAY, status="revoked")
    now = timezone.now()
    InvitationKey.objects.filter(pk=extended.pk).update(expires_at=now + DAY)
    pks = [row.pk for row in (found, extended, forever, ended)]
    ids, held = InvitationKey.objects.end_free(pks, now, {member.pk}, delete=True)
    assert (ids, [one.invitation for one in held]) == ([found.pk], [found.pk])
    assert InvitationKey.objects.count() == 3
    assert InvitationKey.objects.end_free(pks, now, {member.pk}, delete=True) == ([], [])


def test_what_others_have_locked_is_marked_refunded_and_deleted_one_after_the_other(
    member: Any, locked_by_others: None
) -> None:
    overdue(member, 3)
    assert upkeep.clean_up(2) == (3, 3)
    assert spent(member) == 0


@pytest.mark.parametrize("kept", [4, 5])
def test_what_is_kept_keeps_nothing_else_from_being_found(
    member: Any, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(cleanup, "FOUND_AT_ONCE", 4)
    for at in range(kept):
        overdue(member, renewal_requested_at=timezone.now(), expires_at=timezone.now() - 9 * DAY)
        overdue(member, expires_at=timezone.now() - (9 - at) * DAY)
    assert upkeep.clean_up(2) == (2 * kept, kept)
    assert spent(member) == 0


def test_a_database_that_waits_for_each_lock_does_it_one_after_the_other(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = connection.features
    monkeypatch.setattr(features, "has_select_for_update", True)
    monkeypatch.setattr(features, "has_select_for_update_skip_locked", False)
    assert not InvitationKey.objects.can_end_free()
    monkeypatch.undo()
    monkeypatch.setattr(InvitationKey.objects, "can_end_free", lambda: False)
    overdue(member, 3)
    assert upkeep.clean_up(2) == (3, 3)
    assert spent(member) == 0


# -- the count beforehand --


@pytest.mark.parametrize("retention", [0, 3])
@pytest.mark.parametrize("refund", [True, False])
def test_the_count_is_what_the_run_then_does(
    member: Any, settings: Any, retention: int, refund: bool
) -> None:
    settings.INVITATION_RETENTION_DAYS = retention
    settings.INVITATION_REFUND_EXPIRED = refund
    overdue(member, 3)
    overdue(member, 1, max_uses=2, uses=1)
    old = timezone.now() - 5 * DAY
    for status in [*ENDED, "accepted"]:
        make_invitation(member, f"{status}1@example.org", status=status, quota_held=1)
        make_invitation(member, f"{status}2@example.org", status=status, ended_at=old)
    make_invitation(member)
    expected = upkeep.count_cleanup()
    assert upkeep.clean_up(batch_size=2) == expected
    assert expected == (4, 9 if retention == 0 else 3)


def test_the_count_knows_the_uses_that_the_run_will_release(member: Any) -> None:
    make_acceptance(
        make_user("bob", is_active=False),
        make_invitation(member, left=-DAY, status="accepted", uses=1),
    )
    Acceptance.objects.update(user=None)
    expected = upkeep.count_cleanup()
    assert (upkeep.expire(), upkeep.purge()) == expected == (1, 1)


def test_counting_changes_nothing(member: Any) -> None:
    overdue(member, 2)
    before = list(InvitationKey.objects.values())
    assert upkeep.count_cleanup() == upkeep.count_cleanup() == (2, 2)
    assert list(InvitationKey.objects.values()) == before


# -- batches --


def test_small_batches_do_all_of_it(member: Any) -> None:
    overdue(member, 7)
    assert (upkeep.expire(batch_size=2), upkeep.purge(batch_size=2)) == (7, 7)
    assert spent(member) == 0


def test_a_batch_costs_the_same_whatever_is_in_it(member: Any) -> None:
    ann = make_user("ann")
    costs = []
    for number in (2, 40):
        for row in [*overdue(member, number), *overdue(ann, number)]:
            make_mail(row)
        costs.append((statements(upkeep.expire), statements(upkeep.purge)))
    assert costs[0] == costs[1]


def test_each_batch_more_costs_the_same_again(member: Any) -> None:
    costs = []
    for batches in (1, 2, 3):
        overdue(member, 5 * batches)
        costs.append(
            statements(lambda: upkeep.expire(batch_size=5))
            + statements(lambda: upkeep.purge(batch_size=5))
        )
    assert costs[1] - costs[0] == costs[2] - costs[1]


# -- deadlocks --

DEADLOCK = "(1213, 'Deadlock found when trying to get lock; try restarting transaction')"


@pytest.fixture
def ended_by_the_database(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], None]:
    """Call it, and so many times deleting fails with this message."""

    def fail(times: int, message: str) -> None:
        purge = InvitationKeyManager.purge
        left = [times]

        def failing(self: Any, *arguments: Any) -> int:
            left[0] -= 1
            if left[0] >= 0:
                raise OperationalError(message)
            return purge(self, *arguments)

        monkeypatch.setattr(InvitationKeyManager, "purge", failing)

    return fail


@pytest.mark.django_db(transaction=True)
def test_what_a_deadlock_ended_is_done_again(ended_by_the_database: Any) -> None:
    make_invitation(status="revoked")
    ended_by_the_database(4, DEADLOCK)
    assert upkeep.purge() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("times", "message", "error"),
    [(99, DEADLOCK, Busy), (1, "server has gone away", OperationalError)],
    ids=["conflict", "other"],
)
def test_what_else_goes_wrong_is_not_hidden(
    ended_by_the_database: Any,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
    message: str,
    error: type[Exception],
) -> None:
    monkeypatch.setattr(transactions, "PAUSE", 0)
    make_invitation(status="revoked")
    ended_by_the_database(times, message)
    with pytest.raises(error):
        upkeep.purge()
    assert InvitationKey.objects.exists()


def test_in_somebody_elses_transaction_it_is_for_him_to_begin_again(
    ended_by_the_database: Any,
) -> None:
    make_invitation(status="revoked")
    ended_by_the_database(1, DEADLOCK)
    with pytest.raises(OperationalError):
        upkeep.purge()
