"""Shared links in the admin, and what staff extend."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.utils import timezone

from invitation.models import InvitationEmail, InvitationKey
from tests import staff
from tests.factories import DAY, make_invitation, make_user
from tests.staff import ACCEPTANCES, INVITATIONS, said, text_of

pytestmark = pytest.mark.django_db
Status = InvitationKey.Status


def make_link(inviter: Any, label: str = "Open day", **fields: Any) -> InvitationKey:
    fields = {"max_uses": 20, "uses": 3} | fields
    return make_invitation(inviter, "", shared=True, label=label, **fields)


def page_of(invitation: InvitationKey) -> str:
    return f"{INVITATIONS}{invitation.pk}/change/"


def change(invitation: InvitationKey, **fields: Any) -> Any:
    data = {"label": "", "data": "{}", "expires_at_0": "2099-01-01", "expires_at_1": "12:00:00"}
    for formset in ("acceptances", "mails"):
        data |= {f"{formset}-TOTAL_FORMS": "0", f"{formset}-INITIAL_FORMS": "0"}
    return staff.boss().post(page_of(invitation), data | fields)


# -- the list ----------------------------------------------------------------------------------


@pytest.mark.anywhere
def test_the_list_shows_label_and_uses(member: Any) -> None:
    make_link(member)
    make_link(member, "", max_uses=None, uses=0)
    shown = text_of(staff.boss().get(INVITATIONS))
    assert "Open day (" in shown
    assert '<td class="field-used">3 / 20</td>' in shown
    assert '<td class="field-used">0 / ∞</td>' in shown


def test_a_link_without_label_is_called_one(member: Any) -> None:
    make_link(member, "")
    assert ">shared link</a></th>" in text_of(staff.boss().get(INVITATIONS))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"paused_at": timezone.now()}, "paused"),
        ({"paused_at": timezone.now(), "left": -DAY}, "expired"),
        ({"paused_at": timezone.now(), "status": Status.REVOKED}, "revoked"),
        ({}, "active"),
        ({"status": Status.ACCEPTED, "max_uses": 1, "uses": 1}, "used up"),
    ],
    ids=["paused", "paused and over", "paused and revoked", "open", "full"],
)
def test_the_list_says_whether_a_link_is_paused(
    member: Any, fields: dict[str, Any], words: str
) -> None:
    make_link(member, **fields)
    assert f'<td class="field-state">{words}</td>' in text_of(staff.boss().get(INVITATIONS))


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=shared", {"open", "paused", "over"}),
        ("kind=personal", {""}),
        ("kind=nonsense", {"", "open", "paused", "over"}),
        ("state=paused", {"paused"}),
        ("state=pending", {"", "open", "paused"}),
        ("q=PAUSED", {"paused"}),
        ("q=beans", {"open"}),
    ],
)
@pytest.mark.anywhere
def test_links_can_be_filtered_and_searched(member: Any, query: str, found: set[str]) -> None:
    make_invitation(member)
    make_link(member, "open", word="beans-for-all")
    make_link(member, "paused", paused_at=timezone.now())
    make_link(member, "over", paused_at=timezone.now(), left=-DAY)
    response = staff.boss().get(f"{INVITATIONS}?{query}")
    assert {row.label for row in response.context["cl"].result_list} == found


def test_an_acceptance_names_the_link(member: Any) -> None:
    make_link(member).acceptances.create(user=make_user("bob"))
    client = staff.boss()
    assert "Open day (shared link)" in text_of(client.get(ACCEPTANCES))
    response = client.get(ACCEPTANCES, {"q": "open day"})
    assert len(response.context["cl"].result_list) == 1


@pytest.mark.parametrize("lookup", ["code_digest", "code_digest__startswith", "pending_slot"])
def test_no_handmade_filter_tells_of_a_code(member: Any, lookup: str) -> None:
    make_link(member, code_digest=b"d" * 32)
    assert staff.boss().get(INVITATIONS, {lookup: "d"}).status_code == 400


# -- one link ----------------------------------------------------------------------------------


def test_the_page_of_a_link_has_what_it_has_and_no_more(member: Any) -> None:
    link = make_link(
        member,
        code_digest=b"digest" * 5,
        word="beans-for-all",
        allowed_domains=["xn--mnchen-3ya.example", "other.example"],
    )
    link.groups.add(Group.objects.create(name="Gardeners"))
    shown = text_of(staff.boss().get(page_of(link)))
    for words in ("beans-for-all", "münchen.example, other.example", "Gardeners", "3 / 20"):
        assert words in shown
    assert 'name="label" value="Open day"' in shown
    assert f"Open day ({link.key_hint})" in shown
    assert "digestdigest" not in shown
    names = ("email", "recipient_name", "note", "word", "max_uses", "groups")
    assert not [name for name in names if f'name="{name}"' in shown]


def test_a_link_without_domains_is_for_all(member: Any) -> None:
    assert '<div class="readonly">all</div>' in text_of(
        staff.boss().get(page_of(make_link(member)))
    )


def test_a_personal_invitation_has_no_fields_of_a_link(member: Any) -> None:
    shown = text_of(staff.boss().get(page_of(make_invitation(member))))
    assert 'name="label"' not in shown
    assert 'name="note"' in shown
    assert "Allowed domains" not in shown


def test_the_label_can_be_corrected_and_what_was_paid_for_cannot(member: Any) -> None:
    link = make_link(member, word="beans")
    before = InvitationKey.objects.values().get()
    forged = {"max_uses": 999, "word": "peas", "shared": "", "quota_held": 0, "code_digest": "x"}
    forged |= {
        "allowed_domains": "[]",
        "paused_at": "2026-01-01",
        "groups": ["1"],
        "email": "a@b.c",
    }
    assert change(link, label="Open\u202e day\n2027", **forged).status_code == 302
    after = InvitationKey.objects.values().get()
    assert {name for name in before if before[name] != after[name]} == {"label", "expires_at"}
    assert after["label"] == "Open day 2027"
    assert not link.groups.exists()


def test_the_label_of_a_link_that_has_ended_stays(member: Any) -> None:
    link = make_link(member, status=Status.REVOKED)
    assert change(link, label="Reopened").status_code == 302
    link.refresh_from_db()
    assert link.label == "Open day"


# -- actions -----------------------------------------------------------------------------------


def test_a_link_is_not_mailed_and_the_list_says_why(member: Any) -> None:
    links = [make_link(member), make_link(member, "Other")]
    mailed = make_invitation(member)
    assert said(staff.boss(), INVITATIONS, "resend", mailed, *links) == [
        "1 invitation was resent.",
        "2 invitations have no email address, so they were not resent.",
    ]
    assert InvitationEmail.objects.get().invitation == mailed


def test_a_link_can_be_revoked(member: Any) -> None:
    link = make_link(member)
    assert said(staff.boss(), INVITATIONS, "revoke", link) == ["1 invitation was revoked."]
    link.refresh_from_db()
    assert link.status == Status.REVOKED


def test_extending_says_for_how_many_it_worked(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 0
    soon = [make_invitation(member, f"soon{number}@example.org") for number in range(2)]
    late = make_invitation(
        member, "late@example.org", status=Status.EXPIRED, quota_held=1, left=-DAY
    )
    accepted = make_invitation(member, "in@example.org", status=Status.ACCEPTED, uses=1)
    unpaid = make_invitation(member, "unpaid@example.org", status=Status.EXPIRED, quota_held=0)
    twice = make_invitation(member, "soon0@example.org", status=Status.EXPIRED, quota_held=1)
    rows = [*soon, late, accepted, unpaid, twice]
    assert sorted(said(staff.boss(), INVITATIONS, "extend", *rows)) == [
        "1 invitation is no longer pending, so it was not changed.",
        "1 invitation stays expired: its inviter has a pending one to this address.",
        "1 invitation stays expired: its inviter has no invitations left.",
        "3 invitations were extended.",
    ]
    for row in [*soon, late]:
        row.refresh_from_db()
        assert row.is_usable()
        assert row.expires_at is not None
        assert row.expires_at > timezone.now() + 6 * DAY
    assert list(LogEntry.objects.values_list("change_message", flat=True)) == ["Extended."] * 3


def test_extending_needs_the_permission_to_change(member: Any) -> None:
    invitation = make_invitation(member)
    before = invitation.expires_at
    viewer = staff.staff("view_invitationkey")
    staff.act(viewer, INVITATIONS, "extend", invitation)
    invitation.refresh_from_db()
    assert invitation.expires_at == before
    changer = staff.staff("view_invitationkey", "change_invitationkey", name="changer")
    assert said(changer, INVITATIONS, "extend", invitation) == ["1 invitation was extended."]
