"""The pages and the command that invite with a list."""

from __future__ import annotations

import csv
import io
import re
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib.auth.models import Group
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.translation import get_language, override

from invitation.addresses import recipients
from invitation.conf import LIMITS
from invitation.delivery import texts
from invitation.exceptions import AlreadyInvited
from invitation.flows import lists
from invitation.flows.inviting import revoke
from invitation.models import InvitationEmail, InvitationKey
from invitation.views import lists as lists_views
from tests import scenes
from tests.factories import DAY, make_invitation, spent
from tests.flows.lists.test_invite_list import balance, guests

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]

PAGE = "/accounts/invite/list/"
CONFIRM = f"{PAGE}confirm/"
CSV = "email,name,note\nann@example.org,Ann,Hello\nnobody,,\nmember@example.com,Me,\n"


@pytest.fixture
def stranger(db: None) -> Client:
    client = Client()
    client.force_login(scenes.make_user("stranger"))
    return client


@pytest.fixture
def batch(member: Any) -> lists.ListResult:
    return lists.invite_many(member, guests(3))


@pytest.fixture(autouse=True)
def language_of_the_test() -> Iterator[None]:
    """Leave the language as it was: a request in another one changes it."""
    with override(get_language()):
        yield


def words(response: Any) -> str:
    """Return what a page says, without markup and line breaks."""
    body = response.content.decode().partition("<main")[2]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def upload(text: str | bytes, name: str = "people.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode() if isinstance(text, str) else text)


def payload(client: Client, people: str = "ann@example.org, nobody", **typed: Any) -> str:
    """Return the signed list of the page that says what would happen."""
    response = client.post(PAGE, {"people": people, **typed})
    assert response.status_code == 200
    carried: str = response.context["payload"]
    return carried


def confirm(client: Client, carried: str, **typed: Any) -> Any:
    return client.post(CONFIRM, {"payload": carried, "confirmed": "on", **typed})


def sheet(response: Any) -> list[list[str]]:
    """Return the cells of a file."""
    text = b"".join(response.streaming_content).decode()
    assert text[0] == "\ufeff"
    delimiter = ";" if ";" in text.partition("\r")[0] else ","
    return list(csv.reader(io.StringIO(text[1:], newline=""), delimiter=delimiter))


# -- who -----------------------------------------------------------------------------------------


@pytest.mark.anywhere
def test_visitors_are_sent_to_log_in(batch: lists.ListResult) -> None:
    progress = f"{PAGE}{batch.id}/"
    for address in (PAGE, CONFIRM, progress, f"{progress}outcome.csv"):
        response = Client().get(address)
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/?next=")
    before = scenes.dump()
    assert Client().post(PAGE, {"people": "a@x.org"}).status_code == 302
    assert Client().post(CONFIRM, {"payload": "x"}).status_code == 302
    assert scenes.dump() == before


def test_who_may_not_invite_may_not_do_so_with_a_list(settings: Any, member_client: Client) -> None:
    settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
    for response in (
        member_client.get(PAGE),
        member_client.post(PAGE, {"people": "a@x.org"}),
        member_client.post(CONFIRM, {"payload": "x"}),
    ):
        assert response.status_code == 403


def test_neither_the_text_nor_the_file_is_called_optional(member_client: Client) -> None:
    page = member_client.get(PAGE).content.decode()
    assert "invitation-optional" not in page.partition("<details")[0]


def test_a_form_without_a_csrf_token_is_refused(member: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(member)
    for address in (PAGE, CONFIRM):
        assert client.post(address, {"people": "a@x.org", "payload": "x"}).status_code == 403


def test_the_list_of_somebody_else_does_not_exist(
    batch: lists.ListResult, stranger: Client
) -> None:
    for part in ("", "outcome.csv"):
        assert stranger.get(f"{PAGE}{batch.id}/{part}").status_code == 404


def test_the_list_of_another_site_does_not_exist(
    batch: lists.ListResult, member_client: Client
) -> None:
    InvitationKey.objects.update(site_id=2)
    for part in ("", "outcome.csv"):
        assert member_client.get(f"{PAGE}{batch.id}/{part}").status_code == 404


@pytest.mark.parametrize("name", ["0" * 8 + "-0000-0000-0000-" + "f" * 12, "x", "1"])
def test_a_list_that_is_none_does_not_exist(member_client: Client, name: str) -> None:
    for part in ("", "outcome.csv"):
        assert member_client.get(f"{PAGE}{name}/{part}").status_code == 404


def test_a_list_is_confirmed_by_post_alone(member_client: Client) -> None:
    response = member_client.get(CONFIRM)
    assert (response.status_code, response["Location"]) == (302, PAGE)
    assert member_client.put(CONFIRM).status_code == 405


# -- the form ------------------------------------------------------------------------------------


def test_the_pages_of_one_and_of_many_lead_to_each_other(member_client: Client) -> None:
    assert f'href="{PAGE}"' in member_client.get(scenes.INVITE).content.decode()
    page = member_client.get(PAGE)
    assert f'href="{scenes.INVITE}"' in page.content.decode()
    assert "You have 10 invitations left." in words(page)


def test_without_invitations_left_the_page_says_so(settings: Any, member_client: Client) -> None:
    settings.INVITATIONS_PER_USER = 0
    response = member_client.get(PAGE)
    assert "You have no invitations left" in words(response)
    assert "<textarea" not in response.content.decode()
    settings.INVITATIONS_PER_USER = None
    assert "left" not in words(member_client.get(PAGE))


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ({}, "one_list"),
        ({"people": " \n"}, "one_list"),
        ({"people": "a@x.org", "file": "email\nb@x.org"}, "one_list"),
        ({"people": ",;"}, "list_empty"),
        ({"file": "email\n"}, "list_empty"),
        ({"file": b"email\n\xff"}, "list_encoding"),
        ({"file": b"PK\x03\x04\0"}, "list_workbook"),
        ({"file": "BEGIN:VCARD\nEMAIL:a@x.org\n"}, "list_cards"),
        ({"people": "a@x.org,b@x.org,c@x.org"}, "too_many_rows"),
        ({"people": "a" * 101}, "list_too_large"),
        ({"file": "a" * 101}, "list_too_large"),
        ({"people": "a@x.org", "note": "www.example.org"}, "link_in_text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_list_that_cannot_be_read_is_refused_with_a_reason(
    settings: Any, member_client: Client, typed: dict[str, Any], code: str
) -> None:
    settings.INVITATION_LISTS = {"rows": 2, "bytes": 100}
    file = {"file": upload(typed["file"])} if "file" in typed else {}
    response = member_client.post(PAGE, typed | file)
    assert response.status_code == 200
    errors = response.context["form"].errors.as_data().values()
    assert [error.code for found in errors for error in found] == [code]
    assert "There is a problem" in words(response)


def test_a_file_that_is_too_large_is_not_even_read(
    settings: Any, member_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INVITATION_LISTS = {"bytes": 100}
    monkeypatch.setattr(recipients, "decode", None)
    assert "too large" in words(member_client.post(PAGE, {"file": upload("a" * 101)}))


# -- the preview ---------------------------------------------------------------------------------


@pytest.mark.anywhere
@pytest.mark.parametrize("how", ["people", "file"])
def test_the_preview_says_what_will_happen_and_changes_nothing(
    member: Any, member_client: Client, how: str, settings: Any
) -> None:
    settings.LANGUAGE_CODE = "en"
    before = scenes.dump()
    response = member_client.post(PAGE, {how: upload(CSV) if how == "file" else CSV})
    assert scenes.dump() == before
    said = words(response)
    assert "2 rows have a problem" in said
    wrong = said.index("Row 3 Email address Name Enter a whole")
    assert said.index("2 rows have a problem") < wrong
    assert "Row 4 Email address Name " in said
    assert "1 person will be invited. We have not sent anything yet." in said
    assert "Row 2 ann@example.org Ann with a note" in said
    assert "Invite 1 person" in said
    assert "no-store" in response["Cache-Control"]


def test_a_list_of_nobody_to_invite_cannot_be_confirmed(member_client: Client) -> None:
    response = member_client.post(PAGE, {"people": "nobody"})
    assert "Nobody on this list can be invited." in words(response)
    assert 'name="confirmed"' not in response.content.decode()


def test_what_is_written_in_a_list_is_escaped(member_client: Client) -> None:
    response = member_client.post(PAGE, {"people": "email,name\n<b>x</b> y,\na@x.org,<i>Ann</i>"})
    assert "&lt;b&gt;x&lt;/b&gt; y" in response.content.decode()
    assert "<i>Ann" not in response.content.decode()


def test_rows_that_are_not_invited_come_first_and_a_long_list_has_pages(
    member_client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_views, "ROWS_PER_PAGE", 2)
    carried = payload(member_client, "a@x.org, b@x.org, nobody, c@x.org")
    numbers = []
    for page in ("1", "2", "99"):
        response = member_client.post(CONFIRM, {"payload": carried, "page": page})
        numbers.append([row.number for row in response.context["page_obj"]])
        assert "Page" in words(response)
    assert numbers == [[3, 1], [2, 4], [2, 4]]
    assert not InvitationKey.objects.exists()
    response = confirm(member_client, carried, page="2")
    assert [row.number for row in response.context["page_obj"]] == [2, 4]


# -- corrected -----------------------------------------------------------------------------------

WRONG = "email,name,note\nann@example.org,Ann,Hello\nnobody,Bob,Hi\nann@example.org,Eve,\n"


def check(client: Client, carried: str, **typed: Any) -> Any:
    """Check a list again, with what was typed into its cells."""
    return client.post(CONFIRM, {"payload": carried, **typed})


def wrong(response: Any) -> list[tuple[int, str, str]]:
    """Return the rows to correct: number, address and name."""
    return [(row.number, email, name) for row, email, name in response.context["wrong_rows"]]


@pytest.mark.anywhere
def test_wrong_rows_come_first_with_cells_to_correct(member_client: Client) -> None:
    response = member_client.post(PAGE, {"file": upload(WRONG)})
    assert wrong(response) == [(3, "nobody", "Bob"), (4, "ann@example.org", "Eve")]
    assert [row.number for row in response.context["right_rows"]] == [2]
    page = response.content.decode()
    for cell in ('name="email-3" value="nobody"', 'name="name-3" value="Bob"', 'name="out-4"'):
        assert cell in page
    assert 'name="email-2"' not in page
    assert page.index('name="email-3"') < page.index("Show who will be invited")
    # The Enter key in a cell presses the first button, which invites nobody.
    first = re.search(r"<button[^>]*>", page.partition('name="email-4"')[2])
    assert first is not None
    assert 'name="' not in first[0]


@pytest.mark.anywhere
def test_a_corrected_row_is_checked_again(member_client: Client) -> None:
    before = scenes.dump()
    carried = member_client.post(PAGE, {"file": upload(WRONG)}).context["payload"]
    typed = {"email-3": " bob@example.org ", "name-3": "Robert", "out-4": "on"}
    response = check(member_client, carried, **typed)
    assert (response.context["number"], response.context["wrong"]) == (2, 0)
    assert "1 row left out." in words(response)
    assert "Row 3 bob@example.org Robert with a note" in words(response)
    assert scenes.dump() == before
    # The page carries the corrections to the next one.
    corrections = response.context["corrections"]
    done = confirm(member_client, carried, corrections=corrections)
    assert done.context["number"] == 2
    bob = InvitationKey.objects.get(email="bob@example.org")
    assert (bob.recipient_name, bob.note) == ("Robert", "Hi")
    assert InvitationKey.objects.count() == 2
    report = confirm(member_client, carried, corrections=corrections, table="on")
    assert [row[1] for row in sheet(report)[1:]] == ["ann@example.org", "bob@example.org"]
    assert InvitationKey.objects.count() == 2


def test_what_is_corrected_can_be_confirmed_at_once(member_client: Client) -> None:
    carried = payload(member_client)
    typed = {"email-2": "bob@example.org", "name-2": ""}
    response = confirm(member_client, carried, **typed)
    assert response.templates[0].name == "invitation/invitation_invite_list_report.html"
    assert response.context["number"] == InvitationKey.objects.count() == 2


@pytest.mark.parametrize("email", ["still nobody", "", "ann@example.org", "a@x.org, b@x.org"])
def test_a_correction_that_is_wrong_is_shown_before_anybody_is_invited(
    member_client: Client, email: str
) -> None:
    carried = payload(member_client)
    response = confirm(member_client, carried, **{"email-2": email, "name-2": "Bob"})
    assert response.templates[0].name == "invitation/invitation_invite_list_preview.html"
    assert wrong(response) == [(2, email, "Bob")]
    assert not InvitationKey.objects.exists()
    # What is not changed any more does not hold up the others.
    again = {"corrections": response.context["corrections"], "email-2": email, "name-2": "Bob"}
    assert confirm(member_client, carried, **again).context["number"] == 1
    assert InvitationKey.objects.count() == 1


def test_cells_that_were_not_touched_change_nothing(member_client: Client) -> None:
    text = "email,name\n Nobody ,\nANN@Example.org,Ann\nann@example.org,Eve\n"
    shown = member_client.post(PAGE, {"file": upload(text)})
    typed = {f"email-{number}": email for number, email, _name in wrong(shown)}
    typed |= {f"name-{number}": name for number, _email, name in wrong(shown)}
    response = confirm(member_client, shown.context["payload"], **typed)
    assert response.context["corrections"] == "{}"
    assert response.context["number"] == 1


def test_corrections_of_one_page_are_kept_on_the_next(
    member_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_views, "ROWS_PER_PAGE", 1)
    carried = payload(member_client, "one, two, three@x.org")
    response = check(member_client, carried, **{"email-1": "one@x.org", "page": "2"})
    second = {"corrections": response.context["corrections"], "email-2": "two@x.org"}
    response = check(member_client, carried, **second)
    assert (response.context["number"], response.context["wrong"]) == (3, 0)


def test_no_row_can_be_added_and_no_other_list_corrected(
    settings: Any, member_client: Client
) -> None:
    settings.INVITATION_LISTS = {"rows": 2}
    carried = payload(member_client)
    more = {"email-3": "c@x.org", "email-99": "d@x.org", "email-x": "e@x.org", "email-": "f@x.org"}
    corrections = '{"3": ["g@x.org", ""], "2": ["bob@example.org", ""], "77": null}'
    response = confirm(member_client, carried, corrections=corrections, **more)
    assert response.context["total"] == 2
    emails = InvitationKey.objects.order_by("pk").values_list("email", flat=True)
    assert list(emails) == ["ann@example.org", "bob@example.org"]


@pytest.mark.parametrize(
    "corrections",
    [
        "x",
        "[]1",
        "[1]",
        '"x"',
        "7",
        '{"2": "x"}',
        '{"2": ["a@x.org"]}',
        '{"2": [1, 2]}',
        '{"2": {}}',
        '{"x": null}',
        '{"\u0662": null}',
        '{"2": ["' + "a" * 321 + '", ""]}',
        '{"' + "1" * 10 + '": null}',
    ],
)
def test_corrections_that_cannot_be_read_invite_nobody(
    member_client: Client, corrections: str
) -> None:
    carried = payload(member_client)
    response = confirm(member_client, carried, corrections=corrections)
    assert response.status_code == 409
    assert not InvitationKey.objects.exists()


@pytest.mark.parametrize("corrections", ["", "{}", "null"])
def test_a_list_without_corrections_is_invited_as_it_is(
    member_client: Client, corrections: str
) -> None:
    carried = payload(member_client)
    assert confirm(member_client, carried, corrections=corrections).context["number"] == 1


def test_a_list_whose_rows_are_all_left_out_invites_nobody(member_client: Client) -> None:
    carried = payload(member_client)
    response = check(member_client, carried, **{"out-1": "on", "out-2": "on"})
    assert "Nobody on this list can be invited." in words(response)
    assert "2 rows left out." in words(response)


def test_a_cell_is_no_way_around_the_rules_for_names(member_client: Client) -> None:
    carried = payload(member_client)
    typed = {"email-2": "bob@example.org", "name-2": "see www.evil.example <b>"}
    confirm(member_client, carried, **typed)
    stored = InvitationKey.objects.get(email="bob@example.org").recipient_name
    assert stored == texts.plain_name("see www.evil.example <b>")


@pytest.mark.anywhere
def test_correcting_costs_one_look_more(member_client: Client) -> None:
    carried = payload(member_client)
    check(member_client, carried)
    costs = []
    for typed in ({}, {"email-2": "bob@example.org"}):
        with counted_statements() as asked:
            check(member_client, carried, **typed)
        costs.append(len(asked))
    assert costs[1] <= costs[0]
    with counted_statements() as asked:
        confirm(member_client, carried, **{"email-2": "bob@example.org"})
    assert len(asked) <= 40, asked


# -- confirmed -----------------------------------------------------------------------------------


@pytest.mark.anywhere
def test_confirmed_it_invites_whom_the_preview_named(
    member: Any, member_client: Client, commit: Commit
) -> None:
    carried = payload(member_client, "ann@example.org, nobody", note="See you!")
    with commit():
        response = confirm(member_client, carried)
    said = words(response)
    assert "1 person invited" in said
    assert "ann@example.org invited" in said
    assert "nobody invalid" in said
    invitation = InvitationKey.objects.get()
    assert (invitation.email, invitation.note) == ("ann@example.org", "See you!")
    assert InvitationEmail.objects.get().state == "sent"
    progress = f"{PAGE}{response.context['batch']}/"
    assert f'href="{progress}"' in response.content.decode()
    assert "no-store" in response["Cache-Control"]


def test_a_double_click_invites_once_and_says_the_same(
    member: Any, member_client: Client, settings: Any
) -> None:
    settings.INVITATIONS_PER_USER = 2
    carried = payload(member_client, "a@x.org, b@x.org, c@x.org, nobody, a@x.org")
    first = words(confirm(member_client, carried))
    settings.INVITATIONS_PER_USER = 3
    before = scenes.dump()
    second = words(confirm(member_client, carried))
    assert "2 people invited" in first
    assert second == first.replace("Invitations left 0", "Invitations left 1")
    assert {table for table, rows in scenes.dump().items() if rows != before[table]} == set()


def test_the_same_list_uploaded_again_invites_nobody(member_client: Client) -> None:
    confirm(member_client, payload(member_client, "a@x.org, b@x.org"))
    carried = payload(member_client, "a@x.org, b@x.org")
    response = confirm(member_client, carried)
    assert "Nobody was invited" in words(response)
    assert words(response).count("You already invited this address.") == 2
    assert InvitationKey.objects.count() == InvitationEmail.objects.count() == 2


def test_a_file_keeps_its_own_reading(member_client: Client) -> None:
    response = member_client.post(PAGE, {"file": upload("Doe,ann@example.org\n")})
    confirm(member_client, response.context["payload"])
    assert InvitationKey.objects.get().email == "ann@example.org"


@pytest.mark.parametrize("how", ["changed", "nothing", "garbage", "of another member"])
def test_only_a_list_that_was_shown_to_this_member_can_be_confirmed(
    member_client: Client, stranger: Client, how: str
) -> None:
    carried = payload(member_client)
    texts = {"changed": f"x{carried}", "nothing": "", "garbage": "x:y:z"}
    client = stranger if how == "of another member" else member_client
    response = confirm(client, texts.get(how, carried))
    assert response.status_code == 409
    assert "Nobody was invited" in words(response)
    assert not InvitationKey.objects.exists()


def test_a_list_that_was_shown_on_another_site_cannot_be_confirmed(
    settings: Any, member_client: Client
) -> None:
    carried = payload(member_client)
    # Not imported above: this file runs on sites without contrib.sites, too.
    site = apps.get_model("sites", "Site")
    settings.SITE_ID = site._default_manager.create(domain="other.example", name="Other").pk
    assert confirm(member_client, carried).status_code == 409
    assert not InvitationKey.objects.exists()


def test_a_list_that_is_too_old_is_shown_in_the_form_again(member_client: Client) -> None:
    carried = payload(member_client, "ann@example.org", note="Hello!")
    with time_machine.travel(timezone.now() + DAY * 1.1, tick=False):
        member_client.force_login(
            InvitationKey._meta.get_field("from_user").related_model.objects.get()
        )
        response = confirm(member_client, carried)
    assert response.status_code == 409
    assert "You checked this list more than a day ago." in words(response)
    assert response.context["form"].initial == {"people": "ann@example.org", "note": "Hello!"}
    assert not InvitationKey.objects.exists()


def test_a_list_that_the_site_would_no_longer_take_is_refused(
    settings: Any, member_client: Client
) -> None:
    carried = payload(member_client)
    settings.INVITATION_LISTS = {"rows": 1}
    response = confirm(member_client, carried)
    assert response.status_code == 409
    assert "more than 1 rows" in words(response)


@pytest.mark.parametrize("verb", ["check_list", "invite_many"])
def test_whatever_refuses_the_list_is_told(
    member_client: Client, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    carried = payload(member_client)

    def refuse(*args: Any, **options: Any) -> Any:
        raise AlreadyInvited()

    monkeypatch.setattr(lists, verb, refuse)
    if verb == "invite_many":
        response = confirm(member_client, carried)
        assert response.status_code == 409
    else:
        response = member_client.post(PAGE, {"people": "a@x.org"})
    assert "You already invited this address." in words(response)


def test_the_report_can_be_saved(member_client: Client) -> None:
    people = "email,name\nann@example.org,Ann\n=1+1@example.org,\n@SUM(A1),\n-nobody,"
    carried = payload(member_client, people)
    response = confirm(member_client, carried, table="on")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="report.csv"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]
    headings, *rows = sheet(response)
    assert headings == ["Row", "Email address", "Name", "Result", "Reason"]
    assert [row[:4] for row in rows] == [
        ["2", "ann@example.org", "Ann", "invited"],
        ["3", "'=1+1@example.org", "", "invalid"],
        ["4", "'@SUM(A1)", "", "invalid"],
        ["5", "'-nobody", "", "invalid"],
    ]
    assert all(row[4] for row in rows[1:])


# -- the emails -----------------------------------------------------------------------------------


def test_the_progress_counts_the_mails_and_loads_itself_again_only_if_asked(
    batch: lists.ListResult, member_client: Client
) -> None:
    address = f"{PAGE}{batch.id}/"
    first, second = InvitationEmail.objects.order_by("pk")[:2]
    InvitationEmail.objects.filter(pk=first.pk).update(state="sent")
    InvitationEmail.objects.filter(pk=second.pk).update(state="sending")
    response = member_client.get(address)
    assert response.context["mails"] == {
        "sent": 1,
        "waiting": 2,
        "failed": 0,
        "cancelled": 0,
        "total": 3,
    }
    assert "Sending the emails" in words(response)
    assert "Refresh" not in response
    assert "no-store" in response["Cache-Control"]
    refreshing = member_client.get(address, {"refresh": "on"})
    assert refreshing["Refresh"] == "10"
    assert "every 10 seconds" in words(refreshing)
    assert "Stop reloading" in words(refreshing)
    InvitationEmail.objects.update(state="sent")
    refused = {"state": "failed", "failure": "refused", "last_error": "550 gone"}
    InvitationEmail.objects.filter(pk=first.pk).update(**refused)
    done = member_client.get(address, {"refresh": "on"})
    assert "Refresh" not in done
    assert "Failed 1" in words(done)
    assert "550 gone" in words(done)


def test_the_progress_counts_what_has_no_mail_any_more(
    batch: lists.ListResult, member_client: Client
) -> None:
    InvitationEmail.objects.all().delete()
    page = member_client.get(f"{PAGE}{batch.id}/")
    assert page.context["mails"]["total"] == batch.count(lists.Verdict.INVITED)


def test_the_progress_has_pages(
    batch: lists.ListResult, member_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_views.InviteListProgressView, "paginate_by", 2)
    pages = [member_client.get(f"{PAGE}{batch.id}/", {"page": page}) for page in (1, 2)]
    shown = [[row.email for row in page.context["invitations"]] for page in pages]
    assert shown == [["guest0@example.org", "guest1@example.org"], ["guest2@example.org"]]
    assert member_client.get(f"{PAGE}{batch.id}/", {"page": "x"}).status_code == 404


def test_the_outcome_can_be_saved(
    member: Any, batch: lists.ListResult, member_client: Client, settings: Any
) -> None:
    make_invitation(member, "other@example.org")
    first, second, third = InvitationKey.objects.exclude(email__startswith="o").order_by("pk")
    InvitationEmail.objects.filter(invitation=first).update(state="sent")
    refused = {"state": "failed", "failure": "refused", "last_error": "550 no such user"}
    InvitationEmail.objects.filter(invitation=second).update(**refused)
    InvitationEmail.objects.filter(invitation=third).delete()
    InvitationKey.objects.filter(pk=third.pk).update(recipient_name="=HYPERLINK()")
    revoke(third)
    response = member_client.get(f"{PAGE}{batch.id}/outcome.csv")
    assert response["Content-Disposition"] == 'attachment; filename="invitations.csv"'
    headings, *rows = sheet(response)
    assert headings == ["Email address", "Name", "Invited", "State", "Email state", "Reason"]
    day = f"{first.date_invited:%Y-%m-%d %H:%M:%S}+00:00"
    assert rows == [
        ["guest0@example.org", "", day, "pending", "sent", ""],
        ["guest1@example.org", "", day, "pending", "failed", "550 no such user"],
        ["guest2@example.org", "'=HYPERLINK()", day, "revoked", "", ""],
    ]


def test_the_outcome_has_local_times_also_where_times_have_no_zone(
    settings: Any, member: Any, member_client: Client
) -> None:
    settings.USE_TZ = False
    batch = lists.invite_many(member, guests(1))
    [_, row] = sheet(member_client.get(f"{PAGE}{batch.id}/outcome.csv"))
    assert row[2] == f"{InvitationKey.objects.get().date_invited:%Y-%m-%d %H:%M:%S}"


def test_the_files_speak_the_language_of_who_asks_for_them(
    batch: lists.ListResult, member_client: Client
) -> None:
    german = {"accept-language": "de"}
    response = member_client.get(f"{PAGE}{batch.id}/outcome.csv", headers=german)
    assert sheet(response)[0][:3] == ["E-Mail-Adresse (email)", "Name", "Eingeladen am (invited)"]


@pytest.mark.parametrize("language", ["en", "de", "es", "fr"])
def test_the_files_are_read_back_in_every_language(member_client: Client, language: str) -> None:
    spoken = {"accept-language": language}
    carried = payload(member_client, "email,name\nann@example.org,=Ann\nbob@example.org,")
    report = b"".join(confirm(member_client, carried, table="on", headers=spoken).streaming_content)
    confirm(member_client, carried)
    batch = InvitationKey.objects.first().label.rpartition(":")[2]  # type: ignore[union-attr]
    address = f"{PAGE}{batch}/outcome.csv"
    outcome = b"".join(member_client.get(address, headers=spoken).streaming_content)  # type: ignore[arg-type]
    for data in (report, outcome):
        people = recipients.parse(recipients.decode(data), pasted=False)
        assert [(person.number, person.email, person.name) for person in people] == [
            (2, "ann@example.org", "=Ann"),
            (3, "bob@example.org", ""),
        ]


def test_a_row_with_two_people_says_so(member_client: Client) -> None:
    text = "name,email\nBoth,Ann <ann@example.org> Bob <bob@example.org>\nCid,cid@example.org"
    page = words(member_client.post(PAGE, {"file": upload(text)}))
    assert "There is more than one address here." in page
    assert "cid@example.org" in page


def test_a_row_may_name_its_language_as_people_do(settings: Any, member_client: Client) -> None:
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    text = "email,language\nann@example.org,Deutsch\nbob@example.org,german"
    confirm(member_client, payload(member_client, text))
    assert {row.language for row in InvitationKey.objects.all()} == {"de"}


# -- what it costs -------------------------------------------------------------------------------


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Collect the beginnings of the statements: Django's own way writes each of them out."""
    asked: list[str] = []

    def note(execute: Any, sql: str, *args: Any) -> Any:
        asked.append(sql[:40])
        return execute(sql, *args)

    with connection.execute_wrapper(note):
        yield asked


@pytest.mark.parametrize(
    ("number", "limit"),
    [
        (500, 500),
        pytest.param(10_000, 10_000, marks=pytest.mark.long),
        pytest.param(10_000, None, marks=pytest.mark.stress),
    ],
)
def test_ten_thousand_rows_cost_few_statements(
    settings: Any, member: Any, commit: Commit, number: int, limit: int | None
) -> None:
    settings.INVITATION_LIMITS = dict.fromkeys(LIMITS, limit)
    settings.INVITATIONS_PER_USER = number
    settings.INVITATION_QUOTA_PERIOD = DAY
    settings.INVITATION_LISTS = {"rows": number}
    board = Group.objects.create(name="Board")
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: [board]
    client = Client()
    client.force_login(member)
    client.get(PAGE)
    rows = "".join(f"guest{n}@example.org,Guest {n},Board\n" for n in range(number))
    text = f"email,name,groups\n{rows}"
    with counted_statements() as looking:
        response = client.post(PAGE, {"file": upload(text)})
    assert response.context["number"] == number
    assert len(looking) <= 8, looking
    with counted_statements() as inviting, commit():
        response = confirm(client, response.context["payload"])
    assert response.context["number"] == number
    # Rows alone cost 28. Groups and a period of the quota cost more.
    assert len(inviting) <= (46 if connection.vendor != "mysql" else 56), inviting
    assert InvitationKey.objects.filter(groups=board).count() == number
    assert InvitationEmail.objects.count() == number
    assert spent(member) == balance(member) == number
    address = f"{PAGE}{response.context['batch']}/"
    with counted_statements() as following:
        client.get(address)
    assert len(following) <= 8, following


@pytest.mark.long
def test_the_outcome_is_written_while_it_is_read(
    settings: Any, member: Any, member_client: Client
) -> None:
    settings.INVITATIONS_PER_USER = None
    scenes.no_limits(settings)
    peaks = []
    for number in (500, 2500):
        batch = lists.invite_many(member, guests(number, start=number))
        response: Any = member_client.get(f"{PAGE}{batch.id}/outcome.csv")
        tracemalloc.start()
        assert sum(1 for _ in response.streaming_content) == number + 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


# -- which column has the addresses --

TWO = (
    "Student,Student Email,Parent Email\n"
    "Ann,ann@example.org,mum@example.org\n"
    "Bob,bob@example.org,dad@example.org\n"
)


def planned(response: Any) -> list[str]:
    return [row.email for row in response.context["page_obj"]]


@pytest.mark.parametrize("pasted", [True, False])
def test_the_page_lets_a_member_choose_the_column(
    member: Any, member_client: Client, pasted: bool
) -> None:
    given: Any = {"people": TWO}
    if not pasted:
        given = {"file": SimpleUploadedFile("list.csv", TWO.encode())}
    response = member_client.post(PAGE, given)
    assert planned(response) == ["ann@example.org", "bob@example.org"]
    assert response.context["columns"] == ["Student Email", "Parent Email"]
    assert "<option selected>Student Email</option>" in response.content.decode()
    data = {"payload": response.context["payload"], "email_column": "Parent Email"}
    response = member_client.post(CONFIRM, data | {"choose": "on", "confirmed": "on"})
    assert planned(response) == ["mum@example.org", "dad@example.org"]
    assert "<option selected>Parent Email</option>" in response.content.decode()
    assert not InvitationKey.objects.exists()
    # Nobody is invited by a column that the page does not show.
    data = {"payload": response.context["payload"], "email_column": "Student Email"}
    response = member_client.post(CONFIRM, data | {"confirmed": "on"})
    assert planned(response) == ["ann@example.org", "bob@example.org"]
    assert not InvitationKey.objects.exists()
    data["email_column"] = "Parent Email"
    member_client.post(CONFIRM, data | {"confirmed": "on"})
    invited = InvitationKey.objects.order_by("pk").values_list("email", flat=True)
    assert list(invited) == ["mum@example.org", "dad@example.org"]


def test_corrections_are_kept_for_each_column(member_client: Client) -> None:
    text = "Pupil,Pupil Email,Parent Email\nAnn,ann@,mum@example.org\nBob,bob@example.org,dad@\n"
    page = member_client.post(PAGE, {"people": f"{text}Cid,,\nDee,dee@example.org,d@example.org\n"})

    def post(**typed: str) -> Any:
        nonlocal page
        data = {key: page.context[key] for key in ("payload", "corrections")}
        page = member_client.post(CONFIRM, data | {"email_column": page.context["column"]} | typed)
        return page.context

    assert page.context["wrong"] == 2
    typed = {"email-2": "ann@example.org", "name-2": "Ann B", "out-4": "on"}
    shown = post(**typed, email_column="Parent Email")
    assert (shown["column"], shown["wrong"], shown["left_out"]) == ("Parent Email", 1, 1)
    assert post(**{"email-3": "dad@example.org"})["wrong"] == 0
    shown = post(email_column="Pupil Email")
    assert (shown["column"], shown["wrong"], shown["left_out"]) == ("Pupil Email", 0, 1)
    assert planned(page) == ["ann@example.org", "bob@example.org", "dee@example.org"]
    assert shown["right_rows"][0].recipient_name == "Ann B"
    shown = post(email_column="Parent Email", choose="on")
    assert planned(page) == ["mum@example.org", "dad@example.org", "d@example.org"]


def test_the_button_comes_before_the_one_that_invites(member_client: Client) -> None:
    page = member_client.post(PAGE, {"people": TWO}).content.decode()
    assert page.index('name="choose"') < page.index('name="confirmed"')


@pytest.mark.parametrize(
    "text",
    [
        "Name,Email\nAnn,ann@example.org\n",
        "ann@example.org, bob@example.org",
        "Name,E-mail 1 - Value,E-mail 2 - Value\nAnn,ann@example.org,ann@example.com\n",
        "Name,Email,Email\nAnn,ann@example.org,ann@example.com\n",
    ],
)
def test_where_there_is_nothing_to_choose_nothing_is_asked(
    member_client: Client, text: str
) -> None:
    response = member_client.post(PAGE, {"file": SimpleUploadedFile("x.csv", text.encode())})
    assert response.context["columns"] == []
    assert "email_column" not in response.content.decode()


@pytest.mark.parametrize("column", ["Nothing", "x" * 400])
def test_a_column_that_is_none_is_refused_with_the_columns(
    member_client: Client, column: str
) -> None:
    payload = member_client.post(PAGE, {"people": TWO}).context["payload"]
    data = {"payload": payload, "email_column": column, "choose": "on", "confirmed": "on"}
    response = member_client.post(CONFIRM, data)
    assert response.status_code == 409
    assert "Its columns: Student, Student Email, Parent Email" in response.content.decode()
    assert response.context["form"].initial["people"] == TWO
    assert not InvitationKey.objects.exists()


def test_a_list_that_was_shown_before_an_update_is_confirmed(
    member: Any, member_client: Client
) -> None:
    payload = member_client.post(PAGE, {"people": TWO}).context["payload"]
    salt = f"invitation.list:1:{member.pk}"
    content = signing.loads(payload, salt=salt)
    del content["column"]
    older = signing.dumps(content, salt=salt, compress=True)
    member_client.post(CONFIRM, {"payload": older, "confirmed": "on"})
    assert InvitationKey.objects.count() == 2
