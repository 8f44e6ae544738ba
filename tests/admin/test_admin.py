"""What staff see and do: no query per row, no key anywhere, flows behind the actions."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core import mail
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from invitation.admin.base import user_search_fields
from invitation.admin.invitations import InvitationKeyForm
from invitation.exceptions import InvitationError
from invitation.flows import inviting
from invitation.flows import quota as quota_room
from invitation.flows.quota import grant, ledger_differences
from invitation.models import (
    Acceptance,
    DeliveryPause,
    InvitationEmail,
    InvitationKey,
    InvitationQuota,
    QuotaEntry,
)
from tests.staff import staff

pytestmark = pytest.mark.django_db

Commit = Callable[..., AbstractContextManager[Any]]
Status = InvitationKey.Status
State = InvitationEmail.State


def make_user(name: str, **fields: Any) -> Any:
    model = get_user_model()
    address = f"{name}@example.com"
    names = {model.USERNAME_FIELD: name, "email": address}
    if model.USERNAME_FIELD == "email":
        names = {"email": address}
    return model._default_manager.create_user(password="secret", **names, **fields)


def make_invitation(
    inviter: Any, email: str = "bob@example.org", mail_state: str = State.SENT, **fields: Any
) -> InvitationKey:
    fields = {"expires_at": timezone.now() + timedelta(days=7), "quota_held": 1} | fields
    invitation = InvitationKey(from_user=inviter, email=email, email_key=email.lower(), **fields)
    if invitation.status == Status.PENDING:
        invitation.pending_slot = invitation.slot()
    invitation.save()
    if mail_state:
        InvitationEmail.objects.create(invitation=invitation, state=mail_state, attempts=1)
    return invitation


def url(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:invitation_{model._meta.model_name}_{page}", args=args)


INVITATIONS = "/admin/invitation/invitationkey/"
QUOTAS = "/admin/invitation/invitationquota/"
MAILS = "/admin/invitation/invitationemail/"
ACCEPTANCES = "/admin/invitation/acceptance/"


def log_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def superuser(db: None) -> Any:
    return make_user("root", is_staff=True, is_superuser=True)


@pytest.fixture
def admin_client(superuser: Any) -> Client:
    return log_in(superuser)


def staff_client(*codenames: str) -> Client:
    user = make_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    return log_in(user)


def text_of(response: HttpResponse) -> str:
    assert response.status_code == 200, response
    return unescape(response.content.decode())


def listed(response: HttpResponse) -> set[str]:
    """Return the addresses of the invitations that a list shows."""
    assert response.status_code == 200, response
    return {row.email for row in response.context["cl"].result_list}  # type: ignore[attr-defined]


def act(client: Client, action: str, *rows: InvitationKey, url: str = INVITATIONS) -> list[str]:
    """Choose an action for these rows and return what the next page says."""
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    response = client.post(url, data, follow=True)
    assert response.status_code == 200
    return [str(message) for message in response.context["messages"]]


# The list of invitations


@pytest.mark.parametrize("rows", [2, 100])
@pytest.mark.parametrize("page", [INVITATIONS, QUOTAS, MAILS, ACCEPTANCES])
@pytest.mark.anywhere
def test_a_list_asks_no_query_per_row(page: str, rows: int, admin_client: Client) -> None:
    for number in range(rows):
        inviter = make_user(f"inviter{number}")
        InvitationQuota.objects.create(inviter=inviter, spent=number)
        invitation = make_invitation(inviter, f"bob{number}@example.org")
        Acceptance.objects.create(invitation=invitation, user=inviter)
    with CaptureQueriesContext(connection) as queries:
        response = admin_client.get(page)
    assert len(response.context["cl"].result_list) == rows
    # Session, user, the keys of the rows, and the rows; savepoints are no questions. The list of
    # emails also asks whether delivery is paused.
    asked = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(asked) == (5 if page == MAILS else 4)


def test_the_list_says_who_invited_whom_and_what_became_of_it(
    member: Any, admin_client: Client
) -> None:
    make_invitation(member, "bob@xn--mnchen-3ya.example.org", mail_state=State.FAILED)
    page = text_of(admin_client.get(INVITATIONS))
    for words in ("member", "bob@<wbr>münchen.example.org", "pending", "failed"):
        assert words in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": Status.PENDING}, "pending"),
        ({"status": Status.REVOKED}, "revoked"),
        ({"status": Status.EXPIRED}, "expired"),
        ({"expires_at": timezone.now() - timedelta(1)}, "expired"),
    ],
)
def test_the_list_shows_the_state_in_plain_words(
    member: Any, admin_client: Client, fields: dict[str, Any], words: str
) -> None:
    make_invitation(member, **fields)
    assert f'<td class="field-state">{words}</td>' in text_of(admin_client.get(INVITATIONS))


def test_the_list_shows_the_state_of_the_latest_mail(member: Any, admin_client: Client) -> None:
    invitation = make_invitation(member, mail_state=State.FAILED)
    InvitationEmail.objects.create(invitation=invitation, state=State.SENT)
    assert '<td class="field-mail_state">sent</td>' in text_of(admin_client.get(INVITATIONS))


def test_the_list_shows_the_mail_to_the_invited_and_not_that_to_the_inviter(
    member: Any, admin_client: Client
) -> None:
    invitation = make_invitation(member, mail_state=State.SENT)
    InvitationEmail.objects.create(invitation=invitation, state=State.FAILED, kind="renewal")
    assert '<td class="field-mail_state">sent</td>' in text_of(admin_client.get(INVITATIONS))
    assert "example" in text_of(admin_client.get(f"{INVITATIONS}?mail=sent"))
    assert "0 invitations" in text_of(admin_client.get(f"{INVITATIONS}?mail=failed"))


def test_the_outbox_says_for_whom_and_what_each_mail_is(member: Any, admin_client: Client) -> None:
    invitation = make_invitation(member, mail_state=State.SENT)
    orphan = make_invitation(None, "other@example.org", mail_state="")
    for row in (invitation, orphan):
        InvitationEmail.objects.create(invitation=row, state=State.SENT, kind="renewal")
    outbox = reverse("admin:invitation_invitationemail_changelist")
    page = text_of(admin_client.get(outbox))
    addresses = re.findall(r'class="field-address"><a[^>]*>([^<]*)<', page)
    assert addresses == ["-", "member@example.com", invitation.email]
    assert page.count("request for a new invitation</td>") == 2
    assert text_of(admin_client.get(f"{outbox}?kind=renewal")).count("field-address") == 2


def test_the_list_shows_invitations_without_inviter_address_and_mail(admin_client: Client) -> None:
    make_invitation(None, "", mail_state="")
    page = text_of(admin_client.get(INVITATIONS))
    assert '<td class="field-inviter">-</td>' in page
    assert '<td class="field-mail_state">no email</td>' in page
    assert ">-</a></th>" in page


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"open", "overdue", "expired", "accepted", "declined", "revoked"}),
        ("state=pending", {"open"}),
        ("state=overdue", {"overdue"}),
        ("state=expired", {"overdue", "expired"}),
        ("state=accepted", {"accepted"}),
        ("state=declined", {"declined"}),
        ("state=revoked", {"revoked"}),
        ("state=nonsense", {"open", "overdue", "expired", "accepted", "declined", "revoked"}),
        ("mail=queued", {"overdue"}),
        ("mail=sent", {"open", "accepted", "declined"}),
        ("mail=failed", {"expired"}),
        ("mail=none", {"revoked"}),
        ("state=expired&mail=failed", {"expired"}),
        ("expires_at__isnull=True", {"accepted"}),
        ("state=pending&_facets=True", {"open"}),
    ],
)
def test_the_list_can_be_filtered(
    member: Any, admin_client: Client, query: str, found: set[str]
) -> None:
    now = timezone.now()
    make_invitation(member, "open")
    make_invitation(member, "overdue", State.QUEUED, expires_at=now - timedelta(1))
    make_invitation(member, "expired", State.FAILED, status=Status.EXPIRED)
    make_invitation(member, "accepted", status=Status.ACCEPTED, uses=1, expires_at=None)
    make_invitation(member, "declined", status=Status.DECLINED)
    make_invitation(member, "revoked", "", status=Status.REVOKED)
    assert listed(admin_client.get(f"{INVITATIONS}?{query}")) == found


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("BOB@", {"bob@example.org"}),
        ("Bob Builder", {"bob@example.org"}),
        ("eve@münchen.example.org", {"eve@xn--mnchen-3ya.example.org"}),
        ("eve@xn--mnchen-3ya.example.org", {"eve@xn--mnchen-3ya.example.org"}),
        ("inviter", {"bob@example.org"}),
        ("INVITER@example.com", {"bob@example.org"}),
        ("nobody", set()),
    ],
)
@pytest.mark.anywhere
def test_the_list_can_be_searched(admin_client: Client, term: str, found: set[str]) -> None:
    inviter = make_user("inviter")
    make_invitation(inviter, "bob@example.org", recipient_name="Bob Builder")
    make_invitation(None, "eve@xn--mnchen-3ya.example.org")
    assert listed(admin_client.get(INVITATIONS, {"q": term})) == found


@pytest.mark.parametrize("name", ["USERNAME_FIELD", "EMAIL_FIELD"])
@pytest.mark.anywhere
def test_search_names_the_fields_that_the_user_model_has(name: str) -> None:
    model = get_user_model()
    assert f"from_user__{getattr(model, name)}" in user_search_fields("from_user")
    assert len(set(user_search_fields("x"))) == len(user_search_fields("x"))


def test_search_does_without_an_address_where_the_user_model_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(get_user_model(), "EMAIL_FIELD", "contact")
    assert user_search_fields("from_user") == ["from_user__username"]


def test_the_list_can_be_sorted_by_each_column(member: Any, admin_client: Client) -> None:
    make_invitation(member)
    for column in range(1, 8):
        assert listed(admin_client.get(INVITATIONS, {"o": column})) == {"bob@example.org"}


@pytest.mark.parametrize("lookup", ["locator__startswith", "locator", "pending_slot__startswith"])
def test_no_handmade_filter_tells_what_is_not_shown(
    member: Any, admin_client: Client, lookup: str
) -> None:
    make_invitation(member)
    assert admin_client.get(INVITATIONS, {lookup: "a"}).status_code == 400


# No key anywhere


@pytest.mark.anywhere
def test_no_page_shows_a_key(admin_client: Client, member: Any, commit: Commit) -> None:
    invitation = make_invitation(member, mail_state=State.QUEUED)
    Acceptance.objects.create(invitation=invitation, user=member)
    outgoing = InvitationEmail.objects.get()
    acceptance = Acceptance.objects.get()
    change = url(InvitationKey, "change", invitation.pk)
    data = {"note": "Hello", "recipient_name": "", "data": "{}"}
    data |= {"expires_at_0": "2099-01-01", "expires_at_1": "12:00"}
    data |= {"acceptances-TOTAL_FORMS": 0, "acceptances-INITIAL_FORMS": 0}
    data |= {"mails-TOTAL_FORMS": 0, "mails-INITIAL_FORMS": 0}
    selected = {"_selected_action": [invitation.pk]}
    pages = [
        admin_client.get(INVITATIONS),
        admin_client.get(INVITATIONS, {"q": "bob"}),
        admin_client.get(change),
        admin_client.post(change, data | {"note": "x" * 501}),
        admin_client.post(change, data, follow=True),
        admin_client.get(url(InvitationKey, "history", invitation.pk)),
        admin_client.get(url(InvitationKey, "delete", invitation.pk)),
        admin_client.post(INVITATIONS, {"action": "delete_selected"} | selected),
        admin_client.get(MAILS),
        admin_client.get(url(InvitationEmail, "change", outgoing.pk)),
        admin_client.get(url(InvitationEmail, "history", outgoing.pk)),
        admin_client.get(ACCEPTANCES),
        admin_client.get(url(Acceptance, "change", acceptance.pk)),
        admin_client.get(url(Acceptance, "history", acceptance.pk)),
        admin_client.get(QUOTAS),
        admin_client.post(url(InvitationKey, "add"), {"email": invitation.email}, follow=True),
        admin_client.get(reverse("admin:app_list", args=["invitation"])),
    ]
    with commit():
        pages.append(admin_client.post(INVITATIONS, {"action": "revoke"} | selected, follow=True))
    pages.append(admin_client.get(reverse("admin:index")))
    invitation.refresh_from_db()
    assert invitation.note == "Hello"
    assert invitation.status == Status.REVOKED
    for page in pages:
        shown = text_of(page)
        assert invitation.locator not in shown
        assert invitation.key.partition(".")[2] not in shown
        assert invitation.mail_key.partition(".")[2] not in shown
    assert invitation.key_hint in text_of(pages[2])


# One invitation


def change_data(**fields: Any) -> dict[str, Any]:
    data = {"recipient_name": "Bob", "note": "", "data": "{}"}
    data |= {"expires_at_0": "2099-01-01", "expires_at_1": "12:00:00"}
    for formset in ("acceptances", "mails"):
        data |= {f"{formset}-TOTAL_FORMS": "0", f"{formset}-INITIAL_FORMS": "0"}
    return data | fields


def change(client: Client, invitation: InvitationKey, **fields: Any) -> Any:
    address = url(InvitationKey, "change", invitation.pk)
    return client.post(address, change_data(**fields))


def test_what_people_typed_can_be_corrected(member: Any, admin_client: Client) -> None:
    invitation = make_invitation(member)
    response = change(admin_client, invitation, note="See you", data='{"team": 1}')
    assert response.status_code == 302
    invitation.refresh_from_db()
    assert (invitation.recipient_name, invitation.note) == ("Bob", "See you")
    assert invitation.data == {"team": 1}
    assert invitation.expires_at is not None
    assert invitation.expires_at.year == 2099


def test_nothing_else_can_be_changed(member: Any, admin_client: Client, superuser: Any) -> None:
    invitation = make_invitation(member)
    before = InvitationKey.objects.values().get()
    forged = {"email": "eve@example.org", "email_key": "eve@example.org", "from_user": superuser.pk}
    forged |= {"status": "accepted", "uses": 1, "max_uses": 9, "locator": "x", "quota_held": 0}
    forged |= {"language": "de", "site_id": 7, "pending_slot": "x", "date_invited": "2000-01-01"}
    assert change(admin_client, invitation, **forged).status_code == 302
    after = InvitationKey.objects.values().get()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"recipient_name", "expires_at"}


def test_staff_cannot_write_a_link_into_a_mail_either(member: Any) -> None:
    invitation, clerk = make_invitation(member), staff("change_invitationkey")
    response = change(clerk, invitation, note="Go to http://evil.example")
    assert list(response.context["adminform"].form.errors) == ["note"]
    assert change(clerk, invitation, recipient_name="www.evil.example").status_code == 302
    invitation.refresh_from_db()
    assert "www.evil.example" not in invitation.recipient_name


def test_an_ended_invitation_cannot_be_corrected(member: Any, admin_client: Client) -> None:
    invitation = make_invitation(member, status=Status.DECLINED)
    assert change(admin_client, invitation, note="Please!", data='{"a": 1}').status_code == 302
    invitation.refresh_from_db()
    assert (invitation.note, invitation.recipient_name) == ("", "")
    assert invitation.data == {"a": 1}


def test_saving_a_page_takes_back_nothing_that_has_happened_since(
    member: Any, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    invitation = make_invitation(member)

    def register_meanwhile(form: Any) -> str:
        assert InvitationKey.objects.claim_use(invitation.pk, invitation.locator, timezone.now())
        return "Late"

    monkeypatch.setattr(InvitationKeyForm, "clean_note", register_meanwhile)
    assert change(admin_client, invitation).status_code == 302
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == (Status.ACCEPTED, 1)
    assert invitation.recipient_name == "Bob"


def test_the_page_shows_mails_and_acceptances(member: Any, admin_client: Client) -> None:
    invitation = make_invitation(member, mail_state=State.FAILED)
    InvitationEmail.objects.update(last_error="550 no such user")
    Acceptance.objects.create(invitation=invitation, user=make_user("bob"))
    page = text_of(admin_client.get(url(InvitationKey, "change", invitation.pk)))
    for words in ("550 no such user", "failed", "bob", "0 / 1", invitation.key_hint):
        assert words in page


def test_the_page_asks_no_query_per_acceptance(
    member: Any, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    invitation = make_invitation(member, max_uses=50)
    for number in range(20):
        Acceptance.objects.create(invitation=invitation, user=make_user(f"user{number}"))
    with django_assert_max_num_queries(8):
        admin_client.get(url(InvitationKey, "change", invitation.pk))


# Actions


def test_revoking_says_for_how_many_it_worked(
    member: Any, admin_client: Client, commit: Commit
) -> None:
    rows = [make_invitation(member, f"bob{number}@example.org") for number in range(2)]
    ended = make_invitation(member, "eve@example.org", status=Status.ACCEPTED, uses=1)
    with commit():
        said = act(admin_client, "revoke", *rows, ended)
    assert said == [
        "2 invitations were revoked.",
        "1 invitation is no longer pending, so it was not changed.",
    ]
    statuses = InvitationKey.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == [Status.REVOKED, Status.REVOKED, Status.ACCEPTED]


def test_an_action_that_did_nothing_claims_nothing(member: Any, admin_client: Client) -> None:
    ended = make_invitation(member, status=Status.EXPIRED)
    said = act(admin_client, "revoke", ended)
    assert said == ["1 invitation is no longer pending, so it was not changed."]
    assert not LogEntry.objects.exists()


def test_revoking_is_recorded_in_the_history(
    member: Any, superuser: Any, admin_client: Client
) -> None:
    invitation = make_invitation(member)
    assert act(admin_client, "revoke", invitation) == ["1 invitation was revoked."]
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (superuser, str(invitation.pk))
    assert entry.change_message == "Revoked."
    history = text_of(admin_client.get(url(InvitationKey, "history", invitation.pk)))
    assert "Revoked." in history


@pytest.mark.parametrize(
    ("another", "words"),
    [
        (False, "1 invitation stays expired: its inviter has no invitations left."),
        (True, "1 invitation stays expired: its inviter has a pending one to this address."),
    ],
)
def test_resending_what_has_expired_says_why_it_cannot_be_opened_again(
    member: Any, admin_client: Client, settings: Any, another: bool, words: str
) -> None:
    row = make_invitation(member, "late@example.org", status=Status.EXPIRED, quota_held=0)
    settings.INVITATIONS_PER_USER = 10 if another else 0
    if another:
        make_invitation(member, "late@example.org")
    assert act(admin_client, "resend", row) == [words]
    row.refresh_from_db()
    assert row.status == Status.EXPIRED


def test_resending_what_has_expired_opens_it_again(member: Any, admin_client: Client) -> None:
    row = make_invitation(member, "late@example.org", status=Status.EXPIRED)
    act(admin_client, "resend", row)
    row.refresh_from_db()
    assert row.is_usable()


def test_an_action_hides_no_error_that_it_does_not_know(
    member: Any, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(invitation: InvitationKey) -> None:
        raise InvitationError()

    monkeypatch.setattr(inviting, "revoke", refuse)
    with pytest.raises(InvitationError):
        act(admin_client, "revoke", make_invitation(member))


def test_resending_says_for_how_many_it_worked(
    member: Any, admin_client: Client, commit: Commit
) -> None:
    earlier = timezone.now() - timedelta(hours=1)
    rows = [
        make_invitation(member, f"bob{number}@example.org", mail_requested_at=earlier)
        for number in range(2)
    ]
    hasty = make_invitation(member, "hasty@example.org", mail_requested_at=timezone.now())
    ended = make_invitation(member, "ended@example.org", status=Status.DECLINED)
    with commit():
        said = act(admin_client, "resend", *rows, hasty, ended)
    assert sorted(said) == [
        "1 invitation is no longer pending, so it was not changed.",
        "1 invitation was sent a moment ago, so it was not resent.",
        "2 invitations were resent.",
    ]
    assert sorted(message.to[0] for message in mail.outbox) == [row.email for row in rows]


def test_resending_many_takes_the_time_of_one_request(
    member: Any, admin_client: Client, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    monkeypatch.setattr(
        "invitation.flows.mail.queueing.deliver_rows", lambda pks, seconds: runs.append(len(pks))
    )
    rows = [make_invitation(member, f"bob{number}@example.org") for number in range(3)]
    with commit():
        act(admin_client, "resend", *rows)
    assert runs == [3]
    assert not mail.outbox


@pytest.mark.parametrize("action", ["revoke", "extend", "resend", "delete_selected"])
def test_who_may_only_look_may_export_and_does_nothing(member: Any, action: str) -> None:
    invitation = make_invitation(member)
    client = staff_client("view_invitationkey")
    assert re.findall(r'<option value="(\w+)"', text_of(client.get(INVITATIONS))) == ["export"]
    act(client, action, invitation)
    assert InvitationKey.objects.get().status == Status.PENDING
    assert change(client, invitation, note="Mine").status_code == 403
    page = text_of(client.get(url(InvitationKey, "change", invitation.pk)))
    assert '<input type="submit"' not in page


def test_who_may_change_may_revoke_and_resend_but_not_delete(member: Any) -> None:
    invitation = make_invitation(member)
    client = staff_client("view_invitationkey", "change_invitationkey")
    page = text_of(client.get(INVITATIONS))
    assert 'value="revoke"' in page
    assert 'value="resend"' in page
    assert 'value="delete_selected"' not in page
    assert act(client, "revoke", invitation) == ["1 invitation was revoked."]


def test_who_may_nothing_sees_nothing(member: Any) -> None:
    make_invitation(member)
    client = staff_client()
    for page in (INVITATIONS, QUOTAS, MAILS, ACCEPTANCES):
        assert client.get(page).status_code == 403


# Deleting


def test_the_permission_to_delete_invitations_takes_mails_and_acceptances_with_them(
    member: Any,
) -> None:
    invitation = make_invitation(member)
    Acceptance.objects.create(invitation=invitation, user=member)
    client = staff_client("view_invitationkey", "delete_invitationkey")
    address = url(InvitationKey, "delete", invitation.pk)
    assert client.get(address).status_code == 200
    assert client.post(address, {"post": "yes"}).status_code == 302
    assert not InvitationKey.objects.exists()
    assert not InvitationEmail.objects.exists()


def test_without_that_permission_nothing_is_deleted(member: Any) -> None:
    invitation = make_invitation(member)
    client = staff_client("change_invitationkey", "delete_invitationemail", "delete_acceptance")
    for page in (
        url(InvitationKey, "delete", invitation.pk),
        url(InvitationEmail, "delete", InvitationEmail.objects.get().pk),
    ):
        assert client.post(page, {"post": "yes"}).status_code == 403
    assert InvitationEmail.objects.exists()


def test_deleting_gives_no_quota_back(member: Any, admin_client: Client) -> None:
    InvitationQuota.objects.create(inviter=member, spent=1)
    invitation = make_invitation(member)
    admin_client.post(url(InvitationKey, "delete", invitation.pk), {"post": "yes"})
    assert not InvitationKey.objects.exists()
    assert InvitationQuota.objects.get().spent == 1


# Quotas


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("limit", "fields", "columns", "words"),
    [
        (10, {"spent": 3}, ["10", "0", "3", "7"], "10 base + 0 granted \u2212 3 spent = 7 left"),
        (
            10,
            {"spent": 3, "granted": 5},
            ["10", "5", "3", "12"],
            "10 base + 5 granted \u2212 3 spent = 12 left",
        ),
        (1, {"spent": 3}, ["1", "0", "3", "0 (2 too many spent)"], "= 0 (2 too many spent) left"),
        (10, {"unlimited": True}, ["10", "unlimited", "0", "unlimited"], ">unlimited<"),
        (None, {}, ["unlimited", "0", "0", "unlimited"], ">unlimited<"),
        (
            lambda user: 20,
            {"spent": 1},
            ["20", "0", "1", "19"],
            "20 base + 0 granted \u2212 1 spent = 19 left",
        ),
    ],
)
def test_a_quota_reads_as_an_equation(
    member: Any,
    admin_client: Client,
    settings: Any,
    limit: Any,
    fields: Any,
    columns: list[str],
    words: str,
) -> None:
    settings.INVITATIONS_PER_USER = limit
    quota = InvitationQuota.objects.create(inviter=member, **fields)
    page = text_of(admin_client.get(QUOTAS))
    names = ("base", "and_granted", "less_spent", "left")
    shown = [re.findall(rf'<td class="field-{name}">([^<]*)<', page) for name in names]
    assert shown == [[column] for column in columns]
    assert words in text_of(admin_client.get(url(InvitationQuota, "change", quota.pk)))


def test_the_equation_counts_a_new_period(member: Any, admin_client: Client, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 10
    settings.INVITATION_QUOTA_PERIOD = timedelta(days=30)
    began = timezone.now() - timedelta(days=31)
    quota = InvitationQuota.objects.create(inviter=member, granted=5, spent=12, period_start=began)
    page = text_of(admin_client.get(url(InvitationQuota, "change", quota.pk)))
    # Two of the twelve came from the grants, which do not come back.
    assert "10 base + 5 granted \u2212 2 spent = 13 left" in page
    assert quota_room.remaining_invitations(member) == 13


@pytest.mark.parametrize(
    ("above", "below", "button"),
    [("invitationquota", "quotaentry", "Ledger"), ("invitationemail", "deliverypause", "Delivery")],
)
def test_what_belongs_to_another_page_is_reached_from_there(
    admin_client: Client, above: str, below: str, button: str
) -> None:
    """It is no entry of the index, unless the reader may not see the other page."""
    address, index = f"/admin/invitation/{below}/", reverse("admin:index")
    assert address not in text_of(admin_client.get(index))
    page = text_of(admin_client.get(f"/admin/invitation/{above}/"))
    assert re.search(f'<li><a href="{address}">{button}', page)
    assert f"/admin/invitation/{above}/" in text_of(admin_client.get(address))
    clerk = staff(f"view_{below}")
    assert address in text_of(clerk.get(index))
    assert f'<a href="/admin/invitation/{above}/"' not in text_of(clerk.get(address))
    other = staff(f"view_{above}", name="other")
    assert address not in text_of(other.get(f"/admin/invitation/{above}/"))


def test_the_emails_say_that_delivery_is_paused(admin_client: Client) -> None:
    assert "Delivery pauses" in text_of(admin_client.get(MAILS))
    now = timezone.now()
    DeliveryPause.objects.update_or_create(
        queue="mail", defaults={"since": now, "until": now + timedelta(minutes=5), "failures": 1}
    )
    assert "Delivery is paused" in text_of(admin_client.get(MAILS))


@pytest.mark.parametrize("term", ["member", "MEMBER@example.com"])
@pytest.mark.anywhere
def test_a_quota_is_found_by_its_member(admin_client: Client, member: Any, term: str) -> None:
    InvitationQuota.objects.create(inviter=member)
    InvitationQuota.objects.create(inviter=make_user("other"))
    response = admin_client.get(QUOTAS, {"q": term})
    assert [quota.inviter for quota in response.context["cl"].result_list] == [member]


def test_a_quota_can_be_granted_to_a_member_who_has_none(member: Any, admin_client: Client) -> None:
    assert admin_client.get(f"{QUOTAS}add/").status_code == 200
    response = admin_client.post(f"{QUOTAS}add/", {"inviter": member.pk, "granted": 5})
    assert response.status_code == 302
    quota = InvitationQuota.objects.get()
    assert (quota.inviter, quota.granted, quota.spent) == (member, 5, 0)


def test_granted_and_unlimited_can_be_changed_and_nothing_else(
    member: Any, superuser: Any, admin_client: Client
) -> None:
    quota = InvitationQuota.objects.create(inviter=member, spent=3)
    data = {"granted": 8, "unlimited": "on", "spent": 0, "inviter": superuser.pk}
    response = admin_client.post(url(InvitationQuota, "change", quota.pk), data)
    assert response.status_code == 302
    quota.refresh_from_db()
    assert (quota.granted, quota.unlimited) == (8, True)
    assert (quota.spent, quota.inviter) == (3, member)


def test_granting_takes_back_nothing_that_was_spent_since(
    member: Any, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = InvitationQuota.objects.create(inviter=member)
    correct_quota = quota_room.correct_quota

    def spend_meanwhile(user: Any, granted: int, unlimited: bool) -> None:
        assert InvitationQuota.objects.spend(member, 10)
        correct_quota(user, granted, unlimited)

    monkeypatch.setattr(quota_room, "correct_quota", spend_meanwhile)
    admin_client.post(url(InvitationQuota, "change", quota.pk), {"granted": 2})
    quota.refresh_from_db()
    assert (quota.granted, quota.spent) == (2, 1)


def test_the_ledger_follows_what_is_edited(member: Any, admin_client: Client) -> None:
    admin_client.post(f"{QUOTAS}add/", {"inviter": member.pk, "granted": 5})
    quota = InvitationQuota.objects.get()
    for granted in (8, 2, 2):
        admin_client.post(url(InvitationQuota, "change", quota.pk), {"granted": granted})
    entries = QuotaEntry.objects.order_by("pk").values_list("change", "reason")
    assert list(entries) == [(5, "granted"), (3, "granted"), (-6, "corrected")]
    assert ledger_differences() == []


def test_lifting_the_limit_takes_back_nothing_that_was_granted_since(
    member: Any, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = InvitationQuota.objects.create(inviter=member)
    correct_quota = quota_room.correct_quota

    def grant_meanwhile(user: Any, granted: int | None, unlimited: bool) -> None:
        grant(member, 3)
        correct_quota(user, granted, unlimited)

    monkeypatch.setattr(quota_room, "correct_quota", grant_meanwhile)
    data = {"granted": 0, "unlimited": "on"}
    admin_client.post(url(InvitationQuota, "change", quota.pk), data)
    quota.refresh_from_db()
    assert (quota.granted, quota.unlimited) == (3, True)


@pytest.mark.parametrize("rows", [2, 40])
def test_limits_by_group_cost_the_list_no_query_per_row(
    admin_client: Client, settings: Any, rows: int
) -> None:
    settings.INVITATIONS_PER_USER = {"vip": None, None: 3}
    for number in range(rows):
        InvitationQuota.objects.create(inviter=make_user(f"member{number}"))
    with CaptureQueriesContext(connection) as queries:
        text_of(admin_client.get(QUOTAS))
    assert len(queries) <= 9


def grant_to(client: Client, *quotas: InvitationQuota, **typed: Any) -> list[str]:
    data = {"action": "grant", "_selected_action": [quota.pk for quota in quotas], **typed}
    response = client.post(QUOTAS, data, follow=True)
    assert response.status_code == 200
    return [str(message) for message in response.context["messages"]]


@pytest.mark.anywhere
def test_a_number_is_granted_to_the_selected(member: Any, admin_client: Client) -> None:
    quotas = [InvitationQuota.objects.create(inviter=user) for user in (member, make_user("eve"))]
    other = InvitationQuota.objects.create(inviter=make_user("other"))
    assert 'name="amount"' in text_of(admin_client.get(QUOTAS))
    [said] = grant_to(admin_client, *quotas, amount=4)
    rows = InvitationQuota.objects.order_by("pk").values_list("granted", flat=True)
    assert list(rows) == [4, 4, 0]
    assert other.granted == 0
    assert "2" in said
    assert [entry.change for entry in QuotaEntry.objects.all()] == [4, 4]
    assert LogEntry.objects.filter(change_message="+4").count() == 2


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"amount": ""},
        {"amount": 0},
        {"amount": "x"},
        {"amount": "1000001"},
        {"amount": "9" * 10},
    ],
)
def test_without_a_number_nothing_is_granted(
    member: Any, admin_client: Client, typed: dict[str, Any]
) -> None:
    quota = InvitationQuota.objects.create(inviter=member)
    [said] = grant_to(admin_client, quota, **typed)
    assert said == "Enter how many invitations to grant, from 1 to 1000000."
    assert not QuotaEntry.objects.exists()


def test_who_may_only_look_grants_nothing(member: Any) -> None:
    quota = InvitationQuota.objects.create(inviter=member)
    client = staff_client("view_invitationquota")
    grant_to(client, quota, amount=4)
    assert 'value="grant"' not in text_of(client.get(QUOTAS))
    assert not QuotaEntry.objects.exists()


# Emails and acceptances


@pytest.mark.parametrize("model", [InvitationEmail, Acceptance])
@pytest.mark.anywhere
def test_a_record_can_only_be_looked_at(admin_client: Client, member: Any, model: Any) -> None:
    invitation = make_invitation(member)
    Acceptance.objects.create(invitation=invitation, user=member)
    row = model.objects.get()
    assert "bob@example.org" in text_of(admin_client.get(url(model, "changelist")))
    page = url(model, "change", row.pk)
    assert "bob@example.org" in text_of(admin_client.get(page))
    assert admin_client.post(page, {}).status_code == 403
    assert admin_client.get(url(model, "add")).status_code == 403
    assert admin_client.get(url(model, "delete", row.pk)).status_code == 403


def test_records_without_people_are_shown(admin_client: Client) -> None:
    invitation = make_invitation(None, "")
    acceptance = Acceptance.objects.create(invitation=invitation, user=None)
    assert '<td class="field-inviter">-</td>' in text_of(admin_client.get(ACCEPTANCES))
    assert admin_client.get(url(Acceptance, "change", acceptance.pk)).status_code == 200
    assert admin_client.get(MAILS).status_code == 200


@pytest.mark.parametrize("term", ["newcomer@", "inviter", "bob@example"])
@pytest.mark.anywhere
def test_an_acceptance_is_found_by_each_person(admin_client: Client, term: str) -> None:
    invitation = make_invitation(make_user("inviter"))
    Acceptance.objects.create(invitation=invitation, user=make_user("newcomer"))
    other = make_invitation(None, "x@example.org")
    Acceptance.objects.create(invitation=other, user=make_user("y"))
    response = admin_client.get(ACCEPTANCES, {"q": term})
    assert [row.invitation for row in response.context["cl"].result_list] == [invitation]


def test_a_shared_link_has_no_emails_below_it(member: Any, admin_client: Client) -> None:
    link = make_invitation(member, shared=True, label="Fair", email="", max_uses=2)
    address = f"/admin/invitation/invitationkey/{link.pk}/change/"
    inlines = admin_client.get(address).context["inline_admin_formsets"]
    assert [one.opts.model.__name__ for one in inlines] == ["Acceptance"]
