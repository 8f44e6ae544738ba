"""What is taken away as CSV: what the list shows, safe to open, and noted."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invitation.admin.base import here
from invitation.flows import inviting
from invitation.flows.quota import grant
from invitation.models import Acceptance, InvitationKey, InvitationQuota
from tests import staff
from tests.factories import make_acceptance, make_invitation, make_mail, make_user
from tests.staff import ACCEPTANCES, INVITATIONS, LEDGER, QUOTAS, note

pytestmark = [pytest.mark.django_db, pytest.mark.each_case]

#: Each list with an export, and the permission that it needs.
LISTS = {
    INVITATIONS: "view_invitationkey",
    ACCEPTANCES: "view_acceptance",
    QUOTAS: "view_invitationquota",
    LEDGER: "view_quotaentry",
}
MODELS = [pytest.param(address, id=address.split("/")[3]) for address in LISTS]


def make_rows(count: int = 1) -> None:
    """Make rows for each of the lists."""
    for number in range(count):
        inviter = make_user(f"inviter{number}")
        invitation = make_invitation(inviter, f"bob{number}@example.org", status="accepted", uses=1)
        Acceptance.objects.create(invitation=invitation, user=inviter)
        InvitationQuota.objects.create(inviter=inviter, granted=number)
        note(inviter, -1 - number, invitation=invitation)


def export(client: Client, address: str, *rows: Any, **more: Any) -> list[dict[str, str]]:
    """Return the rows of the file, each by the headings."""
    chosen = {"select_across": "1", "_selected_action": ["0"]} if not rows else {}
    response = staff.act(client, address, "export", *rows, **chosen, **more)
    assert response.status_code == 200, response
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("address", MODELS)
@pytest.mark.anywhere
def test_the_answer_is_a_file_that_no_browser_takes_for_a_page(address: str, settings: Any) -> None:
    settings.SECURE_CONTENT_TYPE_NOSNIFF = False  # Django's own header is no proof of ours.
    make_rows()
    response = staff.act(staff.boss(), address, "export", select_across="1", _selected_action="0")
    assert response.streaming
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="[a-z-]+-\d{4}-\d\d-\d\d\.csv"', response["Content-Disposition"]
    )
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]
    body = b"".join(response.streaming_content)
    assert body.startswith("\ufeff".encode())
    assert body.count(b"\r\n") == 2


def test_of_invitations_it_says_what_the_list_says(member: Any) -> None:
    moment = datetime(2026, 11, 22, 9, 30, tzinfo=timezone.utc)
    shared = {"shared": True, "label": "Open day", "max_uses": 20, "uses": 3}
    make_invitation(member, "", date_invited=moment - timedelta(1), left=None, **shared)
    invitation = make_invitation(
        member, "bob@xn--mnchen-3ya.example.org", date_invited=moment, left=None
    )
    make_mail(invitation, state="failed")
    first, second = export(staff.boss(), INVITATIONS)
    assert first == {
        "Email address": "bob@münchen.example.org",
        "Label": "",
        "Shared link": "no",
        "Inviter": "member",
        "State": "pending",
        "Email": "failed",
        "Uses": "0",
        "Uses allowed": "1",
        "Created": "2026-11-22T09:30:00+00:00",
        "Expires": "",
        "Ended": "",
    }
    assert second["Label"] == "Open day"
    assert second["Shared link"] == "yes"
    assert (second["Uses"], second["Uses allowed"]) == ("3", "20")


def test_of_acceptances_it_names_both_sides(member: Any) -> None:
    invitation = make_invitation(member)
    bob = make_user("bob")
    claimed = datetime(2026, 11, 22, 9, 30, tzinfo=timezone.utc)
    Acceptance.objects.create(invitation=invitation, user=bob, claimed_at=claimed)
    Acceptance.objects.create(invitation=make_invitation(None, ""), user=None, claimed_at=claimed)
    rows = export(staff.boss(), ACCEPTANCES)
    assert {"", "bob@example.org"} == {row["Invitation to"] for row in rows}
    [row] = [row for row in rows if row["Account"] == "bob"]
    assert row == {
        "Registered": "2026-11-22T09:30:00+00:00",
        "Account": "bob",
        "Invitation to": "bob@example.org",
        "Inviter": "member",
        "New account": "yes",
        "Activated": "",
    }


def test_of_quotas_and_ledger_numbers_stay_numbers(member: Any) -> None:
    grant(member, 4)
    inviting.invite(member, "bob@example.org")
    client = staff.boss()
    [quota] = export(client, QUOTAS)
    assert (quota["Granted"], quota["Spent"], quota["Left"]) == ("4", "1", "13")
    assert quota["Unlimited"] == "no"
    invited, granted = export(client, LEDGER)
    assert (invited["Change"], invited["Reason"]) == ("-1", "invited someone")
    assert invited["Invitation"] == "bob@example.org"
    assert (granted["Change"], granted["Invitation"]) == ("4", "")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝"])
def test_no_cell_is_executed(start: str) -> None:
    attack = f"{start}cmd|' /C calc'!A0"
    inviter = make_user(attack)
    shared = make_invitation(inviter, "", shared=True, label=attack)
    personal = make_invitation(inviter)
    InvitationKey.objects.filter(pk=personal.pk).update(email=f"{start}1+1@example.org")
    for invitation in (shared, personal):
        Acceptance.objects.create(invitation=invitation, user=inviter)
    InvitationQuota.objects.create(inviter=inviter)
    note(inviter, 1)
    client = staff.boss()
    for address in LISTS:
        cells = [cell for row in export(client, address) for cell in row.values()]
        assert not [cell for cell in cells if cell.startswith(("=", "@", "＝"))]
        assert not [
            cell for cell in cells if cell[:1] in "+-" and not re.fullmatch("-?[0-9]*", cell)
        ]
        assert any(cell.startswith(f"'{start}") for cell in cells) or start == "＝"


@pytest.mark.parametrize("address", MODELS)
@pytest.mark.anywhere
def test_it_says_nothing_of_a_key(address: str, member: Any) -> None:
    invitation = make_invitation(
        member, "", shared=True, code_digest=b"digest", word="publicword", label="x"
    )
    make_acceptance(member, invitation)
    InvitationQuota.objects.create(inviter=member)
    note(member, 1, invitation=invitation)
    secrets = (invitation.locator, invitation.key, invitation.key.split(".")[1], "digest", "word")
    text = str(export(staff.boss(), address))
    assert not [secret for secret in secrets if secret in text]
    assert str(invitation.pending_slot or "no slot") not in text


@pytest.mark.parametrize("rows", [1, 30])
@pytest.mark.parametrize("address", MODELS)
@pytest.mark.anywhere
def test_it_asks_no_query_per_row(address: str, rows: int) -> None:
    make_rows(rows)
    client = staff.boss()
    export(client, address)  # Content types are remembered.
    with CaptureQueriesContext(staff.connection) as queries:
        assert len(export(client, address)) == rows
    asked = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    # Session, user, the keys of the list and of what is taken, the note of it, the rows.
    assert len(asked) == 6, "\n".join(asked)


@pytest.mark.parametrize("limit", [2, 10_000])
def test_rows_are_read_a_chunk_at_a_time(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    make_rows(5)
    for module in ("bounds", "exporting"):
        monkeypatch.setattr(f"invitation.admin.{module}.LIMIT", limit)
    monkeypatch.setattr("invitation.admin.invitations.InvitationKeyAdmin.export_chunk", 2)
    client = staff.boss()
    with CaptureQueriesContext(staff.connection) as queries:
        rows = export(client, INVITATIONS)
    assert [row["Email address"][:4] for row in rows] == ["bob4", "bob3", "bob2", "bob1", "bob0"]
    assert sum("latest_mail_state" in query["sql"] for query in queries) == 3


def test_only_the_selected_are_exported() -> None:
    make_rows(3)
    chosen = InvitationKey.objects.order_by("pk")[:2]
    rows = export(staff.boss(), INVITATIONS, *chosen)
    assert sorted(row["Email address"] for row in rows) == [row.email for row in chosen]


def test_all_that_the_list_has_found_are_exported() -> None:
    make_rows(12)
    client = staff.boss()
    chosen = {"select_across": "1", "_selected_action": ["0"], "action": "export"}
    response = client.post(f"{INVITATIONS}?q=bob1&o=1", chosen)
    text = b"".join(response.streaming_content).decode()
    assert re.findall(r"bob\d+@", text) == ["bob10@", "bob11@", "bob1@"]


def test_it_is_noted_who_took_how_many() -> None:
    make_rows(2)
    client = staff.boss()
    export(client, INVITATIONS)
    export(client, INVITATIONS, InvitationKey.objects.first())
    assert list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True)) == [
        "Exported 2 rows as CSV.",
        "Exported 1 row as CSV.",
    ]
    entry = LogEntry.objects.latest("pk")
    assert (str(entry.user), entry.object_repr, entry.object_id) == ("boss", "invitations", None)
    assert "Exported" not in staff.text_of(
        client.get(f"{INVITATIONS}{InvitationKey.objects.all()[0].pk}/history/")
    )
    assert client.get("/admin/").status_code == 200


def test_nothing_chosen_is_nothing_exported() -> None:
    make_rows()
    response = staff.act(staff.boss(), INVITATIONS, "export")
    assert not response.streaming
    assert not LogEntry.objects.exists()


READERS: dict[str, tuple[Callable[[str], Client], int]] = {
    "anonymous": (lambda permission: Client(), 302),
    "member": (lambda permission: staff.log_in(make_user("reader")), 302),
    "staff": (lambda permission: staff.staff(), 403),
    "staff who sees others": (
        lambda permission: staff.staff(*set(LISTS.values()) - {permission}),
        403,
    ),
    "staff who sees it": (staff.staff, 200),
    "superuser": (lambda permission: staff.boss(), 200),
}


@pytest.mark.parametrize("address", MODELS)
@pytest.mark.parametrize(("reader", "status"), READERS.values(), ids=READERS)
def test_only_who_may_see_the_rows_takes_them_away(
    address: str, reader: Callable[[str], Client], status: int
) -> None:
    make_rows()
    client = reader(LISTS[address])
    response = staff.act(client, address, "export", select_across="1", _selected_action="0")
    assert response.status_code == status
    assert response.streaming is (status == 200)
    assert LogEntry.objects.exists() is (status == 200)


def test_asking_for_it_by_a_link_gives_nothing() -> None:
    make_rows()
    response = staff.boss().get(INVITATIONS, {"action": "export", "select_across": "1"})
    assert not response.streaming
    assert not LogEntry.objects.exists()


def test_it_needs_the_token_of_the_page() -> None:
    make_rows()
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    assert staff.act(client, INVITATIONS, "export", select_across="1").status_code == 403


@pytest.mark.parametrize("aware", [True, False])
def test_a_moment_has_its_time_zone(settings: Any, aware: bool) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    settings.USE_TZ = aware
    moment = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc if aware else None)
    hour = 17 if aware else 12
    minute = 45 if aware else 0
    assert here(moment).isoformat() == f"2026-11-22T{hour}:{minute:02}:00+05:45"
