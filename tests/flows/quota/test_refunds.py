"""What is given back: each row of the table in docs/reference/quota.rst, in its order."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import time_machine

from invitation.exceptions import QuotaExceeded
from invitation.flows import arriving, inviting, quota, upkeep
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota
from tests.factories import ADDRESS, DAY, open_it, register, spent

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)
TABLE = (Path(__file__).parents[3] / "docs" / "reference" / "quota.rst").read_text("utf-8")


@pytest.fixture(autouse=True)
def clock(settings: Any, member: Any) -> Any:
    """Let the member have two invitations, and keep what has ended."""
    settings.INVITATIONS_PER_USER, settings.INVITATION_RETENTION_DAYS = 2, 365
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller
        assert quota.ledger_differences() == []


@pytest.fixture
def invitation(clock: Any, member: Any) -> InvitationKey:
    return inviting.invite(member, ADDRESS).invitation


def expire(clock: Any) -> None:
    clock.shift(8 * DAY)
    assert upkeep.expire() == 1
    assert upkeep.expire() == 0


def test_expires_unused(member: Any, invitation: InvitationKey, clock: Any) -> None:
    expire(clock)
    assert spent(member) == 0


def test_expires_unused_with_invitation_refund_expired_false(
    member: Any, invitation: InvitationKey, clock: Any, settings: Any
) -> None:
    settings.INVITATION_REFUND_EXPIRED = False
    expire(clock)
    assert spent(member) == 1


def test_is_extended_after_it_was_given_back(
    member: Any, invitation: InvitationKey, clock: Any, settings: Any
) -> None:
    expire(clock)
    inviting.extend(invitation)
    assert spent(member) == 1
    expire(clock)
    settings.INVITATIONS_PER_USER = 0
    with pytest.raises(QuotaExceeded):
        inviting.extend(invitation)
    assert spent(member) == 0


def test_is_extended_without_having_been_given_back(
    member: Any, invitation: InvitationKey, clock: Any, settings: Any
) -> None:
    settings.INVITATION_REFUND_EXPIRED = False
    expire(clock)
    settings.INVITATION_REFUND_EXPIRED = True
    inviting.extend(invitation)
    assert spent(member) == 1


def test_is_accepted(member: Any, invitation: InvitationKey, clock: Any) -> None:
    register(invitation)
    clock.shift(8 * DAY)
    assert (upkeep.expire(), spent(member)) == (0, 1)


def test_is_accepted_by_an_account_that_is_deleted_before_it_was_ever_active(
    member: Any, invitation: InvitationKey, clock: Any
) -> None:
    register(invitation, is_active=False).delete()
    assert spent(member) == 1
    assert open_it(InvitationKey.objects.get())
    expire(clock)
    assert spent(member) == 0


def test_is_declined(member: Any, invitation: InvitationKey, clock: Any) -> None:
    arriving.decline(open_it(invitation))
    clock.shift(8 * DAY)
    assert (upkeep.expire(), spent(member)) == (0, 1)


def test_is_revoked(member: Any, invitation: InvitationKey, clock: Any) -> None:
    inviting.revoke(invitation)
    clock.shift(8 * DAY)
    assert (upkeep.expire(), spent(member)) == (0, 1)


def test_is_deleted_in_the_admin(member: Any, invitation: InvitationKey, clock: Any) -> None:
    invitation.delete()
    clock.shift(8 * DAY)
    assert (upkeep.expire(), spent(member)) == (0, 1)


def test_is_renewed_by_inviting_the_same_address_again(
    member: Any, invitation: InvitationKey, clock: Any
) -> None:
    assert not inviting.invite(member, ADDRESS).created
    assert spent(member) == 1


def test_its_email_cannot_be_delivered(member: Any, invitation: InvitationKey, clock: Any) -> None:
    InvitationEmail.objects.update(state="failed")
    assert spent(member) == 1
    expire(clock)
    assert spent(member) == 0


def test_was_made_in_a_period_that_is_over_and_expires_in_this_one(
    member: Any, clock: Any, settings: Any
) -> None:
    settings.INVITATION_QUOTA_PERIOD = timedelta(days=5)
    inviting.invite(member, ADDRESS)
    clock.shift(6 * DAY)
    inviting.invite(member, "eve@example.org")
    clock.shift(2 * DAY)
    assert upkeep.expire() == 1
    assert spent(member) == 1


def test_was_extended_in_this_period_and_expires_in_it(
    member: Any, invitation: InvitationKey, clock: Any, settings: Any
) -> None:
    settings.INVITATION_QUOTA_PERIOD = timedelta(days=9)
    expire(clock)
    clock.shift(2 * DAY)
    inviting.extend(invitation)
    assert spent(member) == 1
    expire(clock)
    assert spent(member) == 0


def test_expires_after_its_inviter_s_account_was_deleted(
    member: Any, invitation: InvitationKey, clock: Any, settings: Any
) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    member.delete()
    expire(clock)
    assert not InvitationQuota.objects.exists()


def test_was_revoked_and_is_renewed(member: Any, invitation: InvitationKey) -> None:
    inviting.revoke(invitation)
    inviting.renew(invitation)
    assert spent(member) == 2


def test_each_row_has_its_test() -> None:
    table = TABLE.partition(":header: the invitation; quota\n")[2].partition("\n\n")[2]
    lines = table.partition("\n\n")[0].splitlines()
    rows = [line.partition("; ")[0].replace("``", "") for line in lines]
    names = ["test_" + re.sub(r"\W+", "_", row).strip("_").lower() for row in rows]
    assert len(names) == 15
    assert [name for name in names if name not in globals()] == []
