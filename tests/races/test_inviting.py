"""Members invite at once: more than their quota allows, or the same address."""

from __future__ import annotations

from typing import Any

import pytest

from invitation import signals
from invitation.flows import inviting
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota
from tests.factories import ADDRESS, make_user
from tests.races import books
from tests.races.arena import Arena, count
from tests.races.people import claim, decline, fresh, make_held, make_members
from tests.races.wire import Answer, Site, session_of
from tests.scenes import INVITE, REGISTER, answers, received

pytestmark = pytest.mark.django_db(transaction=True)


def invite(inviter: Any, email: str) -> str:
    return "created" if inviting.invite(inviter, email).created else "renewed"


def invite_own_address(inviter: Any, number: int) -> str:
    """Invite an address that no other thread invites."""
    return invite(inviter, f"thread{number}@example.org")


def check_mailed(delivered: list[Any], number: int) -> None:
    """Check that so many emails have left, each of them once, and that none is left over."""
    assert len(delivered) == len({mail.pk for mail in delivered}) == number
    states = InvitationEmail.objects.values_list("state", flat=True)
    assert list(states) == ["sent"] * number


class Scene:
    """Begin each round with an empty outbox and members who have not invited yet."""

    def __init__(self, delivered: list[Any], members: int = 1) -> None:
        self.delivered = delivered
        self.members = members

    def __call__(self, number: int) -> Any:
        InvitationKey.objects.all().delete()
        InvitationQuota.objects.all().delete()
        self.delivered.clear()
        members = [make_user(f"member{number}-{i}") for i in range(self.members)]
        return members[0] if self.members == 1 else members


@pytest.mark.parametrize("has_invited", [True, False], ids=["quota", "first_ever"])
def test_the_last_invitation_of_a_quota_is_made_once(
    arena: Arena, settings: Any, dummy_delivery: list[Any], has_invited: bool
) -> None:
    settings.INVITATIONS_PER_USER = 3 if has_invited else 1
    scene = Scene(dummy_delivery)

    def before(number: int) -> Any:
        member = scene(number)
        if has_invited:
            InvitationQuota.objects.create(inviter=member, spent=2)
        return member

    def after(member: Any, outcomes: list[Any]) -> None:
        assert count(outcomes) == {"created": 1, "no_invitations_left": arena.threads - 1}
        assert InvitationKey.objects.filter(from_user=member).count() == 1
        assert InvitationQuota.objects.get(inviter=member).spent == settings.INVITATIONS_PER_USER
        check_mailed(dummy_delivery, 1)
        books.check_invitations()

    arena.race([invite_own_address], before=before, after=after)


def test_first_invitations_of_several_members_make_no_more_than_each_quota(
    short_arena: Arena, settings: Any, dummy_delivery: list[Any]
) -> None:
    settings.INVITATIONS_PER_USER = 2
    scene = Scene(dummy_delivery, members=4)
    each = short_arena.threads // 4
    made = min(each, settings.INVITATIONS_PER_USER) * 4

    def after(members: list[Any], outcomes: list[Any]) -> None:
        assert count(outcomes)["created"] == made
        assert count(outcomes)["no_invitations_left"] == short_arena.threads - made
        check_mailed(dummy_delivery, made)
        books.check()

    short_arena.race(
        [lambda members, number: invite_own_address(members[number % 4], number)],
        before=scene,
        after=after,
    )


def check_one_address(arena: Arena, delivered: list[Any]) -> None:
    def after(member: Any, outcomes: list[Any]) -> None:
        assert count(outcomes) == {"created": 1, "renewed": arena.threads - 1}
        assert InvitationKey.objects.get().from_user == member
        check_mailed(delivered, 1)
        books.check()

    with received(signals.invitation_created) as created:
        arena.race(
            [lambda member, _: invite(member, ADDRESS)], before=Scene(delivered), after=after
        )
    assert len(created) == arena.rounds


def test_one_address_has_one_open_invitation_that_is_paid_and_mailed_once(
    arena: Arena, dummy_delivery: list[Any]
) -> None:
    check_one_address(arena, dummy_delivery)


def test_who_invites_with_his_last_invitation_many_times_is_not_told_that_he_has_none(
    short_arena: Arena, settings: Any, dummy_delivery: list[Any]
) -> None:
    settings.INVITATIONS_PER_USER = 1
    check_one_address(short_arena, dummy_delivery)


@pytest.mark.usefixtures("atomic_requests")
def test_a_form_that_is_sent_many_times_invites_once(
    short_arena: Arena, site: Site, dummy_delivery: list[Any]
) -> None:
    scene = Scene(dummy_delivery)

    def before(number: int) -> dict[str, str]:
        return session_of(scene(number))

    def after(cookies: dict[str, str], got: list[Answer]) -> None:
        assert {(x.status, x.location) for x in got} == {(302, "/accounts/invitations/")}
        assert InvitationKey.objects.count() == 1
        check_mailed(dummy_delivery, 1)
        books.check()

    short_arena.race(
        [lambda cookies, _: site.post(INVITE, {"email": ADDRESS}, cookies)],
        before=before,
        after=after,
    )


def test_different_members_invite_one_address_side_by_side(
    short_arena: Arena, dummy_delivery: list[Any]
) -> None:
    members = make_members(short_arena.threads)

    def before(number: int) -> str:
        dummy_delivery.clear()
        InvitationKey.objects.all().delete()
        InvitationQuota.objects.update(spent=0)
        return f"round{number}@example.org"

    def after(email: str, outcomes: list[Any]) -> None:
        assert count(outcomes) == {"created": short_arena.threads}
        check_mailed(dummy_delivery, short_arena.threads)
        books.check()

    short_arena.race(
        [lambda email, number: invite(members[number], email)], before=before, after=after
    )


# The open invitation ends while it is invited again.


def revoke(invitation: InvitationKey, number: int) -> str:
    inviting.revoke(fresh(invitation))
    return "revoked"


def register(invitation: InvitationKey, number: int) -> str:
    return claim(invitation, f"user{number}-{invitation.pk}")


def say_no(invitation: InvitationKey, number: int) -> str:
    return decline(fresh(invitation))


ENDINGS = {
    "claim": (register, "claimed"),
    "revoke": (revoke, "revoked"),
    "decline": (say_no, "declined"),
}


@pytest.mark.parametrize(("end", "word"), ENDINGS.values(), ids=ENDINGS)
def test_an_invitation_that_ends_while_it_is_renewed(
    short_arena: Arena, settings: Any, dummy_delivery: list[Any], end: Any, word: str
) -> None:
    settings.INVITATIONS_PER_USER = None
    inviter = make_user("inviter")

    def before(number: int) -> InvitationKey:
        # Alone in the table: its place in the index borders on that of the ended ones.
        InvitationKey.objects.all().delete()
        InvitationQuota.objects.update(spent=0)
        return make_held(inviter)

    def after(invitation: InvitationKey, outcomes: list[Any]) -> None:
        counts = count(outcomes)
        assert counts[word] == 1
        # Those who came before it ended renewed it; the first one after that made a new one.
        assert counts["created"] in (0, 1)
        assert counts["created"] + counts["renewed"] == short_arena.threads // 2
        assert InvitationKey.objects.count() == 1 + counts["created"]
        assert InvitationKey.objects.exclude(status="pending").get() == invitation
        books.check()

    def again(invitation: InvitationKey, number: int) -> str:
        invited = inviting.invite(inviter, ADDRESS, again=True)  # also after a refusal
        return "created" if invited.created else "renewed"

    short_arena.race([again, end], before=before, after=after)


@pytest.mark.usefixtures("atomic_requests")
def test_a_member_who_invites_again_and_a_newcomer_who_registers_both_get_a_page(
    short_arena: Arena, site: Site
) -> None:
    inviter = make_user("inviter")
    cookies = session_of(inviter)

    def before(number: int) -> InvitationKey:
        InvitationKey.objects.all().delete()
        InvitationQuota.objects.update(spent=0)
        return make_held(inviter, f"round{number}@example.org")

    def invite_again(invitation: InvitationKey, number: int) -> tuple[str, Answer]:
        return "again", site.post(INVITE, {"email": invitation.email}, cookies)

    def register_by_form(invitation: InvitationKey, number: int) -> tuple[str, Answer]:
        form = answers(invitation.email, f"newcomer{number}-of-{invitation.pk}")
        return "form", site.post(REGISTER, form, {"invitation_key": invitation.mail_key})

    def after(invitation: InvitationKey, got: list[tuple[str, Answer]]) -> None:
        again = [answer for side, answer in got if side == "again"]
        forms = [answer for side, answer in got if side == "form"]
        assert {(x.status, x.location) for x in again} == {(302, "/accounts/invitations/")}
        assert sorted(x.status for x in forms) == [302] + [410] * (len(forms) - 1)
        assert InvitationKey.objects.get(pk=invitation.pk).status == "accepted"
        assert InvitationKey.objects.count() in (1, 2)
        books.check()

    short_arena.race([invite_again, register_by_form], before=before, after=after)


def test_of_two_unaddressed_invitations_one_is_addressed_to_a_person(
    short_arena: Arena, settings: Any
) -> None:
    inviter = make_user("inviter")
    settings.INVITATIONS_PER_USER = None

    def before(number: int) -> list[InvitationKey]:
        return [inviting.create_without_address(inviter) for _ in range(2)]

    def address(invitations: list[InvitationKey], number: int) -> str:
        invitation = fresh(invitations[number % 2])
        invitation.send_to(f"of{invitations[0].pk}@example.org")
        return "addressed"

    def after(invitations: list[InvitationKey], outcomes: list[Any]) -> None:
        counts = count(outcomes)
        assert counts["addressed"] == 1
        assert set(counts) <= {"addressed", "already_invited", "mail_too_soon"}
        books.check()

    short_arena.race([address], before=before, after=after)
