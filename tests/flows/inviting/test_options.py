"""What a site may allow besides: a time of its own, a page to land on, no email; and whom not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta, timezone
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone as zones

from invitation import keys
from invitation.exceptions import (
    AddressBlocked,
    DestinationRefused,
    ExpiryRefused,
    InvitationError,
    OwnAddress,
)
from invitation.flows import arriving, inviting
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import (
    ADDRESS,
    AFTERNOON,
    make_acceptance,
    make_invitation,
    make_user,
    open_it,
    spent,
)
from tests.keys.test_destinations import BAD
from tests.scenes import dump

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)


def stored() -> InvitationKey:
    return InvitationKey.objects.get()


# -- its own time --


@pytest.mark.anywhere
@pytest.mark.parametrize("days", [1, 30])
@time_machine.travel(NOON, tick=False)
def test_an_invitation_is_open_for_the_days_that_were_chosen(
    member: Any, settings: Any, days: int
) -> None:
    settings.INVITATION_EXPIRY_CHOICES = [1, 30]
    inviting.invite(member, ADDRESS, days=days)
    day = zones.localtime(NOON).date() + timedelta(days)
    zone = zones.get_current_timezone()
    assert stored().expires_at == datetime.combine(day, time(23, 59, 59), zone)


def test_it_never_ends_where_the_site_offers_that(member: Any, settings: Any) -> None:
    settings.INVITATION_EXPIRY_CHOICES = [1, None]
    inviting.invite(member, ADDRESS, days=None)
    assert stored().expires_at is None


@pytest.mark.parametrize("default", [7, None])
@time_machine.travel(NOON, tick=False)
def test_what_the_site_has_set_can_always_be_chosen(
    member: Any, settings: Any, default: int | None
) -> None:
    settings.ACCOUNT_INVITATION_DAYS = default
    inviting.invite(member, ADDRESS, days=default)
    assert stored().expires_at == (default and NOON + timedelta(default) + AFTERNOON)


@pytest.mark.anywhere
@pytest.mark.parametrize("days", [0, -1, 2, 31, 36500, 10**9, None, "1", 1.5])
@pytest.mark.parametrize("choices", [[], [1, 30]], ids=["none", "some"])
def test_other_days_are_refused(member: Any, settings: Any, days: Any, choices: list[int]) -> None:
    settings.INVITATION_EXPIRY_CHOICES = choices
    before = dump()
    with pytest.raises(ExpiryRefused) as refused:
        inviting.invite(member, ADDRESS, days=days)
    assert refused.value.code == "expiry_refused"
    assert dump() == before


@time_machine.travel(NOON, tick=False)
def test_renewing_takes_the_days_that_are_chosen_then(member: Any, settings: Any) -> None:
    settings.INVITATION_EXPIRY_CHOICES = [1, 30]
    inviting.invite(member, ADDRESS, days=30)
    inviting.invite(member, ADDRESS, days=1)
    assert stored().expires_at == NOON + timedelta(1) + AFTERNOON


@time_machine.travel(NOON, tick=False)
def test_more_time_is_the_sites_own_and_never_less_than_there_is(
    member: Any, settings: Any
) -> None:
    settings.INVITATION_EXPIRY_CHOICES = [1, 30]
    short = inviting.invite(member, ADDRESS, days=1).invitation
    long = inviting.invite(member, "long@example.org", days=30).invitation
    for invitation in (short, long):
        inviting.extend(invitation)
    assert [short.expires_at, long.expires_at] == [
        NOON + timedelta(days) + AFTERNOON for days in (7, 30)
    ]


# -- a page to land on --


@pytest.mark.anywhere
def test_an_invitation_carries_a_page_of_the_site(member: Any) -> None:
    inviting.invite(member, ADDRESS, destination="/welcome/?from=ann")
    assert stored().destination == "/welcome/?from=ann"


@pytest.mark.anywhere
@pytest.mark.parametrize("path", [path for path in BAD.values() if path is not None])
def test_it_carries_no_other(member: Any, path: Any) -> None:
    with pytest.raises(DestinationRefused):
        inviting.invite(member, ADDRESS, destination=path)
    assert InvitationKey.objects.count() == spent(member) == 0


@pytest.mark.parametrize(
    ("destination", "kept"), [(None, "/welcome/"), ("/other/", "/other/"), ("", "")]
)
def test_renewing_changes_the_page_only_if_one_is_named(
    member: Any, destination: str | None, kept: str
) -> None:
    inviting.invite(member, ADDRESS, destination="/welcome/")
    inviting.invite(member, ADDRESS, destination=destination)
    assert stored().destination == kept


@pytest.mark.parametrize(
    ("path", "active", "led_to"),
    [("/welcome/", True, "/welcome/"), ("/welcome/", False, ""), ("//evil.example/", True, "")],
)
def test_an_account_is_led_to_it_once_it_can_be_used(path: str, active: bool, led_to: str) -> None:
    bob = make_user("bob", is_active=active)
    make_acceptance(bob, make_invitation(status="accepted", uses=1, destination=path))
    assert arriving.destination_of(bob) == led_to


def test_an_account_that_came_without_an_invitation_is_led_nowhere(member: Any) -> None:
    assert arriving.destination_of(member) == ""


def test_what_an_old_account_accepted_later_does_not_lead_it(member: Any) -> None:
    accepted = make_invitation(status="accepted", uses=1, destination="/welcome/")
    acceptance = make_acceptance(member, accepted)
    acceptance.new_account = False
    acceptance.save()
    assert arriving.destination_of(member) == ""


# -- no email --


@pytest.mark.anywhere
def test_without_a_mail_none_is_written(
    member: Any, commit: Any, outbox: list[InvitationEmail]
) -> None:
    with commit():
        invited = inviting.invite(member, ADDRESS, mail=False)
    assert (invited.created, invited.mailed) == (True, False)
    assert stored().mail_requested_at is None
    assert (stored().email, spent(member)) == (ADDRESS, 1)
    assert InvitationEmail.objects.count() == len(outbox) == 0


def test_the_link_to_hand_over_proves_no_address(member: Any) -> None:
    invitation = inviting.invite(member, ADDRESS, mail=False).invitation
    assert not open_it(invitation, keys.COPY).proves(ADDRESS)


def test_a_mail_may_be_asked_for_later(
    member: Any, commit: Any, outbox: list[InvitationEmail]
) -> None:
    invitation = inviting.invite(member, ADDRESS, mail=False).invitation
    with commit():
        inviting.resend(invitation)
    assert len(outbox) == 1
    assert stored().mail_requested_at is not None


def test_inviting_again_without_a_mail_renews_in_silence(
    member: Any, commit: Any, outbox: list[InvitationEmail]
) -> None:
    with time_machine.travel(NOON, tick=False), commit():
        inviting.invite(member, ADDRESS)
    with time_machine.travel(NOON + timedelta(1), tick=False), commit():
        again = inviting.invite(member, ADDRESS, mail=False)
    assert (again.created, again.mailed) == (False, False)
    assert stored().mail_requested_at == NOON
    assert stored().expires_at == NOON + timedelta(8) + AFTERNOON
    assert InvitationEmail.objects.count() == len(outbox) == 1


def test_inviting_again_with_a_mail_sends_the_first_one(
    member: Any, commit: Any, outbox: list[InvitationEmail]
) -> None:
    inviting.invite(member, ADDRESS, mail=False)
    with commit():
        again = inviting.invite(member, ADDRESS)
    assert (again.created, again.mailed) == (False, True)
    assert len(outbox) == 1


def test_an_invitation_without_a_mail_costs_no_more(member: Any) -> None:
    costs = []
    for email, mail in (("a@example.org", True), ("b@example.org", False)):
        with CaptureQueriesContext(connection) as queries:
            inviting.invite(member, email, mail=mail)
        costs.append(len(queries))
    assert costs[1] <= costs[0]


# -- blocked recipients --

Verb = Callable[[Any], object]
TO_BLOCKED: dict[str, Verb] = {
    "invite": lambda member: inviting.invite(member, ADDRESS),
    "invite without a mail": lambda member: inviting.invite(member, ADDRESS, mail=False),
    "invite again": lambda member: inviting.invite(
        make_invitation(member, email="bob@example.org").from_user, ADDRESS
    ),
    "preview": lambda member: inviting.preview(member, ADDRESS),
    "send_to": lambda member: inviting.send_to(make_invitation(member, email=""), ADDRESS),
    "resend": lambda member: inviting.resend(make_invitation(member)),
    "resend after it expired": lambda member: inviting.resend(
        make_invitation(member, status="expired")
    ),
}


@pytest.mark.anywhere
@pytest.mark.parametrize("verb", TO_BLOCKED)
def test_nothing_is_sent_to_a_blocked_address(member: Any, settings: Any, verb: str) -> None:
    settings.INVITATION_BLOCKED_RECIPIENTS = ["example.org"]
    with pytest.raises(AddressBlocked):
        TO_BLOCKED[verb](member)
    assert InvitationEmail.objects.count() == spent(member) == 0
    assert not InvitationKey.objects.filter(mail_requested_at__isnull=False).exists()


@pytest.mark.parametrize("verb", TO_BLOCKED)
def test_to_others_it_is(member: Any, settings: Any, verb: str) -> None:
    settings.INVITATION_BLOCKED_RECIPIENTS = ["example.net"]
    try:
        TO_BLOCKED[verb](member)
    except InvitationError as error:
        pytest.fail(str(error))


def test_who_is_on_the_list_himself_is_told_of_his_own_address(member: Any, settings: Any) -> None:
    settings.INVITATION_BLOCKED_RECIPIENTS = ["example.com"]
    with pytest.raises(OwnAddress):
        inviting.invite(member, member.email)
