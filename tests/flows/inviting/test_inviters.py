"""What becomes of invitations whose inviter is inactive, or goes."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invitation.exceptions import InviterInactive, KeyExpired, KeyRevoked
from invitation.flows import arriving, inviting, upkeep
from invitation.flows.mail import deliver_due
from invitation.keys.sites import current_site_id
from invitation.models import Acceptance, InvitationEmail, InvitationKey, querysets
from tests.factories import (
    ADDRESS,
    DAY,
    make_invitation,
    make_mail,
    make_user,
    open_it,
    register,
    rolled_back,
)
from tests.flows.conftest import Heard

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]


def set_active(user: Any, active: bool) -> None:
    user.is_active = active
    user.save()


def fresh(invitation: InvitationKey) -> InvitationKey:
    return InvitationKey.objects.get(pk=invitation.pk)


# -- inactive --


def test_an_invitation_waits_while_its_inviter_is_inactive(member: Any) -> None:
    invitation = make_invitation(member, site_id=current_site_id())
    set_active(member, False)
    with pytest.raises(InviterInactive):
        open_it(invitation)
    assert not fresh(invitation).is_usable()
    assert not InvitationKey.objects.is_key_valid(invitation.key)
    set_active(member, True)
    assert open_it(invitation)
    assert InvitationKey.objects.is_key_valid(invitation.key)


def test_it_keeps_its_state_meanwhile(member: Any) -> None:
    invitation = make_invitation(member)
    set_active(member, False)
    assert fresh(invitation).state == "pending"
    assert InvitationKey.objects.in_state("pending").get() == invitation
    assert not InvitationKey.objects.usable().exists()


def test_what_has_ended_says_that_first(member: Any) -> None:
    invitation = make_invitation(member, left=-DAY)
    set_active(member, False)
    with pytest.raises(KeyExpired):
        open_it(invitation)


def test_where_the_inviter_does_not_matter_it_works(member: Any, settings: Any) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    invitation = make_invitation(member)
    set_active(member, False)
    assert register(invitation)


def test_object_and_queryset_agree_also_without_an_inviter(member: Any) -> None:
    own, nobodys = make_invitation(member), make_invitation(None, "eve@example.org")
    set_active(member, False)
    assert [row for row in (own, nobodys) if fresh(row).is_usable()] == [nobodys]
    assert list(InvitationKey.objects.usable()) == [nobodys]


def test_a_user_model_without_that_column_is_always_active(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [field for field in member._meta.get_fields() if field.name != "is_active"]
    monkeypatch.setattr(type(member)._meta, "get_fields", lambda: names)
    assert querysets.inviter_there(InvitationKey) == querysets.Q()


def test_no_mail_leaves_meanwhile(member: Any, outbox: list[InvitationEmail]) -> None:
    mail = make_mail(make_invitation(member))
    set_active(member, False)
    assert deliver_due() == (0, 1)
    mail.refresh_from_db()
    assert (mail.state, outbox) == ("failed", [])
    assert "is not active" in mail.last_error


def test_who_opened_it_before_is_told_when_he_declines_too_late(member: Any) -> None:
    opened = open_it(make_invitation(member))
    inviting.revoke(opened.invitation)
    set_active(member, False)
    with pytest.raises(KeyRevoked):
        arriving.decline(opened)


def test_asking_for_the_inviter_costs_no_query(member: Any, django_assert_num_queries: Any) -> None:
    key = make_invitation(member, site_id=current_site_id()).key
    for ask in (arriving.open_invitation, InvitationKey.objects.is_key_valid):
        with django_assert_num_queries(1):
            assert ask(key)


# -- deleted --


def test_with_an_account_its_open_invitations_are_revoked(
    member: Any, commit: Any, heard: Heard
) -> None:
    rows = [make_invitation(member, f"guest{number}@example.org") for number in range(3)]
    other = make_invitation(make_user("eve"))
    with commit():
        member.delete()
        assert heard == []
    assert {(row.status, row.pending_slot) for row in map(fresh, rows)} == {("revoked", None)}
    assert fresh(other).is_usable()
    assert heard.names() == ["invitation_revoked"] * 3
    told = [arguments["invitation"] for _name, arguments in heard]
    assert told == rows
    assert {(row.from_user, row.status) for row in told} == {(None, "revoked")}
    for row in rows:
        with pytest.raises(KeyRevoked):
            open_it(row)


def test_if_the_account_stays_after_all_so_do_they(member: Any) -> None:
    invitation = make_invitation(member)
    with rolled_back():
        member.delete()
    assert fresh(invitation).is_usable()


def test_deleting_many_accounts_at_once_revokes_too(member: Any) -> None:
    for user in (member, make_user("eve")):
        make_invitation(user)
    get_user_model()._default_manager.all().delete()
    assert {row.status for row in InvitationKey.objects.all()} == {"revoked"}


def test_what_ran_out_already_is_left_to_cleanup(member: Any, commit: Any, heard: Heard) -> None:
    invitation = make_invitation(member, left=-DAY)
    with commit():
        member.delete()
    assert (fresh(invitation).status, heard) == ("pending", [])
    assert upkeep.expire() == 1


def test_where_the_inviter_does_not_matter_they_go_on(
    member: Any, settings: Any, commit: Any, heard: Heard
) -> None:
    settings.INVITATION_REQUIRE_ACTIVE_INVITER = False
    invitation = make_invitation(member)
    with commit():
        member.delete()
    assert heard == []
    assert register(fresh(invitation))


@pytest.mark.parametrize("left", [DAY, None], ids=["a_day", "for_ever"])
@pytest.mark.parametrize("together", [False, True], ids=["later", "together"])
@pytest.mark.parametrize("first", ["inviter", "newcomer"])
def test_no_use_of_a_newcomer_who_goes_too_opens_one_of_an_inviter_who_is_gone(
    together: bool, first: str, left: Any
) -> None:
    if first == "inviter":
        inviter = make_user("inviter")
    newcomer = make_user("newcomer", is_active=False)
    if first == "newcomer":
        inviter = make_user("inviter")
    used = {"status": "accepted", "uses": 1}
    invitation = make_invitation(inviter, left=left, **used)
    Acceptance.objects.create(invitation=invitation, user=newcomer)
    if together:
        get_user_model()._default_manager.order_by("pk").delete()
    else:
        inviter.delete()
        newcomer.delete()
    row = fresh(invitation)
    assert (row.uses, row.is_usable()) == (0, False)


def test_what_was_accepted_and_activated_keeps_its_time(member: Any) -> None:
    invitation = make_invitation(member)
    register(invitation)
    member.delete()
    assert fresh(invitation).expires_at == invitation.expires_at


def test_what_ran_out_after_it_was_accepted_keeps_its_time(member: Any) -> None:
    invitation = make_invitation(member)
    register(invitation, is_active=False)
    early = timezone.now() - DAY
    InvitationKey.objects.update(expires_at=early)
    member.delete()
    assert fresh(invitation).expires_at == early


def test_the_number_of_queries_does_not_depend_on_the_number_of_invitations() -> None:
    counts = []
    for number in (1, 40):
        inviter = make_user(f"inviter{number}")
        for place in range(number):
            make_invitation(inviter, f"guest{place}@example.org")
        with CaptureQueriesContext(connection) as queries:
            inviter.delete()
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_who_has_nothing_open_is_deleted_as_ever(member: Any, commit: Any, heard: Heard) -> None:
    make_invitation(member, ADDRESS, status="declined")
    with commit():
        member.delete()
    assert heard == []
