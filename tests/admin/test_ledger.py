"""The ledger in the admin: read only, its sum beside the counter, gone only with its member."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Sum
from django.test import Client
from django.urls import reverse

from invitation.flows import inviting
from invitation.flows.quota import correct_quota, grant
from invitation.models import InvitationQuota, QuotaEntry
from tests import scenes, staff
from tests.factories import make_invitation, make_user
from tests.staff import INVITATIONS, LEDGER, QUOTAS, note, text_of

pytestmark = pytest.mark.django_db
Reason = QuotaEntry.Reason


def quota_page(member: Any) -> str:
    quota = InvitationQuota.objects.get(inviter=member)
    return f"{QUOTAS}{quota.pk}/change/"


# -- the entries -------------------------------------------------------------------------------


@pytest.mark.anywhere
def test_the_list_says_when_who_how_much_why_and_by_which_invitation(member: Any) -> None:
    invitation = make_invitation(member, "bob@xn--mnchen-3ya.example.org")
    note(member, -1, reason=Reason.INVITED, invitation=invitation)
    note(member, 5)
    said = text_of(staff.boss().get(LEDGER))
    assert '<td class="field-signed">-1</td>' in said
    assert '<td class="field-signed">+5</td>' in said
    assert f'href="{INVITATIONS}{invitation.pk}/change/">bob@münchen.example.org</a>' in said
    assert str(member) in said
    assert str(Reason.INVITED.label) in said


def test_an_entry_without_invitation_says_so_also_on_its_own_page(member: Any) -> None:
    entry = note(member, 5)
    client = staff.boss()
    assert '<td class="field-invited_link">-</td>' in text_of(client.get(LEDGER))
    said = text_of(client.get(f"{LEDGER}{entry.pk}/change/"))
    assert ">+5<" in said
    assert ">granted<" in said


def test_who_may_not_see_invitations_gets_a_number_and_no_link(member: Any) -> None:
    invitation = make_invitation(member)
    entry = note(member, -1, invitation=invitation)
    client = staff.staff("view_quotaentry")
    for address in (LEDGER, f"{LEDGER}{entry.pk}/change/"):
        said = text_of(client.get(address))
        assert "bob@example.org" not in said
        assert f"#{invitation.pk}" in said
        assert INVITATIONS not in said


@pytest.mark.parametrize("rows", [2, 100])
@pytest.mark.anywhere
def test_the_list_asks_no_query_per_row(rows: int) -> None:
    for number in range(rows):
        inviter = make_user(f"inviter{number}")
        note(inviter, -1, invitation=make_invitation(inviter, f"bob{number}@example.org"))
    response, queries = staff.asked(staff.boss(), LEDGER)
    assert len(response.context["cl"].result_list) == rows  # type: ignore[attr-defined]
    assert queries == 4


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {-1, 1, 5}),
        ("reason=granted", {5}),
        ("created_at__year=1999", set()),
        ("reason=nonsense", {-1, 1, 5}),
        ("q=member", {-1, 1}),
        ("q=MEMBER@example.com", {-1, 1}),
        ("q=nobody", set()),
    ],
)
@pytest.mark.anywhere
def test_the_list_can_be_filtered_and_searched(member: Any, query: str, found: set[int]) -> None:
    note(member, -1, reason=Reason.INVITED)
    note(member, 1, reason=Reason.EXPIRED)
    note(make_user("other"), 5)
    response = staff.boss().get(f"{LEDGER}?{query}")
    assert {entry.change for entry in response.context["cl"].result_list} == found


def test_no_handmade_filter_tells_of_a_password(member: Any) -> None:
    note(member, 1)
    client = staff.boss()
    for lookup in ("inviter__password__startswith", "invitation__locator__startswith"):
        assert client.get(LEDGER, {lookup: "a"}).status_code == 400


READERS: dict[str, tuple[Callable[[], Client], int]] = {
    "anonymous": (Client, 302),
    "member": (lambda: staff.log_in(make_user("reader")), 302),
    "staff": (lambda: staff.staff(), 403),
    "staff who sees quotas": (lambda: staff.staff("view_invitationquota"), 403),
    "staff who sees entries": (lambda: staff.staff("view_quotaentry"), 200),
    "superuser": (staff.boss, 200),
}


@pytest.mark.parametrize(("reader", "status"), READERS.values(), ids=READERS)
def test_only_who_may_sees_the_ledger(
    member: Any, reader: Callable[[], Client], status: int
) -> None:
    entry = note(member, 1)
    client = reader()
    for address in (LEDGER, f"{LEDGER}{entry.pk}/change/", f"{LEDGER}{entry.pk}/history/"):
        assert client.get(address).status_code == status


def test_nobody_writes_into_the_ledger(member: Any) -> None:
    entry = note(member, 1)
    for client in (
        staff.boss(),
        staff.staff("add_quotaentry", "change_quotaentry", "delete_quotaentry"),
    ):
        assert client.get(f"{LEDGER}add/").status_code == 403
        assert client.post(f"{LEDGER}{entry.pk}/change/", {"change": 9}).status_code == 403
        assert client.post(f"{LEDGER}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
        staff.act(client, LEDGER, "delete_selected", entry, post="yes")
        assert 'class="deletelink"' not in text_of(client.get(f"{LEDGER}{entry.pk}/change/"))
    assert QuotaEntry.objects.get().change == 1


# -- the sum beside the counter ----------------------------------------------------------------


def test_the_sum_is_what_the_counter_says(member: Any) -> None:
    grant(member, 7)
    inviting.invite(member, "bob@example.org")
    correct_quota(member, 5, False)
    quota = InvitationQuota.objects.get()
    total = QuotaEntry.objects.aggregate(sum=Sum("change"))["sum"]
    assert total == quota.granted - quota.spent == 4
    client = staff.boss()
    link = f'<a href="{LEDGER}?inviter={member.pk}">+4</a>'
    assert link in text_of(client.get(QUOTAS))
    assert link in text_of(client.get(quota_page(member)))


def test_the_link_shows_the_entries_of_that_member_only(member: Any) -> None:
    note(member, 1)
    note(make_user("other"), 5)
    response = staff.boss().get(f"{LEDGER}?inviter={member.pk}")
    assert [entry.inviter for entry in response.context["cl"].result_list] == [member]


def test_a_sum_that_differs_is_shown_with_the_counter(member: Any) -> None:
    InvitationQuota.objects.create(inviter=member, granted=2, spent=5)
    note(member, 1)
    assert "+1, but the counters say -3" in text_of(staff.boss().get(QUOTAS))


def test_who_may_not_see_the_ledger_sees_neither_sum_nor_link(member: Any) -> None:
    grant(member, 7)
    client = staff.staff("view_invitationquota")
    for address in (QUOTAS, quota_page(member)):
        said = text_of(client.get(address))
        assert "+7" not in said
        assert LEDGER not in said


def test_a_member_without_entries_has_a_sum_of_nothing(member: Any) -> None:
    InvitationQuota.objects.create(inviter=member)
    assert ">+0</a>" in text_of(staff.boss().get(QUOTAS))


# -- quotas ------------------------------------------------------------------------------------


def test_what_can_be_granted_has_an_end(member: Any) -> None:
    grant(member, 7)
    client, page = staff.boss(), quota_page(member)
    for granted in (1_000_001, 10**30):
        form = client.post(page, {"granted": granted}).context["adminform"].form
        assert form.errors == {
            "granted": ["At most 1000000 can be granted: for more, tick “unlimited”."]
        }
    assert client.post(page, {"granted": 1_000_000}).status_code == 302
    assert client.post(page, {"granted": -1}).status_code == 200
    assert InvitationQuota.objects.get().granted == 1_000_000


def test_the_page_to_add_a_quota_leads_to_nobodys_ledger() -> None:
    assert "inviter=None" not in text_of(staff.boss().get(f"{QUOTAS}add/"))


def test_a_quota_is_not_deleted_by_itself(member: Any) -> None:
    inviting.invite(member, "bob@example.org")
    quota = InvitationQuota.objects.get()
    client = staff.boss()
    assert client.post(f"{QUOTAS}{quota.pk}/delete/", {"post": "yes"}).status_code == 403
    staff.act(client, QUOTAS, "delete_selected", quota, post="yes")
    assert InvitationQuota.objects.get().spent == 1


@pytest.mark.parametrize("reader", ["superuser", "staff who deletes accounts"])
def test_quota_and_ledger_go_with_their_member(member: Any, reader: str) -> None:
    inviting.invite(member, "bob@example.org")
    client = staff.boss() if reader == "superuser" else staff.staff("view_user", "delete_user")
    page = reverse("admin:auth_user_delete", args=[member.pk])
    assert "your account doesn't have permission" not in text_of(client.get(page))
    assert client.post(page, {"post": "yes"}).status_code == 302
    assert not get_user_model().objects.filter(pk=member.pk).exists()
    assert not QuotaEntry.objects.exists()


def test_that_they_go_with_members_shows_them_to_nobody(member: Any) -> None:
    note(member, 1)
    said = text_of(staff.staff("view_acceptance").get("/admin/"))
    assert "/acceptance/" in said
    assert LEDGER not in said
    assert QUOTAS not in said


@pytest.mark.parametrize("sees", [True, False])
def test_of_a_deleted_invitation_it_has_the_number(sees: bool, member: Any) -> None:
    invitation = make_invitation(member)
    note(member, -1, invitation=invitation)
    entry = QuotaEntry.objects.get()
    pk = invitation.pk
    invitation.delete()
    assert QuotaEntry.objects.get().invitation_id == pk
    client = staff.boss() if sees else staff.staff("view_quotaentry")
    for address in (LEDGER, f"{LEDGER}{entry.pk}/change/"):
        assert f"#{pk}" in text_of(client.get(address))


def test_a_deletion_writes_no_ledger_row(member: Any) -> None:
    invitation = make_invitation(member)
    note(member, -1, invitation=invitation)
    with scenes.statements() as asked:
        invitation.delete()
    assert not [statement for statement in asked if "quotaentry" in statement]
