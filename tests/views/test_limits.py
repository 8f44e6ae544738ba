"""What members, staff and operators are shown of the limits of emails and of notes."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from invitation.forms import InvitationEditForm, InvitationKeyForm, ListForm
from invitation.models import InvitationEmail, InvitationKey, MailCounter
from tests import scenes
from tests.factories import DAY
from tests.scenes import INVITE, NEWCOMER
from tests.staff import INVITATIONS, boss, said, staff

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]

LIST = "/accounts/invitations/"
PAGE = "/accounts/invite/list/"
NAMES = ("inviter", "recipient", "domain", "site")


@pytest.fixture(autouse=True)
def _alone(settings: Any) -> None:
    scenes.no_limits(settings)


def limit(settings: Any, name: str, times: int | None = 0) -> None:
    settings.INVITATION_LIMITS = {**settings.INVITATION_LIMITS, name: times}


def rested() -> None:
    """Let the cool-down pass, and the emails be sent."""
    InvitationKey.objects.update(mail_requested_at=timezone.now() - DAY)
    InvitationEmail.objects.update(state=InvitationEmail.State.SENT)


# -- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_form_says_it_beside_the_right_field(
    member: Any, member_client: Client, settings: Any, name: str
) -> None:
    limit(settings, name)
    before = scenes.dump()
    response = member_client.post(INVITE, {"email": NEWCOMER, "note": "Hello"})
    assert response.status_code == 200
    field = "email" if name in ("recipient", "domain") else "__all__"
    [(where, [error])] = response.context["form"].errors.as_data().items()
    assert (where, error.code) == (field, f"{name}_limit_reached")
    assert "Try again tomorrow." in response.content.decode()
    assert NEWCOMER in response.content.decode()
    assert scenes.dump() == before


def test_a_preview_needs_no_room(member_client: Client, settings: Any) -> None:
    limit(settings, "site")
    response = member_client.post(INVITE, {"email": NEWCOMER, "preview": "1"})
    assert response.context["preview"].subject


def test_so_does_a_link_without_a_mail(member_client: Client, settings: Any) -> None:
    limit(settings, "site")
    response = member_client.post(INVITE, {"email": NEWCOMER, "no_mail": "1"})
    assert response.status_code == 302
    assert not InvitationEmail.objects.exists()


def test_the_page_of_an_invitation_says_it(
    member: Any, member_client: Client, settings: Any
) -> None:
    row = scenes.invite(member)
    rested()
    limit(settings, "inviter")
    before = scenes.dump()
    response = member_client.post(f"{LIST}{row.pk}/resend/")
    assert response.status_code == 409
    assert "You cannot send more invitations today." in response.content.decode()
    assert scenes.dump() == before


def test_the_page_that_renews_says_it(member: Any, member_client: Client, settings: Any) -> None:
    row = scenes.invite(member)
    scenes.end(row, "revoked")
    limit(settings, "recipient")
    response = member_client.post(f"{LIST}{row.pk}/renew/")
    assert response.status_code == 409
    assert "No more emails can be sent to this address today." in response.content.decode()
    assert InvitationKey.objects.count() == 1


def test_a_list_says_it_row_by_row(
    member: Any, member_client: Client, settings: Any, commit: Commit
) -> None:
    limit(settings, "recipient", 1)
    people = "a@example.org\na+b@example.org\nc@example.org"
    before = scenes.dump()
    page = member_client.post(PAGE, {"people": people})
    assert {table: rows for table, rows in scenes.dump().items() if rows != before[table]} == {}
    assert page.context["number"] == 2
    assert [row.code for row, *_cells in page.context["wrong_rows"]] == ["recipient_limit_reached"]
    confirm = {"payload": page.context["payload"], "confirmed": "on"}
    with commit():
        done = member_client.post(f"{PAGE}confirm/", confirm)
    assert done.context["number"] == 2
    assert "No more emails can be sent to this address today." in done.content.decode()
    table = member_client.post(f"{PAGE}confirm/", confirm | {"table": "on"})
    lines = b"".join(table.streaming_content).decode().splitlines()
    assert "2,a+b@example.org,,over the daily limit,No more emails can be sent" in lines[2]
    assert InvitationEmail.objects.count() == 2


def test_staff_are_told_for_how_many_it_is_too_much(
    member: Any, settings: Any, commit: Commit
) -> None:
    rows = [scenes.invite(member, f"{name}@x.org") for name in "abc"]
    rested()
    limit(settings, "domain", 1)
    with commit():
        told = said(boss(), INVITATIONS, "resend", *rows)
    assert told == [
        "1 invitation was resent.",
        "2 invitations were not resent: today's limit of emails is reached.",
    ]


def test_the_command_says_it_for_each_row(
    member: Any, settings: Any, tmp_path: Path, commit: Commit
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("email\na@x.org\nb@x.org\n")
    limit(settings, "domain", 1)
    name, out = member.get_username(), StringIO()
    with commit():
        call_command("invite", "--csv", str(file), "--as", name, stdout=out)
    assert "3: b@x.org: over the daily limit: No more emails can be sent to " in out.getvalue()
    assert "Invited: 1, over the daily limit: 1." in out.getvalue()
    with pytest.raises(CommandError):
        call_command("invite", "--csv", str(file), "--as", name, "--dry-run", stdout=out)


def test_cleanup_forgets_old_counters() -> None:
    MailCounter.objects.create(scope=b"old", updated_at=timezone.now() - 2 * DAY)
    MailCounter.objects.create(scope=b"new", updated_at=timezone.now())
    call_command("cleanupinvitation", "--dry-run", verbosity=0)
    assert MailCounter.objects.count() == 2
    call_command("cleanupinvitation", verbosity=0)
    assert MailCounter.objects.get().scope == b"new"


# -- notes ---------------------------------------------------------------------------------------


def forms(member: Any) -> list[Any]:
    row = scenes.invite(member)
    row.refresh_from_db()
    return [
        InvitationKeyForm(inviter=member),
        ListForm(inviter=member),
        InvitationEditForm(invitation=row, inviter=member),
    ]


def test_who_may_write_no_note_is_not_asked_for_one(member: Any, settings: Any) -> None:
    settings.INVITATION_NOTE_PERMISSION = "invitation.link_in_note"
    assert ["note" in form.fields for form in forms(member)] == [False] * 3
    settings.INVITATION_NOTE_PERMISSION = None
    assert ["note" in form.fields for form in forms(member)] == [True] * 3


def test_the_forms_work_without_it(
    member: Any, member_client: Client, settings: Any, commit: Commit
) -> None:
    row = scenes.invite(member, note="As it was")
    settings.INVITATION_NOTE_PERMISSION = "invitation.link_in_note"
    typed = {"email": "a@example.org", "note": "Smuggled in"}
    assert member_client.post(INVITE, typed | {"preview": "1"}).context["preview"]
    assert member_client.post(INVITE, typed).status_code == 302
    assert InvitationKey.objects.get(email="a@example.org").note == ""
    edited = member_client.post(
        f"{LIST}{row.pk}/edit/", {"recipient_name": "Bob", "note": "Smuggled in"}
    )
    assert edited.status_code == 302
    row.refresh_from_db()
    assert (row.recipient_name, row.note) == ("Bob", "As it was")
    page = member_client.post(PAGE, {"people": "b@example.org", "note": "Smuggled in"})
    with commit():
        member_client.post(
            f"{PAGE}confirm/", {"payload": page.context["payload"], "confirmed": "on"}
        )
    assert InvitationKey.objects.get(email="b@example.org").note == ""


def test_the_forms_take_no_more_than_the_site_allows(
    member: Any, member_client: Client, settings: Any
) -> None:
    settings.INVITATION_NOTE_MAX_LENGTH = 20
    for form in forms(member):
        assert form.fields["note"].widget.attrs["maxlength"] == "20"
    response = member_client.post(INVITE, {"email": "a@example.org", "note": "x" * 21})
    [error] = response.context["form"].errors.as_data()["note"]
    assert error.code == "max_length"


def test_a_field_of_the_site_s_own_keeps_its_limit(member: Any) -> None:
    class OwnForm(InvitationKeyForm):
        note = type(InvitationKeyForm.base_fields["note"])(max_length=9, required=False)

    class PlainForm(InvitationKeyForm):
        note = None  # type: ignore[assignment]

    assert OwnForm(inviter=member).fields["note"].max_length == 9
    assert "note" not in PlainForm(inviter=member).fields


def test_an_old_note_that_is_longer_may_stay(
    member: Any, member_client: Client, settings: Any
) -> None:
    row = scenes.invite(member, note="x" * 30)
    settings.INVITATION_NOTE_MAX_LENGTH = 20
    for note, status in (("x" * 30, 302), ("y" * 30, 200)):
        typed = {"recipient_name": "Bob", "note": note}
        assert member_client.post(f"{LIST}{row.pk}/edit/", typed).status_code == status


def test_who_may_write_links_may_do_so_on_all_pages(
    member: Any, member_client: Client, settings: Any, commit: Commit
) -> None:
    note = "See https://example.org/"
    response = member_client.post(INVITE, {"email": "a@example.org", "note": note})
    [error] = response.context["form"].errors.as_data()["note"]
    assert error.code == "link_in_text"
    member.user_permissions.add(Permission.objects.get(codename="link_in_note"))
    assert member_client.post(INVITE, {"email": "a@example.org", "note": note}).status_code == 302
    row = InvitationKey.objects.get(email="a@example.org")
    assert row.note == note
    shown = member_client.get(f"{LIST}{row.pk}/").content.decode()
    assert note in shown
    assert 'href="https://example.org/"' not in shown
    page = member_client.post(PAGE, {"people": "b@example.org", "note": note})
    assert page.context["number"] == 1


@pytest.mark.parametrize(
    ("power", "said"),
    [
        ({}, "Plain text, without links or email addresses."),
        ({"is_superuser": True}, "Plain text. Links are allowed."),
    ],
)
def test_the_note_says_whether_it_may_have_links(power: dict[str, bool], said: str) -> None:
    client = Client()
    client.force_login(scenes.make_user("owner", **power))
    assert client.get(INVITE).context["form"].fields["note"].help_text == said
    help_of_a_list = client.get(PAGE).context["form"].fields["note"].help_text
    assert help_of_a_list == f"{said} For everyone without their own note."


def change(client: Client, row: InvitationKey, note: str) -> Any:
    data = {"note": note, "recipient_name": "", "data": "{}"}
    data |= {"expires_at_0": "2099-01-01", "expires_at_1": "12:00"}
    for prefix in ("acceptances", "mails"):
        data |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    client.post(f"{INVITATIONS}{row.pk}/change/", data)
    row.refresh_from_db()
    return row.note


def test_in_the_admin_it_goes_by_who_changes_it(member: Any, settings: Any) -> None:
    row = scenes.invite(member, note="As it was")
    settings.INVITATION_NOTE_PERMISSION = "invitation.link_in_note"
    clerk = staff("change_invitationkey")
    assert change(clerk, row, "Hello") == "As it was"
    editor = staff("change_invitationkey", "link_in_note", name="editor")
    assert change(editor, row, "See www.example.org") == "See www.example.org"
    assert change(clerk, row, "See www.example.com") == "See www.example.org"
    settings.INVITATION_NOTE_PERMISSION = None
    assert change(clerk, row, "Hello") == "Hello"
