"""News to inviters: who wants it gets it once, in few emails, and learns no more than they may."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import time_machine
from django.contrib.sites.models import Site
from django.core.management import call_command

from invitation.flows import arriving, inviting, upkeep
from invitation.flows.mail import deliver_due, notices
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import DAY, make_invitation, make_mail, make_user, open_it, register

pytestmark = pytest.mark.django_db
NOON = datetime(2031, 5, 6, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
BOTH = ["accepted", "declined", "expired"]


def only_ann(user: Any) -> list[str]:
    """Stand for a site on which each member says what they want to be emailed."""
    return BOTH if user.email == "ann@example.com" else []


@pytest.fixture(autouse=True)
def _on(settings: Any) -> Any:
    settings.INVITATION_NOTIFY_INVITER = BOTH
    with time_machine.travel(NOON, tick=False):
        yield


def news(kind: str) -> list[InvitationEmail]:
    return list(InvitationEmail.objects.filter(kind=kind).order_by("pk"))


def kinds(outbox: list[InvitationEmail]) -> list[str]:
    return [str(mail.kind) for mail in outbox]


# -- accepted --


def test_an_inviter_learns_that_somebody_has_joined(
    member: Any, outbox: list[InvitationEmail], commit: Any
) -> None:
    with commit():
        register(make_invitation(member))
    assert kinds(outbox) == ["accepted"]
    assert [mail.state for mail in news("accepted")] == ["sent"]


def test_not_before_the_account_can_be_used(
    member: Any, outbox: list[InvitationEmail], commit: Any
) -> None:
    with commit():
        user = register(make_invitation(member), is_active=False)
    assert outbox == []
    with commit():
        user.is_active = True
        arriving.activate(user)
        arriving.activate(user)
    assert kinds(outbox) == ["accepted"]


def test_one_who_has_an_account_already_is_news_as_well(
    member: Any, outbox: list[InvitationEmail], commit: Any
) -> None:
    bob = make_user("bob", email="bob@example.org")
    with commit():
        arriving.accept(open_it(make_invitation(member)), bob)
    assert kinds(outbox) == ["accepted"]


def test_a_shared_link_is_none(member: Any, outbox: list[InvitationEmail], commit: Any) -> None:
    link = make_invitation(member, "", shared=True, max_uses=5)
    with commit():
        register(link, email="bob@example.org")
    assert outbox == news("accepted") == []


@pytest.mark.parametrize("rule", [(), [], ["expired"], lambda user: (), f"{__name__}.only_ann"])
def test_nobody_is_told_who_does_not_want_it(
    settings: Any, member: Any, commit: Any, rule: Any
) -> None:
    settings.INVITATION_NOTIFY_INVITER = rule
    with commit():
        register(make_invitation(member))
    assert news("accepted") == []


def test_the_site_may_ask_each_member(settings: Any, commit: Any) -> None:
    settings.INVITATION_NOTIFY_INVITER = f"{__name__}.only_ann"
    with commit():
        register(make_invitation(make_user("ann")))
        register(make_invitation(make_user("ben"), "eve@example.org"), "eve")
    assert [mail.invitation.from_user.email for mail in news("accepted")] == ["ann@example.com"]


def test_where_nobody_is_told_it_costs_nothing(
    settings: Any, member: Any, commit: Any, django_assert_num_queries: Any
) -> None:
    settings.INVITATION_NOTIFY_INVITER = ()
    invitation = InvitationKey.objects.get(pk=make_invitation(member).pk)
    with django_assert_num_queries(0):
        notices.tell_of_answer(invitation, InvitationEmail.Kind.ACCEPTED)
        notices.tell_of_answer(invitation, InvitationEmail.Kind.DECLINED)
        assert list(notices.news_of_expiry(NOON, 500)) == []
        assert notices.awaiting_news([invitation.pk], NOON) == set()


@pytest.mark.parametrize("change", [{"is_active": False}, {"email": ""}, {"email": "a@b"}])
def test_an_inviter_who_cannot_get_it_is_not_told(
    member: Any, commit: Any, settings: Any, change: dict[str, Any]
) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    for name, value in change.items():
        setattr(member, name, value)
    member.save()
    with commit():
        register(make_invitation(member))
        make_invitation(member, "eve@example.org", left=-DAY)
        upkeep.expire()
    assert news("accepted") == news("expired") == []


def test_an_invitation_of_nobody_is_news_for_nobody(commit: Any) -> None:
    with commit():
        register(make_invitation(None))
        make_invitation(None, "eve@example.org", left=-DAY)
        upkeep.expire()
    assert not InvitationEmail.objects.exists()


def test_news_that_cannot_be_written_keeps_nobody_from_joining(
    settings: Any, member: Any, commit: Any
) -> None:
    def fail(user: Any) -> list[str]:
        raise ZeroDivisionError

    settings.INVITATION_NOTIFY_INVITER = fail
    with commit():
        user = register(make_invitation(member))
    assert user.pk


OBJECTIONS: dict[str, tuple[dict[str, Any], dict[str, Any], Any]] = {
    "released": ({"status": "pending"}, {}, BOTH),
    "inviter not active": ({}, {"is_active": False}, BOTH),
    "not wanted any more": ({}, {}, ["expired"]),
}


@pytest.mark.parametrize(("row", "user", "rule"), OBJECTIONS.values(), ids=OBJECTIONS.keys())
def test_news_that_is_none_any_more_does_not_leave(
    settings: Any,
    member: Any,
    outbox: list[InvitationEmail],
    row: dict[str, Any],
    user: dict[str, Any],
    rule: Any,
) -> None:
    invitation = make_invitation(member, **{"status": "accepted", "uses": 1} | row)
    make_mail(invitation, kind="accepted")
    type(member).objects.update(**user) if user else None
    settings.INVITATION_NOTIFY_INVITER = rule
    assert deliver_due() == (0, 1)
    assert outbox == []
    assert [mail.failure for mail in news("accepted")] == ["pointless"]


def test_it_does_not_leave_for_an_inviter_who_is_gone(outbox: list[InvitationEmail]) -> None:
    make_mail(make_invitation(None, status="accepted", uses=1), kind="accepted")
    assert deliver_due() == (0, 1)
    assert outbox == []


# -- declined --


def test_an_inviter_learns_that_somebody_has_declined(
    member: Any, outbox: list[InvitationEmail], commit: Any
) -> None:
    with commit():
        arriving.decline(open_it(make_invitation(member)))
    assert kinds(outbox) == ["declined"]
    assert [mail.state for mail in news("declined")] == ["sent"]


@pytest.mark.parametrize("rule", [(), ["accepted", "expired"]])
def test_not_of_a_refusal_where_nobody_wants_it(
    settings: Any, member: Any, commit: Any, rule: Any
) -> None:
    settings.INVITATION_NOTIFY_INVITER = rule
    with commit():
        arriving.decline(open_it(make_invitation(member)))
    assert news("declined") == []


def test_nobody_declines_a_shared_link(member: Any, commit: Any) -> None:
    with commit():
        arriving.decline(open_it(make_invitation(member, "", shared=True, max_uses=5)))
    assert news("declined") == []


def test_a_rule_that_fails_keeps_nobody_from_declining(
    settings: Any, member: Any, commit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(user: Any) -> list[str]:
        raise ZeroDivisionError

    settings.INVITATION_NOTIFY_INVITER = fail
    invitation = make_invitation(member)
    with commit():
        arriving.decline(open_it(invitation))
    invitation.refresh_from_db()
    assert (invitation.status, news("declined")) == ("declined", [])
    assert "INVITATION_NOTIFY_INVITER has failed" in caplog.text


@pytest.mark.parametrize("change", [{"status": "pending"}, {"forgotten_at": NOON}])
def test_news_of_a_refusal_that_is_none_any_more_does_not_leave(
    member: Any, outbox: list[InvitationEmail], change: dict[str, Any]
) -> None:
    make_mail(make_invitation(member, **{"status": "declined"} | change), kind="declined")
    assert deliver_due() == (0, 1)
    assert outbox == []


# -- expired --


def overdue(inviter: Any, number: int, **fields: Any) -> list[InvitationKey]:
    return [
        make_invitation(inviter, f"g{one}@example.org", left=-DAY, **fields)
        for one in range(number)
    ]


def test_an_inviter_gets_one_mail_for_all_that_expired(
    member: Any, outbox: list[InvitationEmail], commit: Any
) -> None:
    rows = overdue(member, 5)
    with commit():
        upkeep.expire(batch_size=2)
    assert outbox == []
    [mail] = news("expired")
    assert (mail.invitation, mail.state, mail.not_before) == (rows[0], "queued", NOON)
    told = InvitationKey.objects.get_queryset().told_by(mail)
    assert sorted(row.pk for row in told) == [row.pk for row in rows]
    assert deliver_due() == (1, 0)
    assert kinds(outbox) == ["expired"]


def test_each_inviter_gets_one_for_each_site(member: Any) -> None:
    ann = make_user("ann")
    Site.objects.create(pk=2, domain="two.example", name="Two")
    overdue(member, 2)
    overdue(ann, 2)
    overdue(ann, 3, site_id=2)
    upkeep.expire()
    told = {
        (mail.invitation.from_user, mail.invitation.site_id): len(
            InvitationKey.objects.get_queryset().told_by(mail)
        )
        for mail in news("expired")
    }
    assert told == {(member, 1): 2, (ann, 1): 2, (ann, 2): 3}


def test_no_inviter_gets_two_within_a_day(
    member: Any, settings: Any, outbox: list[InvitationEmail]
) -> None:
    settings.INVITATION_RETENTION_DAYS = 30
    for hour in range(6):
        with time_machine.travel(NOON + hour * HOUR, tick=False):
            make_invitation(member, f"h{hour}@example.org", left=timedelta())
            upkeep.expire()
            deliver_due()
    assert len(outbox) == 1
    first, second = news("expired")
    assert (first.state, second.state) == ("sent", "queued")
    assert second.not_before == NOON + DAY
    told = InvitationKey.objects.get_queryset().told_by(second)
    assert sorted(row.email[:2] for row in told) == ["h1", "h2", "h3", "h4", "h5"]
    with time_machine.travel(NOON + DAY, tick=False):
        assert deliver_due() == (1, 0)


def test_a_day_later_there_is_another_at_once(member: Any, settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 30
    overdue(member, 1)
    upkeep.expire()
    deliver_due()
    with time_machine.travel(NOON + DAY, tick=False):
        make_invitation(member, left=timedelta())
        upkeep.expire()
        assert news("expired")[1].not_before == NOON + DAY


NO_NEWS: dict[str, dict[str, Any]] = {
    "shared link": {"email": "", "shared": True, "max_uses": 5},
    "without address": {"email": ""},
}


@pytest.mark.parametrize("fields", NO_NEWS.values(), ids=NO_NEWS.keys())
def test_nobody_is_told_of_a(member: Any, fields: dict[str, Any]) -> None:
    make_invitation(member, left=-DAY, **fields)
    upkeep.expire()
    assert news("expired") == []


@pytest.mark.parametrize("rule", [(), ["accepted"], f"{__name__}.only_ann"])
def test_nobody_is_told_of_an_expiry_who_does_not_want_it(
    settings: Any, member: Any, rule: Any
) -> None:
    settings.INVITATION_NOTIFY_INVITER = rule
    overdue(member, 1)
    upkeep.expire()
    assert news("expired") == []


def test_who_asks_for_a_new_link_causes_no_second_mail(
    member: Any, outbox: list[InvitationEmail], commit: Any
) -> None:
    invitation = make_invitation(member, left=-DAY)
    with commit():
        assert inviting.ask_for_renewal(invitation.mail_key)
    assert kinds(outbox) == ["renewal"]


def test_what_is_open_again_is_not_named(member: Any, outbox: list[InvitationEmail]) -> None:
    first, second = overdue(member, 2)
    upkeep.expire()
    inviting.extend(first)
    [mail] = news("expired")
    assert list(InvitationKey.objects.get_queryset().told_by(mail)) == [second]
    inviting.extend(second)
    assert deliver_due() == (0, 1)
    assert outbox == []


@pytest.mark.usefixtures("no_retention")
def test_cleanup_keeps_what_a_mail_has_still_to_name(
    member: Any, outbox: list[InvitationEmail]
) -> None:
    rows = overdue(member, 3)
    call_command("cleanupinvitation", verbosity=0)
    assert InvitationKey.objects.count() == 3
    deliver_due()
    assert kinds(outbox) == ["expired"]
    # The one by which the email is remembered stays for a day.
    call_command("cleanupinvitation", verbosity=0)
    assert [row.pk for row in InvitationKey.objects.all()] == [rows[0].pk]
    with time_machine.travel(NOON + DAY, tick=False):
        call_command("cleanupinvitation", verbosity=0)
    assert not InvitationKey.objects.exists()


@pytest.mark.usefixtures("no_retention")
def test_cleanup_keeps_nothing_else(member: Any) -> None:
    before = make_invitation(member, status="expired", ended_at=NOON - DAY)
    revoked = make_invitation(member, "eve@example.org", status="revoked")
    [row] = overdue(member, 1)
    call_command("cleanupinvitation", verbosity=0)
    assert [kept.pk for kept in InvitationKey.objects.all()] == [row.pk]
    assert {before.pk, revoked.pk}.isdisjoint({row.pk})


@pytest.mark.usefixtures("no_retention")
def test_cleanup_does_not_wait_for_ever(member: Any) -> None:
    overdue(member, 2)
    upkeep.expire()
    with time_machine.travel(NOON + notices.NEWS_KEPT, tick=False):
        assert upkeep.purge() == 2


@pytest.mark.usefixtures("no_retention")
def test_where_nobody_is_told_cleanup_waits_for_nothing(settings: Any, member: Any) -> None:
    overdue(member, 2)
    upkeep.expire()
    settings.INVITATION_NOTIFY_INVITER = ()
    assert upkeep.purge() == 2


def test_what_a_crash_prevented_is_made_up_by_the_next_run(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError

    rows = overdue(member, 2)
    with monkeypatch.context() as crashing:
        crashing.setattr(notices, "queue_mail", fail)
        with pytest.raises(ZeroDivisionError):
            upkeep.expire()
    assert {row.status for row in InvitationKey.objects.all()} == {"expired"}
    with time_machine.travel(NOON + 2 * HOUR, tick=False):
        upkeep.expire()
    [mail] = news("expired")
    assert (mail.created_at, mail.not_before) == (NOON, NOON + 2 * HOUR)
    assert len(InvitationKey.objects.get_queryset().told_by(mail)) == len(rows)


def test_what_expired_longer_ago_is_none(member: Any) -> None:
    make_invitation(member, status="expired", ended_at=NOON - DAY)
    upkeep.expire()
    assert news("expired") == []


def test_of_two_cleanups_one_asks(member: Any) -> None:
    overdue(member, 2)
    InvitationKey.objects.expire([row.pk for row in InvitationKey.objects.all()], NOON)
    first, second = (list(notices.news_of_expiry(NOON, 500)) for _ in range(2))
    for step in (*first, *second):
        step()
    assert len(first) == len(second) == len(news("expired")) == 1


def test_many_inviters_are_told_in_batches(django_assert_num_queries: Any) -> None:
    for number in range(3):
        overdue(make_user(f"m{number}"), 2)
    InvitationKey.objects.expire([row.pk for row in InvitationKey.objects.all()], NOON)
    with django_assert_num_queries(3 + 2 * 2 + 3):  # inviters; sites and emails; the first of each
        steps = list(notices.news_of_expiry(NOON, 2))
    assert len(steps) == 3


def test_one_mail_too_many_is_tried_by_the_next_cleanup(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    overdue(member, 1)
    with monkeypatch.context() as limited:
        limited.setattr(notices, "queue_mail", lambda *args, **options: False)
        upkeep.expire()
    assert news("expired") == []
    upkeep.expire()
    assert len(news("expired")) == 1


def test_what_an_earlier_mail_has_named_is_not_named_again(member: Any, settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 30
    overdue(member, 2)
    upkeep.expire()
    with time_machine.travel(NOON + HOUR, tick=False):
        deliver_due()
        upkeep.expire()
    assert len(news("expired")) == 1
