"""Personal notes: who may write one, how long it may be, and who may write links into it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Permission
from django.core import mail as outgoing

from invitation.addresses.recipients import Recipient
from invitation.exceptions import NoteForbidden, TextRefused
from invitation.flows import inviting, lists
from invitation.flows.inviting import check_note, may_write_note, note_length_max
from invitation.models import InvitationKey
from tests import scenes
from tests.factories import ADDRESS, make_user

pytestmark = pytest.mark.django_db

RIGHT = "invitation.link_in_note"
LINK = "See https://example.org/?a=1&b=2 or call 030 1234567"


def let(user: Any, *names: str) -> Any:
    """Give permissions to a user, and return them without what they remember."""
    for name in names:
        codename = name.partition(".")[2]
        user.user_permissions.add(Permission.objects.get(codename=codename))
    return get_user_model()._default_manager.get(pk=user.pk)


def code(*args: Any, **kwargs: Any) -> str:
    try:
        check_note(*args, **kwargs)
    except TextRefused as error:
        return error.code
    return ""


# -- who may write one --


@pytest.mark.anywhere
def test_by_default_everybody_may_write_text() -> None:
    member = make_user()
    assert may_write_note(member)
    assert check_note(member, " Hello.\r\nBye. ") == "Hello.\nBye."


def test_with_a_permission_only_who_has_it(member: Any, settings: Any) -> None:
    settings.INVITATION_NOTE_PERMISSION = RIGHT
    assert not may_write_note(member)
    assert (code(member, "Hello"), code(member, "")) == ("note_forbidden", "")
    assert code(member, LINK) == "note_forbidden"
    member = let(member, RIGHT)
    assert may_write_note(member)
    assert code(member, "Hello") == ""


@pytest.mark.anywhere
@pytest.mark.parametrize("user", [None, AnonymousUser(), object()], ids=["none", "nobody", "any"])
def test_who_has_no_permissions_may_write_none(settings: Any, user: Any) -> None:
    settings.INVITATION_NOTE_PERMISSION = RIGHT
    assert not may_write_note(user)
    settings.INVITATION_NOTE_PERMISSION = None
    assert may_write_note(user)
    assert code(user, LINK) == "link_in_text"


# -- how long it may be --


@pytest.mark.parametrize(("setting", "limit"), [(500, 500), (20, 20), (9000, 500)])
def test_it_may_be_so_long(member: Any, settings: Any, setting: int, limit: int) -> None:
    settings.INVITATION_NOTE_MAX_LENGTH = setting
    assert note_length_max() == limit
    assert check_note(member, "x" * limit) == "x" * limit
    assert code(member, "x" * (limit + 1)) == "text_too_long"


def test_nor_may_it_be_longer_with_links(member: Any, settings: Any) -> None:
    settings.INVITATION_NOTE_MAX_LENGTH = 20
    assert code(let(member, RIGHT), "https://example.org/long") == "text_too_long"


# -- who may write links --


def test_links_are_for_who_has_the_permission(member: Any) -> None:
    assert code(member, LINK) == "link_in_text"
    assert check_note(let(member, RIGHT), LINK) == LINK


def test_superusers_have_it_and_inactive_ones_do_not() -> None:
    boss = make_user("boss", is_superuser=True)
    assert code(boss, LINK) == ""
    boss.is_active = False
    assert code(boss, LINK) == "link_in_text"


def test_invisible_characters_go_from_links_too(member: Any) -> None:
    assert check_note(let(member, RIGHT), "https://exam\u202eple.org") == "https://example.org"


def test_a_note_without_links_costs_nobody_a_query(
    member: Any, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        check_note(member, "Hello")


# -- by each verb --


def test_inviting_without_permission_writes_nothing(member: Any, settings: Any) -> None:
    settings.INVITATION_NOTE_PERMISSION = RIGHT
    before = scenes.dump()
    for verb in (inviting.invite, inviting.preview):
        with pytest.raises(NoteForbidden):
            verb(member, ADDRESS, note="Hello")
    with pytest.raises(NoteForbidden):
        lists.check_list(member, [Recipient(1, ADDRESS)], note="Hello")
    assert scenes.dump() == before
    assert inviting.invite(member, ADDRESS).created


def test_rows_with_a_note_are_refused_one_by_one(member: Any, settings: Any) -> None:
    settings.INVITATION_NOTE_PERMISSION = RIGHT
    rows = [
        Recipient(1, "a@example.org", note="Hello"),
        Recipient(2, "b@example.org"),
        Recipient(3, "c@example.org", note=LINK),
    ]
    batch = lists.invite_many(member, rows)
    assert [(row.verdict, row.code) for row in batch.rows] == [
        ("invalid", "note_forbidden"),
        ("invited", ""),
        ("invalid", "note_forbidden"),
    ]
    settings.INVITATION_NOTE_PERMISSION = None
    settings.INVITATION_NOTE_MAX_LENGTH = 4
    batch = lists.invite_many(member, rows)
    assert [row.code for row in batch.rows] == ["text_too_long", "already_invited", "text_too_long"]
    settings.INVITATION_NOTE_MAX_LENGTH = 500
    batch = lists.invite_many(let(member, RIGHT), rows)
    assert [row.code for row in batch.rows] == ["", "already_invited", ""]


def test_a_link_stands_in_the_mail_as_text(member: Any, settings: Any, commit: Any) -> None:
    settings.INVITATION_DELIVERY = "invitation.delivery.email.EmailDelivery"
    note = f'{LINK} <a href="https://evil.example/">x</a>'
    with commit():
        inviting.invite(let(member, RIGHT), ADDRESS, note=note)
    [sent] = outgoing.outbox
    [(html, _type)] = sent.alternatives
    assert "https://example.org/?a=1&amp;b=2" in html
    assert "&lt;a href=&quot;https://evil.example/&quot;&gt;" in html
    assert 'href="https://example.org' not in html
    assert 'href="https://evil' not in html
    shown = inviting.preview(let(member, RIGHT), "eve@example.org", note=note)
    assert "&lt;a href=" in shown.html
    assert 'href="https://evil' not in shown.html


def test_a_note_is_changed_by_the_same_rules(member: Any, settings: Any) -> None:
    row = inviting.invite(let(member, RIGHT), ADDRESS, note=LINK).invitation
    member.user_permissions.clear()
    settings.INVITATION_NOTE_PERMISSION = RIGHT

    def edit(note: str) -> str:
        fresh = InvitationKey.objects.select_related("from_user").get(pk=row.pk)
        try:
            inviting.edit(fresh, recipient_name="Bob", note=note)
        except TextRefused as error:
            return error.code
        return InvitationKey.objects.get(pk=row.pk).note

    assert edit(LINK) == LINK  # as it is
    assert edit("Hello") == "note_forbidden"
    settings.INVITATION_NOTE_PERMISSION = None
    assert edit(f"{LINK}!") == "link_in_text"
    settings.INVITATION_NOTE_MAX_LENGTH = 4
    assert edit("Hello") == "text_too_long"
    assert edit("") == ""


def test_a_note_that_is_not_allowed_any_more_is_left_out_of_a_renewal(
    member: Any, settings: Any
) -> None:
    scenes.no_limits(settings)
    notes = []
    for rights, most in (([RIGHT], 500), ([], 500), ([RIGHT], 2)):
        row = inviting.invite(let(member, RIGHT), ADDRESS, note=LINK).invitation
        inviting.revoke(row)
        member.user_permissions.clear()
        fresh = InvitationKey.objects.get(pk=row.pk)
        fresh.from_user = let(member, *rights)
        settings.INVITATION_NOTE_MAX_LENGTH = most
        renewed = inviting.renew(fresh).invitation
        settings.INVITATION_NOTE_MAX_LENGTH = 500
        notes.append(renewed.note)
        inviting.revoke(renewed)
    assert notes == [LINK, "", ""]
