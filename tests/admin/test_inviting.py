"""Staff invite from the admin, in the name of a member or of the site."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core import mail as django_mail
from django.test import Client

from invitation.exceptions import Busy
from invitation.flows import inviting, mail, quota
from invitation.models import InvitationEmail, InvitationKey, InvitationQuota
from tests import staff
from tests.factories import make_acceptance, make_invitation, make_user
from tests.staff import ACCEPTANCES, INVITATIONS, asked, text_of

pytestmark = pytest.mark.django_db

ADD = f"{INVITATIONS}add/"
ADDRESS = "bob@example.org"
#: Statements of an invitation in a member's name: also session, reader, member and the log.
STATEMENTS = 16


@pytest.fixture
def boss() -> Client:
    return staff.boss()


def invite(client: Client, **typed: Any) -> Any:
    """Send the form, with the answers that a browser sends."""
    return client.post(ADD, {"email": ADDRESS, "_save": "Send invitation"} | typed)


def refused(client: Client, **typed: Any) -> dict[str, list[str]]:
    """Send a form that is refused, and return its errors by field."""
    response = invite(client, **typed)
    assert response.status_code == 200
    assert not LogEntry.objects.exists()
    errors: dict[str, list[str]] = response.context["adminform"].form.errors
    page = text_of(response)
    assert "Please correct the error" in page
    for found in errors.values():
        assert all(str(error) in page for error in found)
    return errors


def told(client: Client, response: Any) -> list[str]:
    page = client.get(response["Location"])
    assert page.status_code == 200
    return [str(message) for message in page.context["messages"]]


# -- the way there -----------------------------------------------------------------------------


def test_the_list_has_a_button_that_leads_to_the_form(boss: Client) -> None:
    page = text_of(boss.get(INVITATIONS))
    assert re.search(rf'<a href="{ADD}" class="addlink">\s*Invite\s*</a>', page)
    page = text_of(boss.get(ADD))
    for words in ("Email address", "Inviter (optional)", "Send invitation", "in the site's name"):
        assert words in page
    assert "Add invitation" not in page


@pytest.mark.parametrize(
    ("permissions", "listed", "form"),
    [
        (["add_invitationkey"], 403, 200),
        (["view_invitationkey", "change_invitationkey", "delete_invitationkey"], 200, 403),
        ([], 403, 403),
    ],
)
def test_it_needs_the_permission_to_add(permissions: list[str], listed: int, form: int) -> None:
    clerk = staff.staff(*permissions)
    response = clerk.get(INVITATIONS)
    assert response.status_code == listed
    assert ADD not in response.content.decode()
    assert clerk.get(ADD).status_code == form
    assert invite(clerk).status_code == (302 if form == 200 else form)
    assert InvitationKey.objects.count() == (form == 200)


def test_a_stranger_is_asked_to_log_in() -> None:
    assert invite(Client()).status_code == 302
    assert not InvitationKey.objects.exists()


def test_the_form_costs_few_statements(boss: Client, settings: Any) -> None:
    settings.INVITATION_EXPIRY_CHOICES = [3, 30]
    for number in range(20):
        make_invitation(make_user(f"n{number}"), f"n{number}@example.org")
    boss.get(ADD)  # Django remembers the content type.
    page, cost = asked(boss, ADD)
    assert page.status_code == 200
    assert cost == 2


@pytest.mark.parametrize("others", [0, 20])
def test_inviting_costs_the_same_however_many_there_are(
    boss: Client, others: int, django_assert_max_num_queries: Any
) -> None:
    member = make_user("ann")
    for number in range(others):
        inviting.invite(None, f"n{number}@example.org")
    with django_assert_max_num_queries(STATEMENTS):
        assert invite(boss, from_user=member.pk).status_code == 302


# -- what it does ------------------------------------------------------------------------------


@pytest.mark.anywhere
def test_a_member_of_staff_invites_in_the_sites_name(boss: Client, commit: Any) -> None:
    with commit():
        response = invite(boss)
    [invitation] = InvitationKey.objects.all()
    assert (invitation.email, invitation.from_user) == (ADDRESS, None)
    assert django_mail.outbox[0].to == [ADDRESS]
    assert not InvitationQuota.objects.exists()
    [entry] = LogEntry.objects.all()
    assert (entry.action_flag, entry.object_id) == (ADDITION, str(invitation.pk))
    assert "Invited in the site's name." in entry.get_change_message()
    assert response["Location"] == INVITATIONS
    link = f'<a href="{INVITATIONS}{invitation.pk}/change/">{ADDRESS}</a>'
    assert told(boss, response) == [f"Invitation sent to {link}."]


def test_each_page_says_that_the_site_is_the_inviter(boss: Client) -> None:
    """An account that was deleted is something else."""
    gone = make_invitation(None, "gone@example.org")
    invite(boss)
    invitation = InvitationKey.objects.get(from_site=True)
    carl = make_user("carl")
    row = make_acceptance(carl, invitation)
    page = text_of(boss.get(INVITATIONS))
    assert re.findall(r'field-inviter">([^<]*)<', page) == ["the site", "-"]
    assert ">the site<" in text_of(boss.get(f"{INVITATIONS}{invitation.pk}/change/"))
    assert ">the site<" not in text_of(boss.get(f"{INVITATIONS}{gone.pk}/change/"))
    assert 'field-inviter">the site<' in text_of(boss.get(ACCEPTANCES))
    assert "the site" in text_of(boss.get(f"{ACCEPTANCES}tree/{carl.pk}/"))
    clerk = staff.staff("view_invitationkey")
    assert 'field-inviter_number">the site<' in text_of(clerk.get(INVITATIONS))
    clerk = staff.staff("view_invitationkey", "view_user", name="other")
    assert 'field-inviter_name">the site<' in text_of(clerk.get(INVITATIONS))
    for number, more in enumerate(([], ["view_user"])):
        clerk = staff.staff("view_acceptance", *more, name=f"clerk{number}")
        assert "the site" in text_of(clerk.get(ACCEPTANCES))
        exported: Any = staff.act(clerk, ACCEPTANCES, "export", row)
        assert b"the site" in b"".join(exported.streaming_content)


def test_a_member_of_staff_invites_in_the_name_of_a_member(boss: Client, commit: Any) -> None:
    member = make_user("ann")
    with commit():
        invite(boss, from_user=member.pk, recipient_name="Bob", note="See you!")
    [invitation] = InvitationKey.objects.all()
    assert (invitation.from_user, invitation.recipient_name) == (member, "Bob")
    assert "See you!" in django_mail.outbox[0].body
    assert InvitationQuota.objects.get(inviter=member).spent == 1
    words = f"Invited in the name of member #{member.pk}."
    assert LogEntry.objects.get().get_change_message() == words


def test_it_offers_what_the_site_offers(boss: Client, settings: Any, commit: Any) -> None:
    settings.INVITATION_EXPIRY_CHOICES = [3]
    settings.INVITATION_DESTINATIONS = [("/hello/", "Hello")]
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    member = make_user("ann")
    page = text_of(boss.get(ADD))
    assert "More options" in page
    assert "the inviter's language" in page
    typed = {"from_user": member.pk, "days": "3", "destination": "/hello/", "language": "de"}
    with commit():
        invite(boss, **typed)
    invitation = InvitationKey.objects.get()
    assert invitation.expires_at is not None
    assert (invitation.expires_at - invitation.date_invited).days in (2, 3)
    assert (invitation.destination, invitation.language) == ("/hello/", "de")


def test_another_can_be_invited_next(boss: Client) -> None:
    assert invite(boss, _save="", _addanother="1")["Location"] == ADD
    assert invite(boss)["Location"] != ADD


def test_who_may_not_see_invitations_gets_no_link_to_one() -> None:
    clerk = staff.staff("add_invitationkey")
    response = invite(clerk)
    assert response["Location"] == "/admin/"
    assert told(clerk, response) == [f"Invitation sent to {ADDRESS}."]


def test_who_may_not_see_accounts_types_a_number_and_sees_no_name() -> None:
    member = make_user("ann-secret")
    InvitationQuota.objects.create(inviter=member, spent=10)
    clerk = staff.staff("add_invitationkey", "view_invitationkey")
    response = invite(clerk, from_user=member.pk)
    assert "This member has no invitations left." in text_of(response)
    assert "ann-secret" not in text_of(response)
    seeing = staff.staff("add_invitationkey", "view_user", name="other")
    assert "ann-secret" in text_of(invite(seeing, from_user=member.pk))


@pytest.mark.parametrize(
    ("asked_before", "words"),
    [(True, "got an email a moment ago"), (False, "had a pending invitation")],
)
def test_a_pending_invitation_is_renewed(boss: Client, asked_before: bool, words: str) -> None:
    member = make_user("ann")
    inviting.invite(member, ADDRESS)
    if not asked_before:
        InvitationKey.objects.update(mail_requested_at=None)
        InvitationEmail.objects.update(state=InvitationEmail.State.SENT)
    response = invite(boss, from_user=member.pk)
    assert InvitationKey.objects.count() == 1
    assert InvitationQuota.objects.get(inviter=member).spent == 1
    assert LogEntry.objects.get().action_flag == CHANGE
    [message] = told(boss, response)
    assert words in message


def test_of_somebody_who_has_unsubscribed_it_says_nothing(boss: Client, commit: Any) -> None:
    mail.suppress(ADDRESS)
    said = []
    for address in (ADDRESS, "willing@example.org"):
        with commit():
            response = invite(boss, email=address)
        pk = str(InvitationKey.objects.get(email=address).pk)
        said += [text.replace(address, "A").replace(pk, "N") for text in told(boss, response)]
    assert said[0] == said[1]
    assert [message.to for message in django_mail.outbox] == [["willing@example.org"]]


# -- what is refused ---------------------------------------------------------------------------


def test_an_address_is_refused_beside_its_field(boss: Client, settings: Any) -> None:
    settings.INVITATION_BLOCKED_RECIPIENTS = ["blocked.example"]
    member = make_user("ann")
    assert list(refused(boss, email="bob")) == ["email"]
    assert list(refused(boss, email="")) == ["email"]
    assert list(refused(boss, email="x@blocked.example")) == ["email"]
    own = {"email": ["This is the member's own email address."]}
    assert refused(boss, email=member.email, from_user=member.pk) == own


def test_a_member_who_may_not_invite_is_refused_beside_their_field(
    boss: Client, settings: Any
) -> None:
    member, gone = make_user("ann"), make_user("gone", is_active=False)
    InvitationQuota.objects.create(inviter=member, spent=10)
    none_left = {"from_user": ["This member has no invitations left."]}
    assert refused(boss, from_user=member.pk) == none_left
    forbidden = {"from_user": ["This member is not allowed to invite people."]}
    assert refused(boss, from_user=gone.pk) == forbidden
    nobody = {"from_user": ["No member has this number."]}
    assert refused(boss, from_user=999_999) == nobody
    assert refused(boss, from_user="ann") == nobody
    assert quota.remaining_invitations(member) == 0


LIMITS: dict[str, tuple[dict[str, int], str]] = {
    "inviter": ({"inviter": 0}, "from_user"),
    "recipient": ({"recipient": 0}, "email"),
    "domain": ({"domain": 0}, "email"),
    "site": ({"site": 0}, "__all__"),
}


@pytest.mark.parametrize(("limits", "field"), LIMITS.values(), ids=LIMITS)
def test_a_limit_is_shown_where_it_belongs(
    boss: Client, settings: Any, limits: dict[str, int], field: str
) -> None:
    settings.INVITATION_LIMITS = limits
    assert list(refused(boss, from_user=make_user("ann").pk)) == [field]
    assert not InvitationKey.objects.exists()


def test_a_note_is_refused_beside_its_field(boss: Client) -> None:
    errors = refused(boss, from_user=make_user("ann").pk, note="Go to http://evil.example")
    assert list(errors) == ["note"]


def test_who_may_write_no_links_writes_none_in_the_sites_name_either() -> None:
    link = "Go to http://good.example"
    assert list(refused(staff.staff("add_invitationkey"), note=link)) == ["note"]
    assert invite(staff.staff("add_invitationkey", "link_in_note", name="other"), note=link)
    assert InvitationKey.objects.get().note == link


def test_the_note_says_whether_it_may_have_links(boss: Client) -> None:
    assert "Plain text. Without an inviter, links are allowed." in text_of(boss.get(ADD))
    page = text_of(staff.staff("add_invitationkey").get(ADD))
    assert "Plain text, without links or email addresses." in page


def test_a_busy_database_loses_nothing_that_was_typed(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*args: Any, **kwargs: Any) -> Any:
        raise Busy()

    monkeypatch.setattr(inviting, "invite", busy)
    assert list(refused(boss, recipient_name="Bob")) == ["__all__"]


def test_no_page_of_it_shows_a_key(boss: Client, commit: Callable[..., Any]) -> None:
    with commit():
        page = text_of(boss.get(invite(boss)["Location"]))
    invitation = InvitationKey.objects.get()
    for key in (invitation.locator, invitation.key, invitation.mail_key):
        assert key not in page
