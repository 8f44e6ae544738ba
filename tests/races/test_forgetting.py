"""People are forgotten beside everything else that happens to their invitations."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from invitation import signals
from invitation.flows import inviting, privacy, upkeep
from invitation.flows.mail import cancel, deliver_due, retry
from invitation.models import Acceptance, InvitationEmail, InvitationKey, InvitationQuota
from tests.factories import ADDRESS, DAY, make_mail
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import User, claim, decline, fresh, make_held, make_members
from tests.scenes import dump, received

pytestmark = pytest.mark.django_db(transaction=True)

MONTH = 30 * DAY


def hits(text: str) -> list[str]:
    """Return in which tables of this app a text stands."""
    tables = {name: rows for name, rows in dump().items() if name.startswith("invitation_")}
    return [name for name, rows in tables.items() if text in repr(rows)]


def test_a_person_is_forgotten_beside_his_registration(arena: Arena) -> None:
    [member] = make_members(1)

    def before(number: int) -> InvitationKey:
        row = make_held(member, note=f"Dear {ADDRESS}", recipient_name="Canary")
        make_mail(row)
        return row

    def register(row: InvitationKey, number: int) -> str:
        return claim(fresh(row), f"user{row.pk}-{number}")

    def forget(row: InvitationKey, number: int) -> str:
        return f"forgotten {privacy.forget(ADDRESS).revoked}"

    def after(row: InvitationKey, outcomes: list[Any]) -> None:
        now = fresh(row)
        counts = count(outcomes)
        assert counts["claimed"] + counts["forgotten 1"] == 1
        assert now.status == ("accepted" if counts["claimed"] else "revoked")
        # The account and what says how it came are there together, or neither is.
        assert Acceptance.objects.filter(invitation=row).count() == counts["claimed"]
        assert User.objects.filter(username__startswith=f"user{row.pk}-").count() == now.uses
        assert (hits(ADDRESS), hits("Canary")) == ([], [])
        assert now.pending_slot is None
        InvitationKey.objects.all().delete()
        User.objects.exclude(pk=member.pk).delete()
        InvitationQuota.objects.update(spent=0)

    arena.race([register, forget], before=before, after=after)


def test_forgetting_beside_cleanup_delivery_and_itself(arena: Arena, settings: Any) -> None:
    settings.INVITATION_RETENTION_DAYS = 1
    members = make_members(2)

    def before(number: int) -> list[InvitationKey]:
        rows = []
        ended = timezone.now() - 2 * MONTH
        for place, member in enumerate(members * 3):
            row = make_held(
                member, f"p{place}@example.org", left=-DAY, note=f"p{place}@example.org"
            )
            status = ("accepted", "revoked", "expired")[place % 3]
            InvitationKey.objects.filter(pk=row.pk).update(
                status=status, pending_slot=None, ended_at=ended, uses=status == "accepted"
            )
            make_mail(row, last_error=f"450 p{place}@example.org")
            rows.append(row)
        return rows

    def forget_ended(rows: list[InvitationKey], number: int) -> tuple[str, int]:
        return "forgotten", privacy.forget_ended(MONTH, batch_size=number % 3 + 2)

    def forget(rows: list[InvitationKey], number: int) -> tuple[str, int]:
        return "erased", privacy.forget(f"p{number % len(rows)}@example.org").invitations

    def clean(rows: list[InvitationKey], number: int) -> tuple[str, int]:
        upkeep.expire(number % 3 + 1)
        return "deleted", upkeep.purge(number % 3 + 1)

    def deliver(rows: list[InvitationKey], number: int) -> tuple[str, int]:
        deliver_due()
        retry(list(InvitationEmail.objects.all()))
        cancel(list(InvitationEmail.objects.all()))
        return "delivered", 0

    def after(rows: list[InvitationKey], outcomes: list[Any]) -> None:
        left = InvitationKey.objects.filter(status="accepted")
        assert left.count() == 2
        assert not left.exclude(email="").exists()
        done = sum(number for what, number in outcomes if what == "forgotten")
        assert 0 <= done <= len(rows)
        assert hits("@example.org") == []
        InvitationKey.objects.all().delete()
        InvitationQuota.objects.update(spent=0)

    arena.race([forget_ended, forget, clean, deliver], before=before, after=after)


def test_mails_are_stopped_and_queued_again_beside_who_sends_them(
    arena: Arena, dummy_delivery: list[Any], settings: Any
) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.outbox.OutboxDelivery"
    [member] = make_members(1)

    def before(number: int) -> list[InvitationEmail]:
        dummy_delivery.clear()
        return [make_mail(make_held(member, f"g{number}-{i}@example.org")) for i in range(4)]

    def stop(mails: list[InvitationEmail], number: int) -> str:
        return f"stopped {len(cancel(mails))}"

    def again(mails: list[InvitationEmail], number: int) -> str:
        return f"again {len(retry(mails))}"

    def send(mails: list[InvitationEmail], number: int) -> str:
        deliver_due()
        return "sent"

    def after(mails: list[InvitationEmail], outcomes: list[Any]) -> None:
        states = set(InvitationEmail.objects.values_list("state", flat=True))
        assert states <= {"sent", "queued", "cancelled"}
        settled = [told["state"] for told in heard]
        rows = InvitationEmail.objects.filter(pk__in=[mail.pk for mail in mails])
        # Whoever was told that an email was sent was told so once, and of each that was.
        assert settled.count("sent") == rows.filter(state="sent").count()
        heard.clear()
        InvitationKey.objects.all().delete()
        InvitationQuota.objects.update(spent=0)

    with received(signals.mail_settled) as heard:
        arena.race([stop, again, send], before=before, after=after)


def test_an_invitation_is_declined_or_withdrawn_before_it_is_forgotten(
    short_arena: Arena,
) -> None:
    [member] = make_members(1)

    def before(number: int) -> InvitationKey:
        return make_held(member)

    def say_no(row: InvitationKey, number: int) -> str:
        return decline(fresh(row))

    def invite_again(row: InvitationKey, number: int) -> str:
        return "created" if inviting.invite(member, ADDRESS).created else "renewed"

    def forget(row: InvitationKey, number: int) -> str:
        privacy.forget(ADDRESS)
        return "forgotten"

    def after(row: InvitationKey, outcomes: list[Any]) -> None:
        assert fresh(row).status in ("declined", "revoked")
        # Who is invited again afterwards is invited anew, by a row that names them.
        open_ones = InvitationKey.objects.pending()
        assert open_ones.count() <= 1
        assert not open_ones.exclude(email=ADDRESS).exists()
        over = InvitationKey.objects.exclude(status="pending")
        assert not over.exclude(forgotten_at=None).exclude(email="")
        books.check()
        InvitationKey.objects.all().delete()
        InvitationQuota.objects.update(spent=0)

    short_arena.race([say_no, invite_again, forget], before=before, after=after)
