"""The cleanup runs beside itself and beside everything else."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from invitation import signals
from invitation.exceptions import InvitationError
from invitation.flows import inviting, mail, upkeep
from invitation.models import InvitationKey, InvitationQuota
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import User, claim, decline, delete_account, make_held, make_members
from tests.scenes import received

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def make_overdue(members: list[Any], each: int, name: str) -> list[InvitationKey]:
    """Return invitations that ran out an hour ago, so many of each member."""
    rows = [
        InvitationKey(
            from_user=member,
            email=f"{name}-{number}-{member.pk}@example.org",
            email_key=f"{name}-{number}-{member.pk}@example.org",
            site_id=1,
            quota_held=1,
            expires_at=timezone.now() - HOUR,
        )
        for number in range(each)
        for member in members
    ]
    for row in rows:
        row.pending_slot = row.slot()
    for member in members:
        InvitationQuota.objects.hold(member)
        InvitationQuota.objects.spend(member, None, each)
    return InvitationKey.objects.bulk_create(rows)


def test_cleanups_at_once_expire_refund_and_delete_each_invitation_once(arena: Arena) -> None:
    members = make_members(3)
    each = 4

    def before(number: int) -> datetime:
        make_overdue(members, each, f"round{number}")
        return timezone.now()

    def clean(now: datetime, number: int) -> tuple[int, int]:
        size = number % 5 + 5  # so that the batches of two overlap
        # Some have the same clock, to the microsecond.
        return upkeep.expire(size, now if number % 2 else None), upkeep.purge(size)

    def after(now: datetime, outcomes: list[Any]) -> None:
        expired, deleted = (sum(numbers) for numbers in zip(*outcomes, strict=True))
        assert (expired, deleted) == (each * len(members), each * len(members))
        assert not InvitationKey.objects.exists()
        assert set(InvitationQuota.objects.values_list("spent", flat=True)) == {0}

    with received(signals.invitations_expired) as announced:
        arena.race([clean], before=before, after=after)
    ids = [pk for arguments in announced for pk in arguments["invitation_ids"]]
    assert len(ids) == len(set(ids)) == each * len(members) * arena.rounds


def test_cleanup_beside_members_who_invite_the_same_addresses_again(
    short_arena: Arena, settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = None
    settings.INVITATION_RETENTION_DAYS = 1
    members = make_members(2)

    def before(number: int) -> list[InvitationKey]:
        return make_overdue(members, 3, f"round{number}")

    def invite(rows: list[InvitationKey], number: int) -> str:
        row = rows[number // 2 % len(rows)]
        return "created" if inviting.invite(row.from_user, row.email).created else "renewed"

    def clean(rows: list[InvitationKey], number: int) -> str:
        upkeep.expire(number % 3 + 1)
        return "cleaned"

    def after(rows: list[InvitationKey], outcomes: list[Any]) -> None:
        assert set(count(outcomes)) <= {"created", "renewed", "cleaned"}
        for row in rows[: short_arena.threads // 2]:
            # Renewed before it was cleaned up, or cleaned up and made anew.
            assert InvitationKey.objects.pending().filter(email=row.email).count() == 1
        books.check()
        InvitationKey.objects.all().delete()
        InvitationQuota.objects.update(spent=0)

    short_arena.race([invite, clean], before=before, after=after)


def anybody(among: list[Any]) -> Any:
    return random.choice(among)  # noqa: S311 (no secret)


def recent() -> InvitationKey:
    """Return any of the newest invitations."""
    return anybody(list(InvitationKey.objects.order_by("-pk").select_related("from_user")[:12]))


def test_everything_at_once_on_a_few_invitations(arena: Arena, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 6
    settings.INVITATION_RESEND_COOLDOWN = timedelta(0)
    # Not deleted at once: what was revoked keeps its price, and the books would not show it.
    settings.INVITATION_RETENTION_DAYS = 1
    members = make_members(3)
    addresses = [f"person{number}@example.org" for number in range(4)]

    def before(number: int) -> int:
        InvitationKey.objects.all().delete()
        InvitationQuota.objects.update(spent=0)
        for member in members:
            make_held(member, addresses[0])
            make_held(member, "late@example.org", left=-HOUR)
        return number

    def claim_some(number: int) -> None:
        claim(recent(), f"user{random.getrandbits(60):x}")

    def release_some(number: int) -> None:
        for pk in User.objects.filter(is_active=False).values_list("pk", flat=True)[:1]:
            delete_account(pk)

    actions: dict[str, Any] = {
        "invite": lambda number: inviting.invite(anybody(members), anybody(addresses)),
        "invite more": lambda number: inviting.invite(anybody(members), anybody(addresses)),
        "claim": claim_some,
        "claim more": claim_some,
        "release": release_some,
        "revoke": lambda number: inviting.revoke(recent()),
        "decline": lambda number: decline(recent()),
        "extend": lambda number: inviting.extend(recent()),
        "change link": lambda number: inviting.change_link(recent()),
        "edit": lambda number: inviting.edit(recent(), recipient_name="Bob", note="See you!"),
        "resend": lambda number: inviting.resend(recent()),
        "expire": lambda number: upkeep.expire(number % 3 + 1),
        "purge": lambda number: upkeep.purge(2),
        "deliver": lambda number: mail.deliver_due(),
    }
    names = list(actions)
    done: list[str] = []

    def act(stage: int, number: int) -> None:
        for step in range(2):
            name = names[(number + step * 5 + stage) % len(names)]
            try:
                actions[name](number)
            except InvitationError:
                continue  # somebody else was first
            done.append(name)

    arena.race([act], before=before, after=lambda stage, outcomes: books.check())
    if arena.rounds > len(names):
        assert set(done) == set(names)
