"""A clock that jumped forward and back: what it wrote binds nobody, nothing is deleted by it."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from invitation.exceptions import MailLimitReached, TooManyAttempts
from invitation.flows import inviting, privacy, quota, upkeep
from invitation.flows.mail import (
    cancel,
    deliver_due,
    delivery_pause,
    outbox_health,
    remind,
    retry,
    waiting_mails,
)
from invitation.flows.quota import throttling
from invitation.flows.upkeep import clocks
from invitation.models import (
    DeliveryPause,
    InvitationEmail,
    InvitationKey,
    InvitationQuota,
    MailCounter,
    QuotaEntry,
    ThrottleCounter,
)
from tests.factories import (
    ADDRESS,
    DAY,
    make_acceptance,
    make_invitation,
    make_mail,
    make_user,
    spent,
)

pytestmark = pytest.mark.django_db(transaction=True)

YEAR = 365 * DAY
State, Status = InvitationEmail.State, InvitationKey.Status
#: How far the clock jumps: little more than what is allowed for, and much more.
AHEAD = [timedelta(hours=30), 20 * YEAR]
jumps = pytest.mark.parametrize("jump", AHEAD, ids=["a day", "years"])


def jumped(jump: timedelta) -> Any:
    """Let the clock jump for the length of a block."""
    return time_machine.travel(timezone.now() + jump, tick=False)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


# -- emails --


@jumps
def test_a_pause_is_over(outbox: list[Any], jump: timedelta) -> None:
    with jumped(jump):
        DeliveryPause.objects.close("535 no", timezone.now())
    make_mail()
    health = outbox_health()
    assert health.paused_until is not None
    assert health.paused_until <= timezone.now()
    assert "Paused" not in run("sendinvitations", "--limit=1")
    assert len(outbox) == 1
    assert delivery_pause() is None


@jumps
def test_a_lease_is_over(outbox: list[Any], jump: timedelta) -> None:
    mail = make_mail()
    with jumped(jump):
        assert InvitationEmail.objects.lease(mail.pk, timezone.now())
    assert outbox_health().stuck == 1
    assert deliver_due() == (1, 0)
    assert outbox == [mail]


def test_a_next_try_too_far_ahead_is_due(outbox: list[Any]) -> None:
    now = timezone.now()
    mail = make_mail(not_before=now + 2 * DAY, attempts=1)
    assert waiting_mails()[1] < now + DAY  # type: ignore[operator]
    assert outbox_health().due == 1
    assert deliver_due() == (1, 0)
    assert outbox == [mail]


def test_a_next_try_that_may_be_true_is_waited_for(outbox: list[Any]) -> None:
    make_mail(not_before=timezone.now() + DAY)
    assert deliver_due() == (0, 0)


@pytest.mark.parametrize("away", [-DAY, DAY], ids=["run out", "too far ahead"])
def test_staff_stop_and_queue_again_what_was_left_behind(
    outbox: list[Any], away: timedelta
) -> None:
    mail = make_mail(state=State.SENDING, attempts=1, lease_until=timezone.now() + away)
    assert cancel([mail]) == [mail]
    assert deliver_due() == (0, 0)
    InvitationEmail.objects.update(state=State.SENDING, lease_until=timezone.now() + away)
    assert retry([mail]) == [mail]
    assert outbox == [mail]


def test_a_mail_that_is_held_too_far_ahead_is_sent_again_when_asked_for(
    member: Any, outbox: list[Any]
) -> None:
    invitation = inviting.invite(member, ADDRESS).invitation
    outbox.clear()
    far = timezone.now() + YEAR
    InvitationEmail.objects.update(state=State.SENDING, lease_until=far)
    InvitationKey.objects.update(mail_requested_at=far)
    inviting.resend(invitation)
    assert len(outbox) == 1


def test_what_failed_too_far_ahead_has_not_failed_of_late() -> None:
    make_mail(state=State.FAILED, not_before=timezone.now() + YEAR)
    assert outbox_health().failed == 0


def test_a_delivery_in_the_background_is_not_told_to_wait_for_it(settings: Any) -> None:
    settings.INVITATION_DELIVERY = "tests.flows.mail.test_retries.Later"
    from invitation.flows.mail.pausing import Way
    from tests.flows.mail.test_retries import Later

    told: list[Any] = []
    delivery = Later()
    delivery.hand_over = lambda pks, not_before=None: told.append(not_before)  # type: ignore[method-assign]
    Way().hand_over(delivery, [1], timezone.now() + YEAR)
    assert told[0] <= timezone.now() + DeliveryPause.objects.LONGEST


# -- requests and news --


def test_the_cool_down_of_a_resend_is_over(member: Any, settings: Any, outbox: list[Any]) -> None:
    invitation = inviting.invite(member, ADDRESS).invitation
    InvitationKey.objects.update(mail_requested_at=timezone.now() + DAY)
    inviting.resend(invitation)
    assert len(outbox) == 2


def test_a_request_for_a_new_link_can_be_made(outbox: list[Any]) -> None:
    inviter = make_user()
    row = make_invitation(inviter, status=Status.EXPIRED, left=-DAY)
    InvitationKey.objects.update(renewal_requested_at=timezone.now() + YEAR)
    assert inviting.ask_for_renewal(row.key, 1)


def test_what_others_ask_for_too_far_ahead_does_not_count_for_the_inviter() -> None:
    inviter = make_user()
    for number in range(10):
        email = f"g{number}@example.org"
        asked = timezone.now() + YEAR
        make_invitation(inviter, email, status=Status.EXPIRED, renewal_requested_at=asked)
    row = make_invitation(inviter, status=Status.EXPIRED)
    assert inviting.ask_for_renewal(row.key, 1)


def test_somebody_is_reminded(settings: Any) -> None:
    settings.INVITATION_REMINDER_DAYS = 2
    far = timezone.now() + YEAR
    row = make_invitation(make_user(), mail_requested_at=far)
    make_mail(row, state=State.SENT, sent_at=far)
    assert remind() == 1


@pytest.fixture
def news(settings: Any) -> None:
    """Let inviters be told of what has expired."""
    settings.INVITATION_NOTIFY_INVITER = ["expired"]


def test_an_inviter_hears_again_of_what_has_expired(news: None) -> None:
    inviter = make_user()
    with jumped(YEAR):
        make_invitation(inviter, "a@example.org", left=-DAY)
        upkeep.expire()
        deliver_due()
    make_invitation(inviter, "b@example.org", left=-DAY)
    upkeep.expire()
    mails = InvitationEmail.objects.filter(kind="expired").order_by("pk")
    assert [mail.created_at < timezone.now() for mail in mails] == [False, True]
    upkeep.expire()
    assert len(mails.all()) == 2


# -- counters and quotas --


def test_a_full_counter_of_mails_does_not_stay_full(member: Any, settings: Any) -> None:
    settings.INVITATION_LIMITS = {"inviter": 1}
    with jumped(2 * YEAR):
        inviting.invite(member, "a@example.org")
        with pytest.raises(MailLimitReached):
            inviting.invite(member, "b@example.org")
    inviting.invite(member, "b@example.org")
    with pytest.raises(MailLimitReached):
        inviting.invite(member, "c@example.org")


@jumps
def test_a_full_counter_of_attempts_does_not_stay_full(jump: timedelta) -> None:
    limit = quota.Limit("x", 1, timedelta(minutes=10))
    with jumped(jump):
        throttling.attempt([limit])
        assert throttling.is_full(limit)
    assert not throttling.is_full(limit)
    throttling.attempt([limit])
    with pytest.raises(TooManyAttempts):
        throttling.attempt([limit])


def test_a_period_that_begins_too_far_ahead_is_over(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER, settings.INVITATION_QUOTA_PERIOD = 1, 30 * DAY
    with jumped(YEAR):
        inviting.invite(member, "a@example.org")
        assert quota.remaining_invitations(member) == 0
    assert quota.remaining_invitations(member) == 1
    assert quota.quota_of(member).refills_at is None
    inviting.invite(member, "b@example.org")
    assert quota.remaining_invitations(member) == 0


def test_so_it_is_for_many_at_once(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER, settings.INVITATION_QUOTA_PERIOD = 5, 30 * DAY
    InvitationQuota.objects.create(inviter=member, spent=5, period_start=timezone.now() + YEAR)
    QuotaEntry.objects.create(inviter=member, change=-5, reason="invited")
    quota.grant_all(type(member)._default_manager.all(), 1)
    assert (quota.remaining_invitations(member), spent(member)) == (6, 0)


# -- cleanup --


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("left", "deleted"),
    [(-40 * DAY, 1), (-10 * DAY, 0), (None, 0)],
    ids=["long", "of late", "never"],
)
def test_what_ended_too_far_ahead_had_ended_when_its_time_ran_out(
    left: timedelta | None, deleted: int, settings: Any
) -> None:
    settings.INVITATION_RETENTION_DAYS = 30
    far = timezone.now() + YEAR
    make_invitation(status=Status.REVOKED, left=left, ended_at=far)
    assert upkeep.count_cleanup() == (0, deleted)
    assert privacy.count_forgettable(30 * DAY) == 0
    assert upkeep.purge() == deleted


@pytest.mark.each_case
@pytest.mark.parametrize(("left", "forgotten"), [(-40 * DAY, 1), (-10 * DAY, 0), (None, 0)])
def test_it_is_forgotten_by_the_same_moment(left: timedelta | None, forgotten: int) -> None:
    far = timezone.now() + YEAR
    make_invitation(status=Status.ACCEPTED, uses=1, left=left, ended_at=far)
    assert privacy.forget_ended(30 * DAY) == forgotten


def test_cleanup_deletes_counters_too_far_ahead() -> None:
    now = timezone.now()
    for scope, away in ((b"a", DAY), (b"b", 3 * DAY)):
        ThrottleCounter.objects.create(scope=scope, window_start=now + away)
        MailCounter.objects.create(scope=scope, updated_at=now + away)
    assert (upkeep.forget_attempts(), upkeep.forget_mail_counts()) == (2, 1)
    assert MailCounter.objects.get().scope == b"a"


@pytest.fixture
def overdue_in_a_year(member: Any) -> InvitationKey:
    return inviting.invite(member, ADDRESS).invitation


def test_cleanup_does_nothing_by_a_clock_that_is_years_ahead(
    member: Any, overdue_in_a_year: InvitationKey
) -> None:
    with jumped(2 * YEAR):
        with pytest.raises(CommandError, match="nothing has happened here for 730 days") as failure:
            run("cleanupinvitation")
        assert failure.value.returncode == 1
        with pytest.raises(CommandError, match="--trust-clock"):
            run("cleanupinvitation", "--forget-after=900")
    overdue_in_a_year.refresh_from_db()
    assert (overdue_in_a_year.status, spent(member)) == ("pending", 1)


def test_cleanup_forgets_nobody_by_such_a_clock() -> None:
    row = make_invitation(status=Status.ACCEPTED, uses=1)
    with jumped(2 * YEAR), pytest.raises(CommandError, match="--trust-clock"):
        run("cleanupinvitation", "--forget-after=30")
    row.refresh_from_db()
    assert row.email


def test_a_site_that_was_quiet_says_that_the_clock_is_right(
    overdue_in_a_year: InvitationKey,
) -> None:
    with jumped(2 * YEAR):
        assert run("cleanupinvitation", "--trust-clock").startswith("Expired: 1, ")
        assert run("cleanupinvitation", "--dry-run")


def test_with_nothing_to_do_the_clock_does_not_matter() -> None:
    make_acceptance(make_user("bob"))
    with jumped(2 * YEAR):
        assert run("cleanupinvitation") == "Expired: 0, deleted: 0.\n"


# -- the clock of the database --


class TestTwoClocks:
    """The clock of the database, which no test moves."""

    pytestmark = pytest.mark.two_clocks

    @pytest.fixture
    def difference(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Use as ``difference(seconds)``: let the database be so much behind."""

        def be(seconds: int) -> None:
            now = timezone.now().timestamp() - seconds
            monkeypatch.setattr(clocks, "SECONDS", {connection.vendor: f"SELECT {now}"})

        return be

    def test_it_agrees_with_this_one(self) -> None:
        assert abs(upkeep.clock_difference()) < timedelta(minutes=1)
        assert upkeep.doubt_about_clock() == ""

    @pytest.mark.parametrize(("seconds", "words"), [(7200, "ahead of"), (-7200, "behind")])
    def test_where_they_differ_nothing_is_deleted(
        self, difference: Any, seconds: int, words: str
    ) -> None:
        difference(seconds)
        row = make_invitation(left=-DAY)
        with pytest.raises(CommandError, match=rf"clock is 7\d\d\d seconds {words} the database's"):
            run("cleanupinvitation")
        row.refresh_from_db()
        assert row.status == Status.PENDING

    def test_status_says_so(self, difference: Any) -> None:
        difference(7200)
        with pytest.raises(CommandError, match=r"clock differs by 7\d\d\d seconds"):
            run("sendinvitations", "--status")


# -- status --


def test_status_fails_while_moments_lie_too_far_ahead(outbox: list[Any]) -> None:
    far = timezone.now() + YEAR
    DeliveryPause.objects.create(until=far, since=far, failures=1, reason="535 no")
    make_mail(make_invitation(email="a@example.org"), not_before=far)
    make_mail(make_invitation(email="b@example.org"), state=State.SENDING, lease_until=far)
    make_mail(make_invitation(email="c@example.org"), state=State.SENT, not_before=far)
    ThrottleCounter.objects.create(scope=b"x", window_start=far)
    MailCounter.objects.create(scope=b"x", updated_at=far)
    words = "Times in the future: emails 2, counters 2, pauses 1."
    with pytest.raises(CommandError, match=words) as failure:
        run("sendinvitations", "--status")
    assert failure.value.returncode == 1
    deliver_due()
    run("cleanupinvitation")
    assert upkeep.moments_ahead().total == 0
    assert len(outbox) == 2
    run("sendinvitations", "--status")
