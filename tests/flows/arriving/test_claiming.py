"""Claiming: the use and the account, both or neither."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models.signals import post_save, pre_save
from django.utils import timezone

from invitation import exceptions, keys
from invitation.flows import arriving
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.factories import ADDRESS, DAY, make_invitation, make_user, open_it, register, rolled_back
from tests.flows.conftest import Heard

pytestmark = pytest.mark.django_db


class Crash(Exception):
    """Stand for anything that goes wrong in somebody else's code."""


def crash(*args: Any, **kwargs: Any) -> Any:
    raise Crash


def assert_untouched(invitation: InvitationKey) -> None:
    """See that the invitation is unspent and there is no account."""
    before = (invitation.status, invitation.uses, invitation.pending_slot, invitation.ended_at)
    row = InvitationKey.objects.get()
    assert (row.status, row.uses, row.pending_slot, row.ended_at) == before
    assert not get_user_model()._default_manager.exists()
    assert not Acceptance.objects.exists()
    assert open_it(invitation)


@pytest.mark.anywhere
def test_the_account_uses_the_invitation_up(settings: Any) -> None:
    site_id = getattr(settings, "SITE_ID", 0)
    invitation = make_invitation(site_id=site_id)
    user = register(invitation)
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses, invitation.pending_slot) == ("accepted", 1, None)
    assert invitation.ended_at is not None
    acceptance = Acceptance.objects.get()
    assert (acceptance.invitation, acceptance.user) == (invitation, user)


def test_an_active_account_counts_as_activated() -> None:
    register(make_invitation())
    acceptance = Acceptance.objects.get()
    assert acceptance.activated_at == acceptance.claimed_at


def test_an_inactive_account_does_not() -> None:
    register(make_invitation(), is_active=False)
    assert Acceptance.objects.get().activated_at is None


def test_the_use_is_taken_before_the_account_is_made() -> None:
    seen = []

    def create() -> Any:
        seen.append(InvitationKey.objects.get().uses)
        return make_user("bob", email=ADDRESS)

    arriving.claim(open_it(make_invitation()), create, email=ADDRESS)
    assert seen == [1]


def test_the_use_of_a_shared_link_is_taken_after_the_account_is_made() -> None:
    seen = []

    def create() -> Any:
        seen.append(InvitationKey.objects.get().uses)
        return make_user("bob", email=ADDRESS)

    link = make_invitation(make_user(), "", shared=True, max_uses=5)
    arriving.claim(open_it(link), create, email=ADDRESS)
    assert seen == [0]
    assert InvitationKey.objects.get().uses == 1


def test_who_loses_the_last_use_of_a_shared_link_has_no_account() -> None:
    link = make_invitation(make_user(), "", shared=True, max_uses=1)
    opened = open_it(link)

    def create() -> Any:
        # Somebody else is faster, while this account is made.
        assert InvitationKey.objects.claim_use(link.pk, link.locator, timezone.now())
        return make_user("bob", email=ADDRESS)

    with pytest.raises(exceptions.KeyUsedUp) as refused:
        arriving.claim(opened, create, email=ADDRESS)
    assert refused.value.shared
    assert not get_user_model()._default_manager.filter(email=ADDRESS).exists()
    assert not Acceptance.objects.exists()


def test_claiming_is_two_statements_of_ours(django_assert_num_queries: Any) -> None:
    opened = open_it(make_invitation())
    user = make_user()
    # The use and the acceptance, between savepoint and release.
    with django_assert_num_queries(4):
        arriving.claim(opened, lambda: user, email=ADDRESS)


# -- who comes too late --


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": "accepted", "uses": 1}, exceptions.KeyUsedUp),
        ({"uses": 1}, exceptions.KeyUsedUp),
        ({"status": "revoked"}, exceptions.KeyRevoked),
        ({"status": "declined"}, exceptions.KeyDeclined),
        ({"status": "expired"}, exceptions.KeyExpired),
        ({"expires_at": timezone.now() - DAY}, exceptions.KeyExpired),
        ({"locator": "another"}, exceptions.KeyNotFound),
    ],
)
def test_who_opened_in_time_but_claims_too_late_hears_why(
    changes: dict[str, Any], error: type[exceptions.KeyRefused]
) -> None:
    opened = open_it(make_invitation())
    InvitationKey.objects.update(pending_slot=None, **changes)
    with pytest.raises(error):
        arriving.claim(opened, crash, email=ADDRESS)


def test_who_claims_a_deleted_invitation_hears_that_it_is_unknown() -> None:
    opened = open_it(make_invitation())
    InvitationKey.objects.all().delete()
    with pytest.raises(exceptions.KeyNotFound):
        arriving.claim(opened, crash, email=ADDRESS)


def test_a_second_claim_finds_nothing_left() -> None:
    opened = open_it(make_invitation())
    arriving.claim(opened, lambda: make_user("bob"), email=ADDRESS)
    with pytest.raises(exceptions.KeyUsedUp):
        arriving.claim(opened, crash, email=ADDRESS)
    assert Acceptance.objects.count() == 1


def test_an_invitation_for_three_takes_three() -> None:
    invitation = make_invitation(email="", max_uses=3)
    for name in ("ann", "bob"):
        register(invitation, name)
        invitation.refresh_from_db()
        assert (invitation.status, invitation.ended_at) == ("pending", None)
    register(invitation, "eve")
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("accepted", 3)
    with pytest.raises(exceptions.KeyUsedUp):
        open_it(invitation)


# -- which address --


def test_another_address_is_refused_before_anything_happens(
    django_assert_num_queries: Any,
) -> None:
    opened = open_it(make_invitation())
    with django_assert_num_queries(0), pytest.raises(exceptions.AddressMismatch) as refused:
        arriving.claim(opened, crash, email="eve@example.org")
    assert ADDRESS in str(refused.value)


def test_another_address_is_taken_under_the_policy_any(
    settings: Any, commit: Any, heard: Heard
) -> None:
    settings.INVITATION_EMAIL_POLICY = "any"
    with commit():
        register(make_invitation(), email="eve@example.org")
    assert heard.last("invitation_accepted")["address_proven"] is False


@pytest.mark.parametrize(("channel", "proven"), [(keys.MAIL, True), (keys.COPY, False)])
def test_receivers_learn_whether_the_address_is_proven(
    commit: Any, heard: Heard, channel: str, proven: bool
) -> None:
    opened = open_it(make_invitation(), channel)
    with commit():
        user = arriving.claim(opened, lambda: make_user("bob", email=ADDRESS), email=ADDRESS)
    assert heard.names() == ["invitation_accepted", "invitation_activated"]
    told = heard.last("invitation_accepted")
    assert (told["address_proven"], told["user"]) == (proven, user)
    assert told["acceptance"] == Acceptance.objects.get()


def test_an_inactive_account_is_only_accepted(commit: Any, heard: Heard) -> None:
    with commit():
        register(make_invitation(), is_active=False)
    assert heard.names() == ["invitation_accepted"]


@pytest.mark.parametrize(("uses", "status"), [(1, "accepted"), (2, "pending")])
@pytest.mark.django_db(transaction=True)
def test_receivers_see_what_the_row_says(heard: Heard, uses: int, status: str) -> None:
    register(make_invitation(max_uses=uses))
    told = heard.last("invitation_accepted")
    row = InvitationKey.objects.get()
    assert told["status"] == row.status == status
    for name in ("uses", "ended_at", "pending_slot"):
        assert getattr(told["invitation"], name) == getattr(row, name)


# -- rollback: nothing is left --


def test_a_failing_account_leaves_nothing(heard: Heard, commit: Any) -> None:
    invitation = make_invitation()
    with commit(), pytest.raises(Crash):
        arriving.claim(open_it(invitation), crash, email=ADDRESS)
    assert_untouched(invitation)
    assert heard == []


def test_a_crash_after_the_account_was_made_leaves_nothing(heard: Heard, commit: Any) -> None:
    invitation = make_invitation()

    def create() -> Any:
        make_user("bob")
        raise Crash

    with commit(), pytest.raises(Crash):
        arriving.claim(open_it(invitation), create, email=ADDRESS)
    assert_untouched(invitation)
    assert heard == []


def test_a_taken_name_leaves_the_invitation(commit: Any) -> None:
    make_user("bob")
    invitation = make_invitation()
    with commit(), pytest.raises(IntegrityError):
        register(invitation)
    assert open_it(invitation)
    assert not Acceptance.objects.exists()


@pytest.mark.parametrize("moment", [pre_save, post_save])
def test_a_crash_around_the_acceptance_leaves_nothing(
    moment: Any, heard: Heard, commit: Any
) -> None:
    invitation = make_invitation()
    moment.connect(crash, sender=Acceptance)
    try:
        with commit(), pytest.raises(Crash):
            register(invitation)
    finally:
        moment.disconnect(crash, sender=Acceptance)
    assert_untouched(invitation)
    assert heard == []


@pytest.mark.django_db(transaction=True)
def test_a_crash_before_the_commit_leaves_nothing(heard: Heard) -> None:
    invitation = make_invitation()
    with rolled_back():
        register(invitation)
    assert_untouched(invitation)
    assert heard == []


@pytest.mark.django_db(transaction=True)
def test_a_host_whose_callback_raises_after_the_commit_keeps_what_was_made(heard: Heard) -> None:
    def create() -> Any:
        transaction.on_commit(crash)
        return make_user("bob")

    with pytest.raises(Crash):
        arriving.claim(open_it(make_invitation()), create, email=ADDRESS)
    assert Acceptance.objects.get().user.get_username() == "bob"
    assert heard.names() == ["invitation_accepted", "invitation_activated"]


# -- one row, atomically --


@pytest.mark.parametrize(
    ("late", "got"), [(timedelta(microseconds=-1), True), (timedelta(0), False)]
)
def test_the_use_goes_by_the_time_that_is_passed(late: timedelta, got: bool) -> None:
    invitation = make_invitation()
    assert invitation.expires_at is not None
    now = invitation.expires_at + late
    assert InvitationKey.objects.claim_use(invitation.pk, invitation.locator, now) is got


def test_the_database_refuses_more_uses_than_allowed() -> None:
    make_invitation(uses=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        InvitationKey.objects.update(uses=2)


def test_the_database_refuses_a_slot_for_what_has_ended() -> None:
    make_invitation()
    with pytest.raises(IntegrityError), transaction.atomic():
        InvitationKey.objects.update(status="revoked")


def test_a_block_that_sets_no_account_uses_nothing(member: Any) -> None:
    invitation = scenes.invite(member)
    opened = arriving.open_invitation(invitation.mail_key)
    with (
        pytest.raises(ValueError, match="set the claim's user"),
        arriving.claiming(opened, email=invitation.email),
    ):
        pass
    invitation.refresh_from_db()
    assert invitation.uses == 0
