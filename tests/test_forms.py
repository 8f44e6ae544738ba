"""The form to invite with: what it refuses, and beside which field it says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from invitation.exceptions import GroupRefused, InvitationError, OwnAddress, QuotaExceeded
from invitation.flows import inviting
from invitation.forms import InvitationEditForm, InvitationKeyForm
from invitation.models import InvitationKey
from tests.factories import ADDRESS, spent

pytestmark = pytest.mark.django_db


def form_of(inviter: Any, email: str = ADDRESS, **data: Any) -> InvitationKeyForm:
    return InvitationKeyForm({"email": email, **data}, inviter=inviter)


@pytest.mark.anywhere
def test_saving_invites(member: Any) -> None:
    form = form_of(member, " Bob@Example.org ", recipient_name="Bob", note="See you")
    assert form.is_valid(), form.errors
    invited = form.save()
    invitation = InvitationKey.objects.get()
    assert (invited.invitation, invited.created) == (invitation, True)
    assert (invitation.email, invitation.from_user) == ("Bob@example.org", member)
    assert (invitation.recipient_name, invitation.note) == ("Bob", "See you")


def test_the_address_alone_is_enough(member: Any) -> None:
    form = form_of(member)
    assert form.is_valid()
    assert form.save().created


def test_it_invites_to_the_given_site(member: Any, settings: Any) -> None:
    settings.INVITATION_BASE_URL = "https://example.org"
    form = InvitationKeyForm({"email": ADDRESS}, inviter=member, site_id=2)
    assert form.is_valid()
    assert form.save().invitation.site_id == 2


def test_what_else_is_posted_does_not_count(member: Any) -> None:
    odd = {"status": "accepted", "max_uses": "99", "uses": "0", "from_user": "99", "data": "{}"}
    form = form_of(member, **odd)
    assert form.is_valid()
    invitation = form.save().invitation
    assert (invitation.max_uses, invitation.status, invitation.from_user) == (1, "pending", member)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("email", "", "required"),
        ("email", "bob", "invalid_address"),
        ("email", "a@b", "unreachable_domain"),
        ("email", "=?utf-8?q?a=40evil.com?=@good.com", "encoded_word"),
        ("email", "mıke@good.com", "non_ascii_local_part"),
        ("email", f"{'a' * 65}@good.com", "too_long"),
        ("email", "a" * 10_000, "max_length"),
        ("recipient_name", "x" * 61, "max_length"),
        ("note", "x" * 501, "max_length"),
        ("note", "look at www.evil.example", "link_in_text"),
    ],
)
def test_what_cannot_be_mailed_is_said_beside_its_field(
    member: Any, field: str, value: str, code: str
) -> None:
    form = form_of(member, **({"email": ADDRESS} | {field: value}))
    assert not form.is_valid()
    assert [error.code for error in form.errors.as_data()[field]] == [code]
    assert list(form.errors) == [field]


@pytest.mark.parametrize(
    ("error", "field"), [(OwnAddress(), "email"), (QuotaExceeded(), "__all__")]
)
def test_what_the_verb_refuses_is_said_where_it_belongs(
    member: Any, error: InvitationError, field: str
) -> None:
    form = form_of(member)
    assert form.is_valid()
    form.refused(error)
    [told] = form.errors.as_data()[field]
    assert (told.code, told.message) == (error.code, str(error))


def test_a_refused_form_spends_nothing(member: Any) -> None:
    form = form_of(member, "member@example.com")
    assert form.is_valid()
    with pytest.raises(OwnAddress):
        form.save()
    assert spent(member) == 0


def test_browsers_do_not_fill_in_the_members_own_address(member: Any) -> None:
    page = InvitationKeyForm(inviter=member).as_p()
    assert page.count('autocomplete="off"') == 2
    assert 'type="email"' in page


def test_a_line_break_counts_as_the_browser_counted_it(member: Any) -> None:
    note = "a\n" * 249 + "bc"
    form = form_of(member, note=note.replace("\n", "\r\n"))
    assert form.is_valid(), form.errors
    assert form.cleaned_data["note"] == note


# -- groups --


@pytest.fixture
def altos(db: None) -> Group:
    return Group.objects.create(name="Altos")


@pytest.mark.anywhere
def test_who_may_give_no_group_is_not_asked_for_any(
    member: Any, altos: Group, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        form = form_of(member, groups=[""])
        assert form.is_valid()
    assert "groups" not in form.fields
    assert not form.save().invitation.groups.exists()


@pytest.mark.anywhere
@pytest.mark.parametrize("posted", ["it", "999", "x", "\0", "\ud800"])
def test_a_group_from_who_may_give_none_is_an_error_beside_the_form(
    member: Any, altos: Group, posted: str
) -> None:
    text = str(altos.pk) if posted == "it" else posted
    form = form_of(member, groups=[text])
    assert [error.code for error in form.non_field_errors().as_data()] == ["group_refused"]
    invitation = inviting.invite(member, ADDRESS).invitation
    changed = InvitationEditForm({"groups": [text]}, invitation=invitation, inviter=member)
    assert [error.code for error in changed.non_field_errors().as_data()] == ["group_refused"]


def test_the_page_shows_that_error_and_spends_nothing(member: Any, altos: Group) -> None:
    browser = Client()
    browser.force_login(member)
    for button in ("send", "preview", "no_mail"):
        typed = {"email": ADDRESS, "groups": [altos.pk], button: "1"}
        page = browser.post("/accounts/invite/", typed)
        assert page.status_code == 200
        assert "You may not give this group to people you invite." in page.content.decode()
    assert not InvitationKey.objects.exists()
    assert "groups" not in page.context["form"].fields


@pytest.mark.anywhere
def test_who_may_give_groups_chooses_among_them(settings: Any, member: Any, altos: Group) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: [altos]
    form = form_of(member, groups=[str(altos.pk)])
    assert form.fields["groups"].choices == [(altos.pk, "Altos")]  # type: ignore[attr-defined]
    assert form.is_valid(), form.errors
    assert list(form.save().invitation.groups.all()) == [altos]


@pytest.mark.anywhere
@pytest.mark.parametrize("posted", ["other", "0", "x", "-1", "9" * 40, "\0", "1e3"])
def test_a_group_outside_the_list_is_refused(
    settings: Any, member: Any, altos: Group, posted: str
) -> None:
    other = Group.objects.create(name="Staff")
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: [altos]
    form = form_of(member, groups=[str(other.pk) if posted == "other" else posted])
    assert not form.is_valid()
    assert [error.code for error in form.errors.as_data()["groups"]] == ["invalid_choice"]
    assert not InvitationKey.objects.exists()


def test_a_right_that_is_lost_between_looking_and_sending_is_told_beside_the_field(
    settings: Any, member: Any, altos: Group
) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: [altos]
    form = form_of(member, groups=[str(altos.pk)])
    assert form.is_valid()
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: []
    with pytest.raises(GroupRefused) as refused:
        form.save()
    form.refused(refused.value)
    assert [error.code for error in form.errors.as_data()["groups"]] == ["group_refused"]


def test_inviting_again_without_a_group_takes_none_away(
    settings: Any, member: Any, altos: Group
) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: [altos]
    invitation = inviting.invite(member, ADDRESS, groups=[altos]).invitation
    form = form_of(member)
    assert form.is_valid()
    assert not form.save().created
    assert list(invitation.groups.all()) == [altos]


def test_an_edit_form_shows_and_changes_what_an_invitation_carries(
    settings: Any, member: Any, altos: Group
) -> None:
    basses = Group.objects.create(name="Basses")
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: [altos, basses]
    invitation = inviting.invite(member, ADDRESS, groups=[altos]).invitation
    form = InvitationEditForm(invitation=invitation, inviter=member)
    assert form.initial["groups"] == [altos.pk]
    form = InvitationEditForm({"groups": [str(basses.pk)]}, invitation=invitation, inviter=member)
    assert form.is_valid(), form.errors
    form.save()
    assert list(invitation.groups.all()) == [basses]


def test_an_edit_form_without_the_field_leaves_the_groups(
    settings: Any, member: Any, altos: Group
) -> None:
    settings.INVITATION_GRANTABLE_GROUPS = lambda user: [altos]
    invitation = inviting.invite(member, ADDRESS, groups=[altos]).invitation
    settings.INVITATION_GRANTABLE_GROUPS = None
    form = InvitationEditForm({"groups": ""}, invitation=invitation, inviter=member)
    assert form.is_valid()
    form.save()
    assert list(invitation.groups.all()) == [altos]
