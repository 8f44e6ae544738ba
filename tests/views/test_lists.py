"""The pages and the command that invite with a list."""

from __future__ import annotations

import csv
import io
import re
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib.auth.models import Group
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.translation import get_language, override

from invitation.addresses import recipients
from invitation.exceptions import AlreadyInvited
from invitation.flows import lists
from invitation.flows.inviting import revoke
from invitation.flows.mail import queueing
from invitation.models import InvitationEmail, InvitationKey
from invitation.views import lists as lists_views
from tests import scenes
from tests.factories import DAY, make_invitation, make_mail, make_user, spent
from tests.flows.lists.test_invite_list import balance, guests

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]

BULK = "/accounts/invite/bulk/"
CONFIRM = f"{BULK}confirm/"
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
    response = client.post(BULK, {"people": people, **typed})
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
    progress = f"{BULK}{batch.id}/"
    for address in (BULK, CONFIRM, progress, f"{progress}outcome.csv"):
        response = Client().get(address)
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/?next=")
    before = scenes.dump()
    assert Client().post(BULK, {"people": "a@x.org"}).status_code == 302
    assert Client().post(CONFIRM, {"payload": "x"}).status_code == 302
    assert scenes.dump() == before


def test_who_may_not_invite_may_not_do_so_with_a_list(settings: Any, member_client: Client) -> None:
    settings.INVITATION_PERMISSION = "invitation.add_invitationkey"
    for response in (
        member_client.get(BULK),
        member_client.post(BULK, {"people": "a@x.org"}),
        member_client.post(CONFIRM, {"payload": "x"}),
    ):
        assert response.status_code == 403


def test_a_form_without_a_csrf_token_is_refused(member: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(member)
    for address in (BULK, CONFIRM):
        assert client.post(address, {"people": "a@x.org", "payload": "x"}).status_code == 403


def test_the_list_of_somebody_else_does_not_exist(
    batch: lists.ListResult, stranger: Client
) -> None:
    for part in ("", "outcome.csv"):
        assert stranger.get(f"{BULK}{batch.id}/{part}").status_code == 404


def test_the_list_of_another_site_does_not_exist(
    batch: lists.ListResult, member_client: Client
) -> None:
    InvitationKey.objects.update(site_id=2)
    for part in ("", "outcome.csv"):
        assert member_client.get(f"{BULK}{batch.id}/{part}").status_code == 404


@pytest.mark.parametrize("name", ["0" * 8 + "-0000-0000-0000-" + "f" * 12, "x", "1"])
def test_a_list_that_is_none_does_not_exist(member_client: Client, name: str) -> None:
    for part in ("", "outcome.csv"):
        assert member_client.get(f"{BULK}{name}/{part}").status_code == 404


def test_a_list_is_confirmed_by_post_alone(member_client: Client) -> None:
    response = member_client.get(CONFIRM)
    assert (response.status_code, response["Location"]) == (302, BULK)
    assert member_client.put(CONFIRM).status_code == 405


# -- the form ------------------------------------------------------------------------------------


def test_the_pages_of_one_and_of_many_lead_to_each_other(member_client: Client) -> None:
    assert f'href="{BULK}"' in member_client.get(scenes.INVITE).content.decode()
    page = member_client.get(BULK)
    assert f'href="{scenes.INVITE}"' in page.content.decode()
    assert "You have 10 invitations left." in words(page)


def test_without_invitations_left_the_page_says_so(settings: Any, member_client: Client) -> None:
    settings.INVITATIONS_PER_USER = 0
    assert "You have no invitations left." in words(member_client.get(BULK))
    settings.INVITATIONS_PER_USER = None
    assert "left" not in words(member_client.get(BULK))


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
    settings.INVITATION_BULK_MAX_ROWS = 2
    settings.INVITATION_BULK_MAX_BYTES = 100
    file = {"file": upload(typed["file"])} if "file" in typed else {}
    response = member_client.post(BULK, typed | file)
    assert response.status_code == 200
    errors = response.context["form"].errors.as_data().values()
    assert [error.code for found in errors for error in found] == [code]
    assert "That did not work yet" in words(response)


def test_a_file_that_is_too_large_is_not_even_read(
    settings: Any, member_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INVITATION_BULK_MAX_BYTES = 100
    monkeypatch.setattr(recipients, "decode", None)
    assert "too large" in words(member_client.post(BULK, {"file": upload("a" * 101)}))


# -- the preview ---------------------------------------------------------------------------------


@pytest.mark.anywhere
@pytest.mark.parametrize("how", ["people", "file"])
def test_the_preview_says_what_will_happen_and_changes_nothing(
    member: Any, member_client: Client, how: str
) -> None:
    before = scenes.dump()
    response = member_client.post(BULK, {how: upload(CSV) if how == "file" else CSV})
    assert scenes.dump() == before
    said = words(response)
    assert "1 person will be invited. Nothing has happened yet." in said
    assert "ann@example.org new Row 2 · Ann · with a note" in said
    assert "nobody invalid Row 3 Please enter only the address itself" in said
    assert "member@example.com your own address Row 4" in said
    assert "Invite 1 person" in said
    assert "no-store" in response["Cache-Control"]


def test_a_list_of_nobody_to_invite_cannot_be_confirmed(member_client: Client) -> None:
    response = member_client.post(BULK, {"people": "nobody"})
    assert "Nobody on this list can be invited." in words(response)
    assert 'name="confirmed"' not in response.content.decode()


def test_what_is_written_in_a_list_is_escaped(member_client: Client) -> None:
    response = member_client.post(BULK, {"people": "email,name\n<b>x</b> y,\na@x.org,<i>Ann</i>"})
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


# -- confirmed -----------------------------------------------------------------------------------


@pytest.mark.anywhere
def test_confirmed_it_invites_whom_the_preview_named(
    member: Any, member_client: Client, commit: Commit
) -> None:
    carried = payload(member_client, "ann@example.org, nobody", note="See you!")
    with commit():
        response = confirm(member_client, carried)
    said = words(response)
    assert "1 person is invited" in said
    assert "ann@example.org invited" in said
    assert "nobody invalid" in said
    invitation = InvitationKey.objects.get()
    assert (invitation.email, invitation.note) == ("ann@example.org", "See you!")
    assert InvitationEmail.objects.get().state == "sent"
    progress = f"{BULK}{response.context['batch']}/"
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
    assert "2 people are invited" in first
    assert second == first.replace("Invitations left 0", "Invitations left 1")
    assert {table for table, rows in scenes.dump().items() if rows != before[table]} == set()


def test_the_same_list_uploaded_again_invites_nobody(member_client: Client) -> None:
    confirm(member_client, payload(member_client, "a@x.org, b@x.org"))
    carried = payload(member_client, "a@x.org, b@x.org")
    response = confirm(member_client, carried)
    assert "Nobody was invited" in words(response)
    assert words(response).count("You have already invited this address.") == 2
    assert InvitationKey.objects.count() == InvitationEmail.objects.count() == 2


def test_a_file_keeps_its_own_reading(member_client: Client) -> None:
    response = member_client.post(BULK, {"file": upload("Doe,ann@example.org\n")})
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
    assert "This list was shown too long ago." in words(response)
    assert response.context["form"].initial == {"people": "ann@example.org", "note": "Hello!"}
    assert not InvitationKey.objects.exists()


def test_a_list_that_the_site_would_no_longer_take_is_refused(
    settings: Any, member_client: Client
) -> None:
    carried = payload(member_client)
    settings.INVITATION_BULK_MAX_ROWS = 1
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
        response = member_client.post(BULK, {"people": "a@x.org"})
    assert "You have already invited this address." in words(response)


def test_the_report_can_be_saved(member_client: Client) -> None:
    people = "email,name\nann@example.org,Ann\n=1+1@example.org,\n@SUM(A1),\n-nobody,"
    carried = payload(member_client, people)
    response = confirm(member_client, carried, table="on")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="report.csv"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]
    headings, *rows = sheet(response)
    assert headings == ["Row", "E-mail address", "Name", "Result", "Reason"]
    assert [row[:4] for row in rows] == [
        ["2", "ann@example.org", "Ann", "invited"],
        ["3", "'=1+1@example.org", "", "invalid"],
        ["4", "'@SUM(A1)", "", "invalid"],
        ["5", "'-nobody", "", "invalid"],
    ]
    assert all(row[4] for row in rows[1:])


# -- the mails -----------------------------------------------------------------------------------


def test_the_progress_counts_the_mails_and_loads_itself_again_only_if_asked(
    batch: lists.ListResult, member_client: Client
) -> None:
    address = f"{BULK}{batch.id}/"
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
    assert "The mails are going out" in words(response)
    assert "Refresh" not in response
    assert "no-store" in response["Cache-Control"]
    refreshing = member_client.get(address, {"refresh": "on"})
    assert refreshing["Refresh"] == "10"
    assert "every 10 seconds" in words(refreshing)
    assert "Stop that" in words(refreshing)
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
    page = member_client.get(f"{BULK}{batch.id}/")
    assert page.context["mails"]["total"] == batch.count(lists.Verdict.INVITED)


def test_the_progress_has_pages(
    batch: lists.ListResult, member_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_views.BulkProgressView, "paginate_by", 2)
    pages = [member_client.get(f"{BULK}{batch.id}/", {"page": page}) for page in (1, 2)]
    shown = [[row.email for row in page.context["invitations"]] for page in pages]
    assert shown == [["guest0@example.org", "guest1@example.org"], ["guest2@example.org"]]
    assert member_client.get(f"{BULK}{batch.id}/", {"page": "x"}).status_code == 404


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
    response = member_client.get(f"{BULK}{batch.id}/outcome.csv")
    assert response["Content-Disposition"] == 'attachment; filename="invitations.csv"'
    headings, *rows = sheet(response)
    assert headings == ["E-mail address", "Name", "Invited", "State", "Mail", "Reason"]
    day = f"{first.date_invited:%Y-%m-%d %H:%M:%S}+00:00"
    assert rows == [
        ["guest0@example.org", "", day, "open", "sent", ""],
        ["guest1@example.org", "", day, "open", "failed", "550 no such user"],
        ["guest2@example.org", "'=HYPERLINK()", day, "withdrawn", "", ""],
    ]


def test_the_outcome_has_local_times_also_where_times_have_no_zone(
    settings: Any, member: Any, member_client: Client
) -> None:
    settings.USE_TZ = False
    batch = lists.invite_many(member, guests(1))
    [_, row] = sheet(member_client.get(f"{BULK}{batch.id}/outcome.csv"))
    assert row[2] == f"{InvitationKey.objects.get().date_invited:%Y-%m-%d %H:%M:%S}"


def test_the_files_speak_the_language_of_who_asks_for_them(
    batch: lists.ListResult, member_client: Client
) -> None:
    german = {"accept-language": "de"}
    response = member_client.get(f"{BULK}{batch.id}/outcome.csv", headers=german)
    assert sheet(response)[0][:3] == ["E-Mail-Adresse (email)", "Name", "Eingeladen am (invited)"]


@pytest.mark.parametrize("language", ["en", "de", "es", "fr"])
def test_the_files_are_read_back_in_every_language(member_client: Client, language: str) -> None:
    spoken = {"accept-language": language}
    carried = payload(member_client, "email,name\nann@example.org,=Ann\nbob@example.org,")
    report = b"".join(confirm(member_client, carried, table="on", headers=spoken).streaming_content)
    confirm(member_client, carried)
    batch = InvitationKey.objects.first().label.rpartition(":")[2]  # type: ignore[union-attr]
    address = f"{BULK}{batch}/outcome.csv"
    outcome = b"".join(member_client.get(address, headers=spoken).streaming_content)  # type: ignore[arg-type]
    for data in (report, outcome):
        people = recipients.parse(recipients.decode(data), pasted=False)
        assert [(person.number, person.email, person.name) for person in people] == [
            (2, "ann@example.org", "=Ann"),
            (3, "bob@example.org", ""),
        ]


def test_a_row_with_two_people_says_so(member_client: Client) -> None:
    text = "name,email\nBoth,Ann <ann@example.org> Bob <bob@example.org>\nCid,cid@example.org"
    page = words(member_client.post(BULK, {"file": upload(text)}))
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
    scenes.no_limits(settings)
    settings.INVITATION_LIMIT_PER_INVITER = settings.INVITATION_LIMIT_PER_DOMAIN = limit
    settings.INVITATION_LIMIT_PER_SITE = settings.INVITATION_LIMIT_PER_RECIPIENT = limit
    settings.INVITATIONS_PER_USER = number
    settings.INVITATION_QUOTA_PERIOD = DAY
    settings.INVITATION_BULK_MAX_ROWS = number
    board = Group.objects.create(name="Board")
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: [board]
    client = Client()
    client.force_login(member)
    client.get(BULK)
    rows = "".join(f"guest{n}@example.org,Guest {n},Board\n" for n in range(number))
    text = f"email,name,groups\n{rows}"
    with counted_statements() as looking:
        response = client.post(BULK, {"file": upload(text)})
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
    address = f"{BULK}{response.context['batch']}/"
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
        response: Any = member_client.get(f"{BULK}{batch.id}/outcome.csv")
        tracemalloc.start()
        assert sum(1 for _ in response.streaming_content) == number + 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


# -- the command ---------------------------------------------------------------------------------


def run(*arguments: str, **options: Any) -> str:
    output = io.StringIO()
    call_command("invite", *arguments, stdout=output, **options)
    return output.getvalue()


@pytest.fixture
def file(tmp_path: Any) -> str:
    path = tmp_path / "people.csv"
    path.write_text(CSV, "utf-8-sig")
    return str(path)


@pytest.mark.anywhere
def test_the_command_invites_and_prints_each_row(
    member: Any, file: str, commit: Commit, settings: Any
) -> None:
    settings.LANGUAGE_CODE = "en"
    with commit():
        lines = run("--csv", file, "--as", member.get_username()).splitlines()
    assert lines[0] == "2: ann@example.org: invited"
    assert lines[1].startswith("3: nobody: invalid: Please enter only the address itself")
    assert lines[2].startswith("4: member@example.com: your own address: This is your own")
    assert lines[3] == "Invited: 1, your own address: 1, invalid: 1."
    assert InvitationKey.objects.get().from_user == member


def test_the_command_takes_the_column_that_is_named(member: Any, tmp_path: Any) -> None:
    path = tmp_path / "class.csv"
    path.write_text("Student,Student Email,Parent Email\nAnn,ann@example.org,mum@example.org\n")
    options = ("--csv", str(path), "--as", "member", "--email-column", "Parent Email")
    assert run(*options).startswith("2: mum@example.org: invited")
    with pytest.raises(CommandError, match="Its columns: Student, Student Email, Parent Email"):
        run(*options[:-1], "Mail of work")


def test_a_dry_run_changes_nothing(member: Any, file: str) -> None:
    before = scenes.dump()
    lines = run("--csv", file, "--as", "member", "--dry-run").splitlines()
    assert (lines[0], lines[-1][:7]) == ("2: ann@example.org: new", "New: 1,")
    assert scenes.dump() == before


def test_the_command_says_how_many_mails_wait(
    member: Any, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "BULK_IMMEDIATE", 0)
    make_mail(make_invitation(member, "earlier@example.org"))
    make_mail(make_invitation(make_user("other"), "another@example.org"))
    lines = run("--csv", file, "--as", "member", "--note", "Hello", "--site", "1").splitlines()
    assert lines[-1] == "Mails that wait for sendinvitations: 1."


@pytest.mark.django_db(transaction=True)
def test_the_command_says_nothing_of_mails_that_wait_for_other_reasons(
    member: Any, file: str
) -> None:
    make_mail(make_invitation(member, "earlier@example.org"))
    lines = run("--csv", file, "--as", "member").splitlines()
    assert lines[-1].startswith("Invited: 1, ")


@pytest.mark.anywhere
@pytest.mark.parametrize("number", [999, -1])
def test_the_command_invites_to_no_site_that_is_not_there(
    member: Any, file: str, number: int
) -> None:
    with pytest.raises(CommandError, match=f"There is no Site {number}"):
        run("--csv", file, "--as", member.get_username(), "--site", str(number))
    assert not InvitationKey.objects.exists()


def test_the_command_can_be_silent(member: Any, file: str) -> None:
    assert run("--csv", file, "--as", "member", verbosity=0) == ""
    assert InvitationKey.objects.count() == 1


def test_the_command_reads_standard_input(member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO(b"email\nann@example.org\n\x1b[31mred,\n")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=data))
    printed = run("--csv", "-", "--as", "member")
    assert "2: ann@example.org: invited" in printed
    assert "3: \N{REPLACEMENT CHARACTER}[31mred: invalid" in printed


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("text", "user", "reason"),
    [
        (CSV, "nobody", "There is no account 'nobody'."),
        (None, "member", "cannot be read: No such file or directory."),
        ("email\n", "member", "There is nobody in this list."),
        ("nobody", "member", "Nobody in this file can be invited."),
    ],
    ids=["no account", "no file", "nobody in it", "nobody can be"],
)
@pytest.mark.parametrize("dry", [True, False])
def test_the_command_fails_where_nothing_can_be_done(
    member: Any, tmp_path: Any, text: str | None, user: str, reason: str, dry: bool
) -> None:
    path = tmp_path / "people.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CommandError, match=re.escape(reason)) as failed:
        run("--csv", str(path), "--as", user, dry_run=dry)
    assert failed.value.returncode == 1
    assert not InvitationKey.objects.exists()


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
    response = member_client.post(BULK, given)
    assert planned(response) == ["ann@example.org", "bob@example.org"]
    assert response.context["columns"] == ["Student Email", "Parent Email"]
    assert "<option selected>Student Email</option>" in response.content.decode()
    data = {"payload": response.context["payload"], "email_column": "Parent Email"}
    response = member_client.post(CONFIRM, data | {"choose": "on", "confirmed": "on"})
    assert planned(response) == ["mum@example.org", "dad@example.org"]
    assert "<option selected>Parent Email</option>" in response.content.decode()
    assert not InvitationKey.objects.exists()
    # Without the button, the list is invited that the page shows, whatever is chosen.
    data = {"payload": response.context["payload"], "email_column": "Student Email"}
    member_client.post(CONFIRM, data | {"confirmed": "on"})
    invited = InvitationKey.objects.order_by("pk").values_list("email", flat=True)
    assert list(invited) == ["mum@example.org", "dad@example.org"]


def test_the_button_comes_before_the_one_that_invites(member_client: Client) -> None:
    page = member_client.post(BULK, {"people": TWO}).content.decode()
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
    response = member_client.post(BULK, {"file": SimpleUploadedFile("x.csv", text.encode())})
    assert response.context["columns"] == []
    assert "email_column" not in response.content.decode()


@pytest.mark.parametrize("column", ["Nothing", "x" * 400])
def test_a_column_that_is_none_is_refused_with_the_columns(
    member_client: Client, column: str
) -> None:
    payload = member_client.post(BULK, {"people": TWO}).context["payload"]
    data = {"payload": payload, "email_column": column, "choose": "on", "confirmed": "on"}
    response = member_client.post(CONFIRM, data)
    assert response.status_code == 409
    assert "Its columns: Student, Student Email, Parent Email" in response.content.decode()
    assert response.context["form"].initial["people"] == TWO
    assert not InvitationKey.objects.exists()


def test_a_list_that_was_shown_before_an_update_is_confirmed(
    member: Any, member_client: Client
) -> None:
    payload = member_client.post(BULK, {"people": TWO}).context["payload"]
    salt = f"invitation.bulk:1:{member.pk}"
    content = signing.loads(payload, salt=salt)
    del content["column"]
    older = signing.dumps(content, salt=salt, compress=True)
    member_client.post(CONFIRM, {"payload": older, "confirmed": "on"})
    assert InvitationKey.objects.count() == 2
