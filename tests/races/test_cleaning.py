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
from invitation.models import InvitationKey, InvitationQuota, QuotaEntry
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


def test_cleanups_at_once_delete_each_invitation_once_without_marking_it(arena: Arena) -> None:
    members = make_members(3)
    each = 4

    def before(number: int) -> None:
        make_overdue(members, each, f"round{number}")

    def after(stage: None, outcomes: list[Any]) -> None:
        counts = tuple(sum(numbers) for numbers in zip(*outcomes, strict=True))
        assert counts == (each * len(members), each * len(members))
        assert not InvitationKey.objects.exists()
        assert set(InvitationQuota.objects.values_list("spent", flat=True)) == {0}

    def clean(stage: None, number: int) -> tuple[int, int]:
        return upkeep.clean_up(number % 5 + 5)

    arena.race([clean], before=before, after=after)
    ended = list(QuotaEntry.objects.values_list("invitation_id", flat=True))
    assert len(ended) == len(set(ended)) == each * len(members) * arena.rounds


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
        upkeep.clean_up(number % 3 + 1)
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


@pytest.mark.parametrize("retention", [0, 1])
def test_members_invite_again_exactly_what_is_being_cleaned_up(
    short_arena: Arena, settings: Any, retention: int
) -> None:
    settings.INVITATIONS_PER_USER = 20
    settings.INVITATION_RETENTION_DAYS = retention
    members = make_members(short_arena.threads)
    each = 4

    def before(number: int) -> list[InvitationKey]:
        return make_overdue(members, each, f"round{number}")

    def invite(rows: list[InvitationKey], number: int) -> list[bool]:
        own = [row for row in rows if row.from_user_id == members[number].pk]
        return [inviting.invite(members[number], row.email).created for row in own]

    def clean(rows: list[InvitationKey], number: int) -> tuple[int, int]:
        return upkeep.clean_up(number * 2 + 1)  # so that the batches of two overlap

    def after(rows: list[InvitationKey], outcomes: list[Any]) -> None:
        cleaned = [one for one in outcomes if isinstance(one, tuple)]
        invited = [one for one in outcomes if isinstance(one, list)]
        assert len(cleaned) + len(invited) == len(outcomes), count(outcomes)
        renewed = sum(one.count(False) for one in invited)
        # Each was renewed, or ended once and gave back its price once.
        assert sum(expired for expired, _ in cleaned) == len(rows) - renewed
        refunds = QuotaEntry.objects.filter(reason=QuotaEntry.Reason.EXPIRED)
        ended = list(refunds.values_list("invitation_id", flat=True))
        assert len(ended) == len(set(ended)) == len(rows) - renewed
        slots = [row.pending_slot for row in rows if row.from_user_id in inviters]
        assert InvitationKey.objects.pending().filter(pending_slot__in=slots).count() == len(slots)
        assert InvitationKey.objects.pending().count() == len(slots)
        books.check()
        InvitationKey.objects.all().delete()
        QuotaEntry.objects.all().delete()
        InvitationQuota.objects.update(spent=0)

    contestants = [clean, *[invite] * 5]
    numbers = range(short_arena.threads)
    inviters = {members[n].pk for n in numbers if contestants[n % len(contestants)] is invite}
    short_arena.race(contestants, before=before, after=after)


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
        "clean up": lambda number: upkeep.clean_up(3),
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
