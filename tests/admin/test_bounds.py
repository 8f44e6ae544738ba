"""The lists of the admin count, sort and search a limited number of rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from invitation.admin.searching import accounts_named
from invitation.flows import mail
from invitation.models import (
    Acceptance,
    InvitationEmail,
    InvitationKey,
    InvitationQuota,
    SuppressedAddress,
)
from tests import staff
from tests.factories import DAY, make_acceptance, make_invitation, make_mail, make_user
from tests.staff import ACCEPTANCES, INVITATIONS, LEDGER, QUOTAS, act, note, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.each_case]

MAILS = "/admin/invitation/invitationemail/"
SUPPRESSED = "/admin/invitation/suppressedaddress/"
Status, State = InvitationKey.Status, InvitationEmail.State


@pytest.fixture
def boss() -> Client:
    return staff.boss()


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that sets how many rows a list counts."""

    def set_limit(number: int) -> None:
        for module in ("bounds", "exporting", "searching"):
            monkeypatch.setattr(f"invitation.admin.{module}.LIMIT", number)

    return set_limit


def people(number: int, **fields: Any) -> list[InvitationKey]:
    """Return invitations, the newest first."""
    rows = [make_invitation(email=f"p{one}@example.org", **fields) for one in range(number)]
    return rows[::-1]


def listed(client: Client, address: str, **query: str) -> list[Any]:
    """Return the rows that a list shows."""
    response = client.get(address, query)
    assert response.status_code == 200, response
    return list(response.context["cl"].result_list)


def said(client: Client, address: str, **query: str) -> list[str]:
    """Return the messages on a list."""
    return [str(message) for message in client.get(address, query).context["messages"]]


# -- pages -------------------------------------------------------------------------------------


@pytest.mark.anywhere
def test_a_long_list_says_so_and_leads_to_older_rows(
    boss: Client, limit: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(4)
    monkeypatch.setattr("invitation.admin.invitations.InvitationKeyAdmin.list_per_page", 2)
    rows = people(9)
    address, shown = INVITATIONS, []
    for _part in range(3):
        response = boss.get(address)
        page = text_of(response)
        shown += list(response.context["cl"].result_list)
        if "?p=2" in page or "&p=2" in page:
            second = f"{address}{'&' if '?' in address else '?'}p=2"
            shown += listed(boss, second)
        older = re.search(r'<a href="(\?[^"]*)">Older</a>', page)
        assert ("More than 4 invitations" in page) is (older is not None)
        address = INVITATIONS + older[1] if older else ""
    assert shown == rows
    assert address == ""
    assert boss.get(INVITATIONS, {"p": "3"}).status_code == 302


def test_the_way_to_older_rows_keeps_the_filters(
    boss: Client, limit: Callable[[int], None]
) -> None:
    limit(2)
    rows = people(5, status=Status.REVOKED)
    people(2)
    page = text_of(boss.get(INVITATIONS, {"state": "revoked", "id__lt": str(rows[0].pk)}))
    assert f'<a href="?id__lt={rows[2].pk}&state=revoked">Older</a>' in page


def test_a_list_that_fits_has_all_that_django_shows(boss: Client) -> None:
    people(3)
    page = text_of(boss.get(INVITATIONS))
    assert "3 invitations" in page
    assert "Older" not in page
    assert ">Show all</a>" in page
    assert "sortable" in page


def test_a_long_list_counts_no_results(boss: Client, limit: Callable[[int], None]) -> None:
    limit(2)
    people(3)
    page = text_of(boss.get(INVITATIONS))
    assert "2 results" not in page
    assert "2 selected" in page
    assert "Select all rows, on all pages and beyond" in page
    assert "Select all 2" not in page


def test_all_rows_can_be_shown_at_once_where_they_fit(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invitation.admin.invitations.InvitationKeyAdmin.list_per_page", 2)
    rows = people(5)
    assert listed(boss, INVITATIONS) == rows[:2]
    assert listed(boss, INVITATIONS, all="") == rows


@pytest.mark.parametrize(("number", "is_sorted"), [(3, True), (4, False)])
def test_columns_sort_a_list_that_is_not_long(
    boss: Client, limit: Callable[[int], None], number: int, is_sorted: bool
) -> None:
    limit(3)
    rows = people(number)
    found = listed(boss, INVITATIONS, o="1")
    assert found == (rows[::-1] if is_sorted else rows[:3])
    page = text_of(boss.get(INVITATIONS, {"o": "1"}))
    assert ("sortable" in page) is is_sorted
    assert f"?id__lt={rows[2].pk}" in page or is_sorted


# -- actions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["revoke", "delete_selected"])
def test_an_action_changes_no_more_rows_than_a_list_counts(
    boss: Client, limit: Callable[[int], None], action: str
) -> None:
    limit(3)
    rows = people(4)
    chosen = {"select_across": "1", "_selected_action": [rows[0].pk]}
    response = boss.post(INVITATIONS, {"action": [action, ""], **chosen}, follow=True)
    messages = [str(message) for message in response.context["messages"]]
    assert messages == ["The list has more than 3 rows. Narrow the list first."]
    assert InvitationKey.objects.filter(status=Status.PENDING).count() == 4
    narrowed = f"{INVITATIONS}?id__lt={rows[0].pk}"
    boss.post(narrowed, {"action": action, **chosen, "post": "yes"}, follow=True)
    left = InvitationKey.objects.filter(status=Status.PENDING)
    assert list(left) == [rows[0]] or action == "delete_selected"


def test_selected_rows_of_a_long_list_are_changed(
    boss: Client, limit: Callable[[int], None]
) -> None:
    limit(3)
    rows = people(4)
    act(boss, INVITATIONS, "revoke", rows[3], select_across="0")
    assert list(InvitationKey.objects.filter(status=Status.REVOKED)) == [rows[3]]


def test_a_long_list_is_exported_as_a_whole(boss: Client, limit: Callable[[int], None]) -> None:
    limit(3)
    people(8)
    response = act(boss, INVITATIONS, "export", select_across="1", _selected_action="0")
    text = b"".join(response.streaming_content).decode()
    assert re.findall("p.@", text) == [f"p{number}@" for number in range(7, -1, -1)]
    assert LogEntry.objects.get().change_message == "Exported more than 3 rows as CSV."


# -- filters -----------------------------------------------------------------------------------


@pytest.mark.anywhere
@pytest.mark.parametrize("number", [1, 10_000])
def test_states_are_found_however_many_there_are(
    boss: Client, limit: Callable[[int], None], number: int
) -> None:
    overdue = people(2, left=-DAY)
    [expired] = people(1, status=Status.EXPIRED)
    failed = make_mail(overdue[1], state=State.FAILED).invitation
    make_mail(overdue[0], state=State.FAILED)
    make_mail(overdue[0], state=State.SENT)
    limit(number)
    for state, found in (("overdue", set(overdue)), ("expired", {expired, *overdue})):
        response = boss.get(INVITATIONS, {"state": state})
        assert set(response.context["cl"].queryset) == found
    assert listed(boss, INVITATIONS, mail="failed") == [failed]


@pytest.mark.parametrize(
    ("address", "query", "make"),
    [
        (MAILS, {"failure": "bounced"}, lambda: bounced()),
        (MAILS, {"kind": "renewal"}, lambda: make_mail(make_invitation(), kind="renewal")),
        (INVITATIONS, {"mail": "none"}, lambda: make_invitation(email="none@example.org")),
        (LEDGER, {"reason": "corrected"}, lambda: note(make_user("a"), 1, reason="corrected")),
        (ACCEPTANCES, {"activated": "no"}, lambda: make_acceptance(make_user("b"))),
        (ACCEPTANCES, {"new_account": "no"}, lambda: earlier_account()),
        (QUOTAS, {"unlimited": "yes"}, lambda: unlimited()),
        (SUPPRESSED, {"reason": "bounced"}, lambda: suppressed("bounced")),
    ],
)
def test_what_no_index_finds_is_found_among_the_newest(
    boss: Client,
    limit: Callable[[int], None],
    address: str,
    query: dict[str, str],
    make: Callable[[], Any],
) -> None:
    old, newest = make(), other(address)
    assert listed(boss, address, **query) == [old]
    assert set(listed(boss, address, **dict.fromkeys(query, "nonsense"))) == {old, newest}
    assert "(newest 10,000)" in text_of(boss.get(address))
    limit(1)
    assert listed(boss, address, **query) == []


def bounced() -> InvitationEmail:
    return make_mail(make_invitation(), state=State.FAILED, failure="bounced")


def earlier_account() -> Acceptance:
    row = make_acceptance(make_user("c"))
    Acceptance.objects.update(new_account=False)
    return row


def unlimited() -> InvitationQuota:
    return InvitationQuota.objects.create(inviter=make_user("d"), unlimited=True)


def suppressed(reason: str) -> SuppressedAddress:
    mail.suppress(f"{reason}@example.org", SuppressedAddress.Reason(reason))
    return SuppressedAddress.objects.latest("pk")


def other(address: str) -> Any:
    """Return a newer row of this list that its filter does not find."""
    if address == INVITATIONS:
        return make_mail(make_invitation(email="mailed@example.org"), state=State.SENT).invitation
    if address == MAILS:
        return make_mail(make_invitation(email="other@example.org"), state=State.SENT)
    if address == LEDGER:
        return note(make_user("other1"), 1)
    if address == QUOTAS:
        return InvitationQuota.objects.create(inviter=make_user("other"))
    if address == SUPPRESSED:
        return suppressed("admin")
    row = make_acceptance(make_user("other"), make_invitation(status="accepted", uses=1))
    Acceptance.objects.activate(row.pk, row.claimed_at)
    return row


def test_the_other_way_round_they_are_found_as_well(boss: Client) -> None:
    make_acceptance(make_user("b"))
    activated = other(ACCEPTANCES)
    assert listed(boss, ACCEPTANCES, activated="yes") == [activated]


# -- search ------------------------------------------------------------------------------------


@pytest.fixture
def old(limit: Callable[[int], None]) -> InvitationKey:
    """Return an invitation that is not among the newest, by an inviter of many."""
    inviter = make_user("inviter")
    old = make_invitation(
        inviter, "ann.smith@example.org", recipient_name="Ann", locator="aB-_1x" + "y" * 16
    )
    make_invitation(email="eve@xn--mnchen-3ya.example.org", locator="ab-_1x" + "z" * 16)
    make_invitation(make_user("inviter2"), "zoe@example.org")
    limit(2)
    return old


@pytest.mark.anywhere
@pytest.mark.parametrize(
    "text",
    [
        "ann.smith@example.org",
        "ANN.SMITH@EXAMPLE.ORG",
        " ann.smith@ ",
        "ann",
        "aB-_1x",
        "aB-_1x\u2026",
        "aB-_1xyyyyyyyyyyyyyyyy.ssssssssssssssssssss",
        "inviter",
    ],
)
def test_an_index_finds_any_row(boss: Client, old: InvitationKey, text: str) -> None:
    if text == "inviter":
        assert old.from_user is not None
        text = old.from_user.get_username()
    assert listed(boss, INVITATIONS, q=text) == [old]


@pytest.mark.anywhere
def test_the_number_of_a_row_finds_it_in_each_list(boss: Client, limit: Any) -> None:
    ledger, quota = note(make_user("a"), 1), unlimited()
    acceptance, email = make_acceptance(make_user("b")), bounced()
    for address, row in (
        (LEDGER, ledger),
        (QUOTAS, quota),
        (ACCEPTANCES, acceptance),
        (MAILS, email),
        (INVITATIONS, email.invitation),
    ):
        assert row in listed(boss, address, q=f"#{row.pk}")
        assert row in listed(boss, address, q=str(row.pk))
        assert listed(boss, address, q="#999999999999999999") == []


@pytest.mark.parametrize(
    "text",
    [
        "smith",
        "mith@example.org",
        "Ann ",
        "%",
        "_",
        "'",
        '"',
        "\\",
        "a" * 5_000,
        "bücher",
        "\U0001f600",
        "9" * 40,
        "#",
        "@",
        "aB-_1",
        "invite",
    ],
)
def test_nothing_else_is_looked_for_in_old_rows(
    boss: Client, old: InvitationKey, text: str
) -> None:
    if text.strip() == "Ann":
        old.email = old.email_key = "x@example.org"
        old.save()
    response = boss.get(INVITATIONS, {"q": text})
    assert old not in response.context["cl"].result_list


def test_parts_of_words_are_found_in_new_rows(boss: Client) -> None:
    row = make_invitation(make_user("inviter"), "ann.smith@example.org", recipient_name="Ann B")
    link = make_invitation(email="", shared=True, label="Open day", word="beans-for-all")
    listed_one = make_invitation(email="zoe@example.org", label="list:open")
    for text in ("SMITH", "nn b", "vite", "viter@example.c"):
        assert listed(boss, INVITATIONS, q=text) == [row]
    for text in ("open", "BEANS"):
        assert listed(boss, INVITATIONS, q=text) == [link]
    assert listed(boss, INVITATIONS, q="zoe@") == [listed_one]


def test_blanks_search_nothing(boss: Client) -> None:
    rows = people(2)
    assert listed(boss, INVITATIONS, q="  ") == rows


def test_a_search_that_finds_too_much_says_so(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invitation.admin.searching.MOST", 2)
    people(3)
    words = "More than 2 rows were found. Type more to find the others."
    assert said(boss, INVITATIONS, q="p") == [words]
    assert said(boss, INVITATIONS, q="p1") == []
    for one in InvitationKey.objects.all():
        make_mail(one)
    assert said(boss, MAILS, q="p") == [words]
    chosen = {"action": "", "select_across": "0", "_selected_action": []}
    response = boss.post(f"{INVITATIONS}?q=p", chosen)
    assert words not in str(response.cookies)


def test_the_rows_of_an_invitation_are_found_by_its_address(
    boss: Client, limit: Callable[[int], None]
) -> None:
    inviter = make_user("inviter")
    invitation = make_invitation(inviter, "ann@example.org", status="accepted", uses=1)
    email = make_mail(invitation, message_id="<own@example.com>")
    acceptance = make_acceptance(make_user("carl"), invitation)
    entry = note(inviter, 1)
    quota = InvitationQuota.objects.create(inviter=inviter)
    for address in (MAILS, ACCEPTANCES, LEDGER):
        other(address)
    InvitationQuota.objects.create(inviter=make_user("other2"))
    limit(1)
    assert listed(boss, MAILS, q="ann@") == [email]
    assert listed(boss, MAILS, q="<own@example.com>") == [email]
    assert listed(boss, MAILS, q="inviter") == []
    for text in ("ann@", "inviter", "carl"):
        assert listed(boss, ACCEPTANCES, q=text) == [acceptance]
    assert listed(boss, LEDGER, q="inviter") == [entry]
    assert listed(boss, QUOTAS, q="inviter") == [quota]


# -- accounts ----------------------------------------------------------------------------------


@pytest.mark.anywhere
def test_accounts_are_found_by_a_part_only_where_they_are_few(
    limit: Callable[[int], None],
) -> None:
    ann, anna = make_user("ann"), make_user("anna")
    name = "ann@example.com" if get_user_model().USERNAME_FIELD == "email" else "ann"
    assert accounts_named(name) == ([ann.pk], [ann.pk] if "@" in name else [ann.pk, anna.pk])
    limit(1)
    assert accounts_named(name) == ([ann.pk], [])
    assert accounts_named("nn") == ([], [])


@pytest.mark.parametrize("index", ["exact", "lower", "upper"])
def test_accounts_are_found_by_an_address_that_has_an_index(
    limit: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    ann = make_user("x", email="Ann@example.com")
    make_user("y")
    limit(1)
    assert accounts_named("Ann@example.com") == ([], [])
    monkeypatch.setattr("invitation.delivery.members.MemberKnowledge.email_index", index)
    assert accounts_named("Ann@example.com") == ([ann.pk], [])
    # MySQL and MariaDB ignore case everywhere.
    found = [] if index == "exact" and connection.vendor != "mysql" else [ann.pk]
    assert accounts_named("ann@EXAMPLE.com") == (found, [])


def test_accounts_without_an_address_are_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = make_user("ann")
    monkeypatch.setattr(get_user_model(), "EMAIL_FIELD", "contact")
    assert accounts_named("an") == ([], [ann.pk])
