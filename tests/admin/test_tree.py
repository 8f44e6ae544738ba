"""Who invited whom: each counted once, whatever circles there are, and shown to who may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.sites import AdminSite
from django.contrib.auth import get_user_model
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse

from invitation.admin import InvitationTreeMixin, lineage
from invitation.models import Acceptance
from tests import staff
from tests.factories import make_invitation, make_user
from tests.staff import ACCEPTANCES, INVITATIONS, text_of

pytestmark = pytest.mark.django_db


def accept(inviter: Any, account: Any, **fields: Any) -> Acceptance:
    """Let somebody come through an invitation of somebody else."""
    name = "nobody" if account is None else account.pk
    invitation = make_invitation(inviter, f"to{name}@example.org", status="accepted", uses=1)
    return Acceptance.objects.create(invitation=invitation, user=account, **fields)


def family(tree: dict[str, Any], inviter: Any = None) -> dict[str, Any]:
    """Return the accounts of a tree by their names; each is invited by the one above it."""
    made = {}
    for name, below in tree.items():
        made[name] = make_user(name)
        if inviter is not None:
            accept(inviter, made[name])
        made |= family(below, made[name])
    return made


@pytest.fixture
def people(db: None) -> dict[str, Any]:
    return family({"ann": {"bob": {"cid": {"dan": {}}, "eva": {}}, "flo": {}}, "gil": {}})


def address(account: Any) -> str:
    return reverse("admin:invitation_acceptance_tree", args=[account.pk])


def page(client: Client, account: Any) -> Any:
    response = client.get(address(account))
    assert response.status_code == 200
    return response.context


def chain(client: Client, account: Any) -> list[str]:
    return [person["account"].get("name", "?") for person in page(client, account)["chain"]]


# -- counting ----------------------------------------------------------------------------------


@pytest.mark.anywhere
def test_each_branch_is_counted_directly_and_in_all(people: dict[str, Any]) -> None:
    found = lineage.descend(people["ann"])
    bob, flo = people["bob"].pk, people["flo"].pk
    assert (found.total, found.complete) == (5, True)
    assert (found.direct_of[bob], found.total_of[bob]) == (2, 3)
    assert (found.direct_of[flo], found.total_of[flo]) == (0, 0)


@pytest.mark.anywhere
def test_whoever_invited_nobody_has_no_branch(people: dict[str, Any]) -> None:
    assert lineage.descend(people["gil"]) == lineage.Descent()


def test_deleted_accounts_are_counted_and_nobody_below_them_is_lost_twice(
    people: dict[str, Any],
) -> None:
    for _ in range(2):
        accept(people["bob"], None)
    people["cid"].delete()
    found = lineage.descend(people["ann"])
    # Cid and the two; Dan's inviter is not known any more.
    assert (found.total, found.total_of[people["bob"].pk]) == (6, 4)
    assert lineage.ascend(people["dan"]).steps[0].invitation.from_user is None


def test_who_was_a_member_already_stays_where_he_came_from(people: dict[str, Any]) -> None:
    accept(people["gil"], people["cid"], new_account=False)
    assert lineage.descend(people["gil"]).total == 0
    assert lineage.descend(people["ann"]).total == 5


def test_an_account_made_later_counts_where_it_was_made(people: dict[str, Any]) -> None:
    first = accept(people["flo"], people["gil"], new_account=False)
    assert [row.pk for row in lineage.invited_by(people["flo"])] == [first.pk]
    made = accept(people["bob"], people["gil"])
    assert not lineage.invited_by(people["flo"])
    assert made in lineage.invited_by(people["bob"])


def test_of_several_the_first_that_was_accepted_counts(people: dict[str, Any]) -> None:
    accept(people["flo"], people["gil"], new_account=False)
    accept(people["bob"], people["gil"], new_account=False)
    assert lineage.descend(people["flo"]).total == 1
    assert lineage.descend(people["ann"]).total_of[people["bob"].pk] == 3


@pytest.mark.anywhere
def test_a_circle_ends(people: dict[str, Any]) -> None:
    ann, dan = people["ann"], people["dan"]
    accept(dan, ann, new_account=False)
    assert lineage.descend(ann).total == 5
    assert lineage.descend(dan).total == 5
    up = lineage.ascend(dan)
    assert [step.user for step in up.steps] == [dan, people["cid"], people["bob"]]
    assert up.circular


def test_whoever_took_his_own_link_came_through_nobody(member: Any) -> None:
    accept(member, member, new_account=False)
    assert lineage.descend(member).total == 0
    assert lineage.ascend(member) == lineage.Ascent(circular=True)
    assert not lineage.invited_by(member)


@pytest.mark.parametrize(
    ("most", "total", "complete"), [(5, 5, True), (4, 4, False), (1, 1, False)]
)
def test_counting_ends_at_a_bound(
    people: dict[str, Any], monkeypatch: pytest.MonkeyPatch, most: int, total: int, complete: bool
) -> None:
    monkeypatch.setattr(lineage, "MOST", most)
    found = lineage.descend(people["ann"])
    assert (found.total, found.complete) == (total, complete)


def test_a_circle_takes_no_room_within_the_bound(
    people: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(people["dan"], people["ann"], new_account=False)
    monkeypatch.setattr(lineage, "MOST", 5)
    assert lineage.descend(people["ann"]).complete


def test_neither_up_nor_down_are_more_steps_taken_than_the_bound(
    people: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage, "DEEPEST", 2)
    down = lineage.descend(people["ann"])
    assert (down.total, down.complete) == (4, False)
    up = lineage.ascend(people["dan"])
    assert ([step.user for step in up.steps], up.cut) == ([people["dan"], people["cid"]], True)
    assert not lineage.ascend(people["cid"]).cut


def test_a_query_looks_for_many_inviters(member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        accept(member, make_user(f"child{number}"))

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert lineage.descend(member).total == 12
        return len(asked)

    assert queries() == 2
    monkeypatch.setattr(lineage, "BATCH", 5)
    assert queries() == 1 + 3


# -- the page ----------------------------------------------------------------------------------


@pytest.mark.anywhere
def test_the_page_shows_the_way_up_and_the_branches_below(people: dict[str, Any]) -> None:
    client = staff.boss()
    assert chain(client, people["bob"]) == [str(people["ann"]), str(people["bob"])]
    rows = page(client, people["bob"])["rows"]
    found = {row["account"]["name"]: (row["direct"], row["total"]) for row in rows}
    assert found == {str(people["cid"]): (1, 1), str(people["eva"]): (0, 0)}
    said = text_of(client.get(address(people["ann"])))
    assert "2 accounts were invited directly. With those whom they" in " ".join(said.split()) or (
        'lang="en"' not in said
    )
    assert f"to{people['bob'].pk}@example.org" in said


@pytest.mark.anywhere
def test_the_page_of_who_came_alone_says_so(people: dict[str, Any]) -> None:
    response = staff.boss().get(address(people["gil"]))
    assert response.status_code == 200
    assert not response.context["rows"]
    if 'lang="en"' in response.content.decode():
        assert "Nobody has invited this account." in text_of(response)
        assert "Nobody has come through this account yet." in text_of(response)


def test_deleted_accounts_have_a_place_and_no_link(people: dict[str, Any]) -> None:
    client = staff.boss()
    people["cid"].delete()
    assert chain(client, people["dan"]) == ["?", "dan"]
    assert text_of(client.get(address(people["dan"]))).count("deleted account") == 1
    assert text_of(client.get(address(people["bob"]))).count("deleted account") == 1


def test_the_page_tells_who_was_a_member_and_who_is_none_yet(people: dict[str, Any]) -> None:
    accept(people["flo"], people["gil"], new_account=False)
    accept(people["flo"], None)
    said = text_of(staff.boss().get(address(people["flo"])))
    assert said.count("(had an account already)") == 1
    assert said.count("(not activated yet)") == 1  # Flo herself; of who is gone nothing is said.


def test_the_page_tells_of_a_circle_and_of_what_was_cut(
    people: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = staff.boss()
    accept(people["dan"], people["ann"], new_account=False)
    assert "The first was invited by one who stands below." in text_of(
        client.get(address(people["dan"]))
    )
    monkeypatch.setattr(lineage, "DEEPEST", 1)
    said = " ".join(text_of(client.get(address(people["bob"]))).split())
    assert "There are more, further up." in said
    assert "it is more than 2: each number below is the least that it can be." in said


def test_many_are_shown_on_several_pages(member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin.site._registry[Acceptance], "tree_per_page", 3)
    for number in range(7):
        accept(member, make_user(f"child{number}"))
    client = staff.boss()
    seen = []
    for number in (1, 2, 3):
        response = client.get(address(member), {"p": number})
        seen += [row["account"]["name"] for row in response.context["rows"]]
    assert sorted(seen) == [f"child{number}" for number in range(7)]
    assert 'href="?p=2"' in text_of(client.get(address(member)))
    for strange in ("0", "99", "x", ""):
        assert client.get(address(member), {"p": strange}).status_code == 200


@pytest.mark.parametrize("children", [2, 60])
@pytest.mark.anywhere
def test_the_page_asks_no_query_per_account(member: Any, children: int) -> None:
    for number in range(children):
        child = make_user(f"child{number}")
        accept(member, child)
        accept(child, make_user(f"grandchild{number}"))
    response, queries = staff.asked(staff.boss(), address(member))
    assert len(response.context["rows"]) == children  # type: ignore[attr-defined]
    # Session, reader, account; count and page; the one step up; three levels down.
    assert queries == 9


def test_looking_writes_nothing(people: dict[str, Any]) -> None:
    client = staff.boss()
    with CaptureQueriesContext(connection) as queries:
        client.get(address(people["ann"]))
        client.head(address(people["ann"]))
    assert all(query["sql"].startswith("SELECT") for query in queries)
    assert client.post(address(people["ann"])).status_code == 405


# -- who may see it ----------------------------------------------------------------------------

READERS: dict[str, tuple[Callable[[], Client], int]] = {
    "anonymous": (Client, 302),
    "member": (lambda: staff.log_in(make_user("reader")), 302),
    "staff": (lambda: staff.staff(), 403),
    "staff who sees accounts": (lambda: staff.staff("view_user", "change_user"), 403),
    "staff who sees acceptances": (lambda: staff.staff("view_acceptance", "view_user"), 200),
    "superuser": (staff.boss, 200),
}


@pytest.mark.parametrize(("reader", "status"), READERS.values(), ids=READERS)
def test_only_who_may_see_acceptances_sees_the_tree(
    people: dict[str, Any], reader: Callable[[], Client], status: int
) -> None:
    response = reader().get(address(people["bob"]))
    assert response.status_code == status
    assert ("flo@" in response.content.decode()) is False
    assert ("cid" in response.content.decode()) is (status == 200)


def test_without_more_permissions_no_link_leads_elsewhere(people: dict[str, Any]) -> None:
    said = text_of(staff.staff("view_acceptance").get(address(people["bob"])))
    assert "/admin/auth/user/" not in said
    assert INVITATIONS not in said
    assert address(people["cid"]) in said


def test_with_them_links_lead_to_account_and_invitation(people: dict[str, Any]) -> None:
    client = staff.staff("view_acceptance", "view_user", "view_invitationkey")
    said = text_of(client.get(address(people["bob"])))
    assert f'href="/admin/auth/user/{people["bob"].pk}/change/"' in said
    assert f'href="{INVITATIONS}{Acceptance.objects.get(user=people["cid"]).invitation_id}/' in said


@pytest.mark.parametrize("strange", ["0", "x", "9" * 40, "-1", "1_2F", "%00", "1/change"])
@pytest.mark.anywhere
def test_of_nobody_there_is_no_page(strange: str) -> None:
    assert staff.boss().get(f"{ACCEPTANCES}tree/{strange}/").status_code == 404


# -- the ways there ----------------------------------------------------------------------------


@pytest.mark.anywhere
def test_the_lists_lead_there(people: dict[str, Any]) -> None:
    client = staff.boss()
    for page_of_list in (ACCEPTANCES, INVITATIONS):
        assert address(people["bob"]) in text_of(client.get(page_of_list))


def test_who_may_not_see_it_is_not_led_there(people: dict[str, Any]) -> None:
    said = text_of(staff.staff("view_invitationkey", "view_user").get(INVITATIONS))
    assert address(people["bob"]) not in said
    assert '<td class="field-inviter_name">bob</td>' in said


LINK = "Who invited whom"


def account_page(account: Any) -> str:
    return reverse("admin:auth_user_change", args=[account.pk])


def test_djangos_own_user_admin_leads_there(people: dict[str, Any]) -> None:
    client = staff.boss()
    said = text_of(client.get(account_page(people["bob"])))
    assert said.count(f'<a href="{address(people["bob"])}">{LINK}</a>') == 1
    assert 'class="historylink"' in said
    for other in ("/admin/auth/user/add/", "/admin/auth/user/"):
        assert LINK not in text_of(client.get(other))


@pytest.mark.parametrize("codename", ["view_acceptance", "change_acceptance"])
def test_the_user_admin_leads_who_may_see_it(people: dict[str, Any], codename: str) -> None:
    client = staff.staff("view_user", codename)
    assert LINK in text_of(client.get(account_page(people["bob"])))
    assert client.get(address(people["bob"])).status_code == 200


def test_the_user_admin_leads_nobody_else(people: dict[str, Any]) -> None:
    assert LINK not in text_of(staff.staff("view_user").get(account_page(people["bob"])))


class OwnUserAdmin(InvitationTreeMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    """A site's own user admin, in an admin of its own."""


def own_admin(*, acceptances: bool) -> AdminSite:
    site = AdminSite("office")
    site.register(get_user_model(), OwnUserAdmin)
    if acceptances:
        site.register(Acceptance, type(admin.site._registry[Acceptance]))
    return site


class OfficeUrls:
    """The addresses of a site with an admin of its own, and of no other."""

    office = own_admin(acceptances=True)
    urlpatterns = (path("office/", office.urls),)


class BareOfficeUrls:
    """The same without our acceptances."""

    office = own_admin(acceptances=False)
    urlpatterns = (path("office/", office.urls),)


def office_page(account: Any) -> str:
    return f"/office/{account._meta.label_lower.replace('.', '/')}/{account.pk}/change/"


@pytest.mark.anywhere
def test_an_own_user_admin_leads_there_with_one_base_more(
    people: dict[str, Any], settings: Any
) -> None:
    settings.ROOT_URLCONF = OfficeUrls
    client = staff.boss()
    said = text_of(client.get(office_page(people["bob"])))
    tree = f"/office/invitation/acceptance/tree/{people['bob'].pk}/"
    assert said.count(f'<a href="{tree}">') == 1
    assert 'class="historylink"' in said
    # There, invitations are not registered.
    shown = text_of(client.get(tree))
    assert f'href="{office_page(people["bob"])}"' in shown
    assert "/invitationkey/" not in shown


@pytest.mark.anywhere
def test_an_admin_without_acceptances_leads_nowhere(people: dict[str, Any], settings: Any) -> None:
    settings.ROOT_URLCONF = BareOfficeUrls
    said = text_of(staff.boss().get(office_page(people["bob"])))
    assert "/acceptance/tree/" not in said


@pytest.mark.parametrize("original", [None, "an account of some other kind"])
def test_the_link_is_for_accounts_only(original: Any, people: dict[str, Any]) -> None:
    request = RequestFactory().get("/")
    request.user = make_user("boss", is_superuser=True)
    context = {"original": original}
    assert LINK not in render_to_string("admin/invitation/tree_tool.html", context, request)


@pytest.mark.anywhere
def test_the_link_does_without_a_request(people: dict[str, Any]) -> None:
    context = {"original": people["bob"]}
    assert "href" not in render_to_string("admin/invitation/tree_tool.html", context)


def test_a_sites_own_template_for_accounts_is_not_hidden(
    people: dict[str, Any], settings: Any, tmp_path: Any
) -> None:
    folder = tmp_path / "admin" / "auth" / "user"
    folder.mkdir(parents=True)
    (folder / "change_form.html").write_text(
        '{% extends "admin/change_form.html" %}{% block form_top %}Their own.{% endblock %}'
    )
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]
    said = text_of(staff.boss().get(account_page(people["bob"])))
    assert "Their own." in said
    assert LINK in said
