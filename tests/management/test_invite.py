"""The command that invites: whom, in whose name, what it prints, and what it refuses."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import mail as outgoing
from django.core.management import CommandError, call_command
from django.utils.translation import get_language, override

from invitation.flows.mail import queueing
from invitation.models import InvitationKey, QuotaEntry
from tests import scenes
from tests.factories import make_invitation, make_mail, make_user, spent

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]

CSV = "email,name,note\nann@example.org,Ann,Hello\nnobody,,\nmember@example.com,Me,\n"


@pytest.fixture(autouse=True)
def language_of_the_test() -> Iterator[None]:
    """Leave the language as it was: a command uses that of the site."""
    with override(get_language()):
        yield


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
    assert lines[1].startswith("3: nobody: invalid: Enter a whole address,")
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
    last = "Read the column Student Email. For others, use --email-column: Parent Email.\n"
    assert run(*options[:4], "--dry-run").endswith(last)


def test_a_dry_run_changes_nothing(member: Any, file: str) -> None:
    before = scenes.dump()
    lines = run("--csv", file, "--as", "member", "--dry-run").splitlines()
    assert (lines[0], lines[-1][:7]) == ("2: ann@example.org: new", "New: 1,")
    assert scenes.dump() == before


def test_the_command_says_how_many_mails_wait(
    member: Any, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "MOST_AT_ONCE", 0)
    make_mail(make_invitation(member, "earlier@example.org"))
    make_mail(make_invitation(make_user("other"), "another@example.org"))
    lines = run("--csv", file, "--as", "member", "--note", "Hello", "--site", "1").splitlines()
    assert lines[-1] == "Emails that wait for sendinvitations: 1."


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
        (CSV, "nobody", 'There is no member "nobody". Use a login name or an email address.'),
        (None, "member", "cannot be read: No such file or directory."),
        ("email\n", "member", "This list is empty."),
        ("nobody", "member", "Nobody can be invited."),
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


# -- addresses, and the site as the inviter --


@pytest.mark.anywhere
def test_the_site_invites_the_addresses_of_the_command(commit: Commit, settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"
    settings.INVITATIONS_PER_USER = 0
    with commit():
        printed = run("ann@example.org", "Bob Roe <bob@example.org>", "--note", "Come.")
    assert printed.splitlines()[:3] == [
        "ann@example.org: invited",
        "bob@example.org: invited",
        "Invited: 2.",
    ]
    ann, bob = InvitationKey.objects.order_by("pk")
    assert (ann.from_user, ann.from_site, ann.note) == (None, True, "Come.")
    assert (bob.email, bob.recipient_name) == ("bob@example.org", "Bob Roe")
    assert [message.to for message in outgoing.outbox] == [[ann.email], [bob.email]]
    assert not QuotaEntry.objects.exists()


def test_the_command_again_invites_nobody_twice() -> None:
    run("ann@example.org")
    printed = run("ann@example.org", "bob@example.org").splitlines()
    assert printed[0].startswith("ann@example.org: already invited: ")
    assert printed[1] == "bob@example.org: invited"
    with pytest.raises(CommandError, match=r"Nobody can be invited\."):
        run("ann@example.org")


@pytest.mark.parametrize("name", ["member", "Member@Example.com"])
def test_a_member_is_named_by_login_or_address_and_pays(member: Any, name: str) -> None:
    run("ann@example.org", "--as", name)
    assert InvitationKey.objects.get().from_user == member
    assert spent(member) == 1


def test_a_member_who_may_not_invite_is_refused(member: Any) -> None:
    type(member)._default_manager.update(is_active=False)
    with pytest.raises(CommandError):
        run("ann@example.org", "--as", "member")
    assert not InvitationKey.objects.exists()


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Say whom to invite: manage.py invite ann@example.org"),
        (["--as", "member"], "Say whom to invite"),
        (["ann@example.org", "--csv", "people.csv"], "Name addresses or a file with --csv, not"),
        (["ann@example.org", "--as", ""], 'There is no member "".'),
        (["ann@example.org", "--as", "nobody"], "Use a login name or an email address."),
        (["nobody"], "Nobody can be invited."),
    ],
)
def test_what_is_missing_is_said(member: Any, arguments: list[str], reason: str) -> None:
    make_user("blank", email="")
    with pytest.raises(CommandError, match=re.escape(reason)):
        run(*arguments)
    assert not InvitationKey.objects.exists()


def test_a_dry_run_of_the_site_changes_nothing() -> None:
    before = scenes.dump()
    assert run("ann@example.org", "--dry-run").splitlines() == ["ann@example.org: new", "New: 1."]
    assert scenes.dump() == before
