"""Groups: which an inviter may give, what an invitation carries, and who joins."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from invitation import exceptions
from invitation.flows import arriving, inviting
from invitation.models import InvitationKey
from tests.factories import ADDRESS, make_invitation, make_user, open_it, register, spent
from tests.users.models import EmailUser

pytestmark = pytest.mark.django_db


def all_groups(user: Any) -> Any:
    """Be the rule of a site whose members may give every group."""
    return Group.objects.all()


def choirs(user: Any) -> list[Group]:
    """Be a rule that returns a list."""
    return [group for group in Group.objects.all() if group.name != "Staff"]


@pytest.fixture
def altos(db: None) -> Group:
    return Group.objects.create(name="Altos")


@pytest.fixture
def basses(db: None) -> Group:
    return Group.objects.create(name="Basses")


@pytest.fixture
def boss(altos: Group, basses: Group) -> Any:
    """Return somebody of the staff who may change groups, and is in one."""
    boss = make_user("boss", is_staff=True)
    boss.user_permissions.add(Permission.objects.get(codename="change_group"))
    boss.groups.add(altos)
    return boss


def names(user: Any) -> list[str]:
    return sorted(inviting.grantable_groups(user).values_list("name", flat=True))


class TestWhichMayBeGiven:
    def test_a_member_gives_none_and_it_costs_no_query(
        self, member: Any, altos: Group, django_assert_num_queries: Any
    ) -> None:
        member.groups.add(altos)
        with django_assert_num_queries(0):
            assert names(member) == []

    def test_staff_who_may_change_groups_give_their_own(self, boss: Any) -> None:
        assert names(boss) == ["Altos"]

    @pytest.mark.parametrize("lacks", ["permission", "staff", "activity"])
    def test_others_of_the_staff_give_none(self, boss: Any, lacks: str) -> None:
        if lacks == "permission":
            boss.user_permissions.clear()
        boss.is_staff = lacks != "staff"
        boss.is_active = lacks != "activity"
        assert names(boss) == []

    def test_a_superuser_gives_his_own(self, altos: Group, basses: Group) -> None:
        root = make_user("root", is_staff=True, is_superuser=True)
        assert names(root) == []
        root.groups.add(basses)
        assert names(root) == ["Basses"]

    def test_nobody_gives_none(self) -> None:
        assert names(None) == []

    @pytest.mark.parametrize("rule", [choirs, "tests.flows.inviting.test_groups.choirs"])
    def test_the_sites_rule_decides(
        self, settings: Any, member: Any, altos: Group, rule: Any
    ) -> None:
        Group.objects.create(name="Staff")
        settings.INVITATION_GRANTABLE_GROUPS = rule
        assert names(member) == ["Altos"]

    def test_the_rule_is_not_asked_about_who_is_not_active(
        self, settings: Any, member: Any, altos: Group
    ) -> None:
        settings.INVITATION_GRANTABLE_GROUPS = all_groups
        member.is_active = False
        assert names(member) == []

    def test_a_user_model_without_groups_has_none(self, altos: Group) -> None:
        user = EmailUser(email="boss@example.com", is_staff=True, is_superuser=True)
        assert names(user) == []


@pytest.mark.anywhere
class TestInviting:
    def test_the_groups_are_stored(self, settings: Any, member: Any, altos: Group) -> None:
        settings.INVITATION_GRANTABLE_GROUPS = all_groups
        invited = inviting.invite(member, ADDRESS, groups=[altos])
        assert list(invited.invitation.groups.all()) == [altos]

    def test_a_group_that_he_may_not_give_is_refused_before_anything_is_spent(
        self, member: Any, altos: Group
    ) -> None:
        with pytest.raises(exceptions.GroupRefused):
            inviting.invite(member, ADDRESS, groups=[altos])
        assert not InvitationKey.objects.exists()
        assert spent(member) == 0

    def test_inviting_again_adds_to_them(
        self, settings: Any, member: Any, altos: Group, basses: Group
    ) -> None:
        settings.INVITATION_GRANTABLE_GROUPS = all_groups
        invitation = inviting.invite(member, ADDRESS, groups=[altos]).invitation
        inviting.invite(member, ADDRESS, groups=[basses])
        for groups in (None, [], [altos]):
            inviting.invite(member, ADDRESS, groups=groups)
            assert set(invitation.groups.all()) == {altos, basses}
        inviting.edit(invitation, recipient_name="", note="", groups=[])
        assert list(invitation.groups.all()) == []

    def test_renewing_refuses_what_inviting_refuses(
        self, settings: Any, member: Any, altos: Group
    ) -> None:
        invitation = inviting.invite(member, ADDRESS, note="Old").invitation
        with pytest.raises(exceptions.GroupRefused):
            inviting.invite(member, ADDRESS, note="New", groups=[altos])
        invitation.refresh_from_db()
        assert invitation.note == "Old"

    def test_editing_sets_them(
        self, settings: Any, member: Any, altos: Group, basses: Group
    ) -> None:
        settings.INVITATION_GRANTABLE_GROUPS = all_groups
        invitation = inviting.invite(member, ADDRESS, groups=[altos]).invitation
        inviting.edit(invitation, recipient_name="", note="", groups=[basses])
        assert list(invitation.groups.all()) == [basses]
        inviting.edit(invitation, recipient_name="", note="")
        assert list(invitation.groups.all()) == [basses]

    def test_editing_refuses_one_and_changes_nothing(self, member: Any, altos: Group) -> None:
        invitation = inviting.invite(member, ADDRESS, note="Old").invitation
        with pytest.raises(exceptions.GroupRefused):
            inviting.edit(invitation, recipient_name="", note="New", groups=[altos])
        assert InvitationKey.objects.get().note == "Old"
        assert not invitation.groups.exists()

    def test_what_has_ended_is_not_changed(self, settings: Any, member: Any, altos: Group) -> None:
        settings.INVITATION_GRANTABLE_GROUPS = all_groups
        invitation = make_invitation(member, status="revoked")
        with pytest.raises(exceptions.NotPending):
            inviting.edit(invitation, recipient_name="", note="", groups=[altos])
        assert not invitation.groups.exists()

    def test_set_groups_checks_too(self, settings: Any, member: Any, altos: Group) -> None:
        invitation = make_invitation(member)
        with pytest.raises(exceptions.GroupRefused):
            inviting.set_groups(invitation, member, [altos])
        settings.INVITATION_GRANTABLE_GROUPS = all_groups
        inviting.set_groups(invitation, member, [altos])
        assert list(invitation.groups.all()) == [altos]


class TestJoining:
    @pytest.fixture
    def invitation(self, boss: Any, altos: Group) -> InvitationKey:
        return inviting.invite(boss, ADDRESS, groups=[altos]).invitation

    def test_who_registers_joins(self, invitation: InvitationKey, altos: Group) -> None:
        assert list(register(invitation).groups.all()) == [altos]

    def test_nobody_joins_before_he_accepts(self, invitation: InvitationKey, boss: Any) -> None:
        assert list(Group.objects.get(name="Altos").user_set.all()) == [boss]

    def test_what_the_inviter_may_no_longer_give_is_not_joined(
        self, invitation: InvitationKey, boss: Any
    ) -> None:
        boss.user_permissions.clear()
        assert not register(invitation).groups.exists()

    def test_nor_what_he_has_left_himself(
        self, invitation: InvitationKey, boss: Any, basses: Group
    ) -> None:
        boss.groups.set([basses])
        assert not register(invitation).groups.exists()

    @pytest.mark.parametrize("how", ["deactivated", "deleted"])
    def test_nothing_is_joined_when_he_is_gone(
        self, settings: Any, invitation: InvitationKey, boss: Any, how: str
    ) -> None:
        settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
        if how == "deleted":
            boss.delete()
        else:
            boss.is_active = False
            boss.save()
        assert not register(invitation).groups.exists()

    def test_what_is_still_allowed_is_joined(
        self, settings: Any, boss: Any, altos: Group, basses: Group
    ) -> None:
        boss.groups.add(basses)
        invitation = inviting.invite(boss, ADDRESS, groups=[altos, basses]).invitation
        boss.groups.remove(altos)
        assert list(register(invitation).groups.all()) == [basses]

    def test_a_failing_registration_joins_nothing(
        self, invitation: InvitationKey, altos: Group, boss: Any
    ) -> None:
        def create() -> Any:
            make_user("bob")
            raise exceptions.InvitationError()

        with pytest.raises(exceptions.InvitationError):
            arriving.claim(open_it(invitation), create, email=ADDRESS)
        assert list(altos.user_set.all()) == [boss]

    def test_a_user_model_without_groups_joins_none(
        self, invitation: InvitationKey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("invitation.flows.inviting.groups.get_user_model", lambda: EmailUser)
        assert inviting.groups_to_join(invitation) == []
        assert not register(invitation).groups.exists()

    def test_an_opened_invitation_without_groups_costs_no_query(
        self, boss: Any, django_assert_num_queries: Any
    ) -> None:
        opened = open_it(inviting.invite(boss, ADDRESS).invitation)
        with django_assert_num_queries(0):
            assert inviting.join_groups(opened.invitation, boss) == []

    def test_one_that_was_not_opened_is_asked_for_them(
        self, boss: Any, django_assert_num_queries: Any
    ) -> None:
        invitation = inviting.invite(boss, ADDRESS).invitation
        with django_assert_num_queries(1):
            assert inviting.join_groups(invitation, boss) == []
