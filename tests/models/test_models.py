"""The rows: what they show of themselves, and the names of django-invitation 1.0."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from invitation import keys
from invitation.exceptions import KeyExpired, QuotaExceeded
from invitation.models import Acceptance, InvitationKey, InvitationQuota, make_slot
from tests.factories import ADDRESS, DAY, make_acceptance, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db
MANAGER = InvitationKey.objects


# -- what is shown --


@pytest.mark.parametrize("show", [str, repr, lambda row: row.key_hint])
def test_no_text_of_an_invitation_holds_its_key(show: Any) -> None:
    invitation = make_invitation()
    assert invitation.locator not in show(invitation)
    assert f"{invitation.locator[:6]}…" in show(invitation)


def test_an_invitation_is_named_by_its_address() -> None:
    assert str(make_invitation()).startswith(ADDRESS)
    assert str(make_invitation(email="")).startswith("-")


def test_the_other_rows_have_names_too(member: Any) -> None:
    assert str(InvitationQuota(inviter=member)) == f"#{member.pk}"
    mail = make_mail(make_invitation(email="eve@example.org"))
    assert str(mail) == f"invitation {mail.pk} (queued)"


@pytest.mark.parametrize(
    ("use_tz", "words"),
    [(True, "Nov. 29, 2026, 10:15 p.m. (#7)"), (False, "Nov. 29, 2026, 4:30 p.m. (#7)")],
)
def test_an_acceptance_is_named_by_its_time(settings: Any, use_tz: bool, words: str) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    settings.USE_TZ = use_tz
    moment = datetime(2026, 11, 29, 16, 30, tzinfo=timezone.get_fixed_timezone(0))
    acceptance = Acceptance(pk=7, claimed_at=moment if use_tz else moment.replace(tzinfo=None))
    assert str(acceptance) == words


def test_naming_acceptances_asks_for_no_other_row(
    member: Any, django_assert_num_queries: Any
) -> None:
    for number in range(3):
        make_acceptance(member, make_invitation(email=f"bob{number}@example.org"))
    with django_assert_num_queries(1):
        assert len({str(acceptance) for acceptance in Acceptance.objects.all()}) == 3


# -- keys --


def test_the_key_to_show_is_not_the_key_to_mail() -> None:
    invitation = make_invitation()
    assert invitation.key == keys.make(invitation.locator, keys.COPY, 1)
    assert invitation.mail_key == keys.make(invitation.locator, keys.MAIL, 1)
    assert invitation.key != invitation.mail_key


def test_each_row_has_a_locator_of_its_own() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_invitation(locator=make_invitation().locator, email="")


# -- time --


@pytest.mark.parametrize(
    ("status", "left", "expired"),
    [
        ("pending", DAY, False),
        ("pending", None, False),
        ("pending", -timedelta(microseconds=1), True),
        ("expired", DAY, True),
        ("accepted", DAY, False),
    ],
)
def test_it_is_expired_by_its_time_or_its_mark(
    status: str, left: timedelta | None, expired: bool
) -> None:
    assert make_invitation(status=status, left=left).key_expired() is expired


@pytest.mark.parametrize(
    ("fields", "usable"),
    [
        ({}, True),
        ({"left": None}, True),
        ({"left": -DAY}, False),
        ({"uses": 1}, False),
        ({"status": "accepted", "uses": 1}, False),
        ({"status": "declined"}, False),
        ({"status": "revoked"}, False),
        ({"status": "expired"}, False),
        ({"max_uses": 2, "uses": 1}, True),
    ],
)
def test_object_and_queryset_agree_on_what_is_usable(fields: dict[str, Any], usable: bool) -> None:
    invitation = make_invitation(**fields)
    assert invitation.is_usable() is usable
    assert MANAGER.get_queryset().usable().exists() is usable
    assert MANAGER.is_key_valid(invitation.key) is usable


def test_the_refusal_is_an_error_that_can_be_raised() -> None:
    assert isinstance(make_invitation(left=-DAY).refusal(), KeyExpired)


# -- slots --


def test_a_slot_is_of_site_inviter_and_address() -> None:
    slots = {
        make_slot(site, user, address)
        for site in (1, 2)
        for user in (1, 2, None)
        for address in (ADDRESS, "eve@example.org")
    }
    assert len(slots) == 2 * 3 * 2
    assert {len(slot) for slot in slots} == {15}


def test_what_is_addressed_to_nobody_has_no_slot() -> None:
    assert make_invitation(email="").slot() is None


def test_the_database_holds_one_open_invitation_per_inviter_and_address(member: Any) -> None:
    make_invitation(member, "Bob@example.org")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_invitation(member, "bob@EXAMPLE.org")


@pytest.mark.parametrize("status", ["accepted", "declined", "revoked", "expired"])
def test_an_ended_one_leaves_room(member: Any, status: str) -> None:
    make_invitation(member, status=status)
    make_invitation(member, status=status)
    make_invitation(member)


def test_each_member_has_slots_of_his_own(member: Any) -> None:
    make_invitation(member)
    make_invitation(make_user("ann"))
    make_invitation(member, site_id=2)


def test_an_account_comes_through_an_invitation_once(member: Any) -> None:
    acceptance = make_acceptance(member, make_invitation())
    with pytest.raises(IntegrityError), transaction.atomic():
        make_acceptance(member, acceptance.invitation)


# -- adjectives --


@pytest.mark.parametrize(
    ("adjective", "names"),
    [
        ("pending", "open forever late"),
        ("usable", "open forever"),
        ("overdue", "late"),
        ("expired", "late expired"),
    ],
)
def test_adjectives_keep_what_they_say(adjective: str, names: str) -> None:
    lefts = {"open": DAY, "forever": None, "late": -DAY}
    for name, left in lefts.items():
        make_invitation(left=left, recipient_name=name, email="")
    for status in ("accepted", "declined", "revoked", "expired"):
        make_invitation(status=status, recipient_name=status)
    kept = getattr(MANAGER.all(), adjective)()
    assert {row.recipient_name for row in kept} == set(names.split())


def test_they_go_by_the_time_that_is_passed() -> None:
    end = make_invitation().expires_at
    assert end is not None
    before = end - timedelta(microseconds=1)
    rows = MANAGER.all()
    assert (rows.usable(before).count(), rows.usable(end).count()) == (1, 0)
    assert (rows.overdue(before).count(), rows.overdue(end).count()) == (0, 1)
    assert (rows.expired(before).count(), rows.expired(end).count()) == (0, 1)


def test_adjectives_combine(member: Any) -> None:
    make_invitation(make_user("ann"))
    mine = make_invitation(member)
    make_invitation(member, site_id=2)
    assert MANAGER.all().sent_by(member).on_site(1).get() == mine


# -- django-invitation 1.0 --


def test_the_old_manager_makes_and_finds_an_invitation(member: Any) -> None:
    invitation = MANAGER.create_invitation(member)
    assert MANAGER.is_key_valid(invitation.key)
    assert MANAGER.get_key(invitation.key) == invitation
    assert invitation.from_user == member
    assert timezone.now() - invitation.date_invited < timedelta(minutes=1)
    assert not invitation.key_expired()


def test_an_invalid_key_finds_nothing() -> None:
    assert MANAGER.get_key("x" * 40) is None
    assert not MANAGER.is_key_valid("x" * 40)


def test_the_old_manager_finds_an_ended_one_too() -> None:
    invitation = make_invitation(left=-DAY)
    assert MANAGER.get_key(invitation.key) == invitation


def test_the_old_count_is_enforced_now(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 1
    assert MANAGER.remaining_invitations_for_user(member) == 1
    MANAGER.create_invitation(member)
    assert MANAGER.remaining_invitations_for_user(member) == 0
    with pytest.raises(QuotaExceeded):
        MANAGER.create_invitation(member)
