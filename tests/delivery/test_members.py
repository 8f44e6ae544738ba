"""Invited people who have an account already: other words for them, and a secret to the inviter."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.db.models import CheckConstraint, Deferrable, F, Index, Q, UniqueConstraint, Value
from django.db.models.functions import Collate, Lower, Upper
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invitation import keys
from invitation.delivery import members
from invitation.delivery.email import EmailDelivery
from invitation.delivery.members import INDEXES, MemberKnowledge, declared_index
from invitation.flows import inviting
from invitation.flows.mail import deliver_due
from invitation.models import InvitationEmail, InvitationKey
from tests import scenes
from tests.factories import ADDRESS, make_invitation, make_mail, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_indexed")]
TELLING = "You already have an account there."


class Plain(EmailDelivery):
    """Stand for a site that does not want it."""

    recognises_members = False


@pytest.fixture
def _indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the site say that its user table has an index for addresses in any case."""
    monkeypatch.setattr(MemberKnowledge, "email_index", "lower")


def message_of(email: str = ADDRESS, **fields: Any) -> EmailMultiAlternatives:
    invitation = make_invitation(make_user("ann", first_name="Ann"), email)
    return EmailDelivery().get_message(make_mail(invitation, **fields))


def says_so(message: EmailMultiAlternatives) -> bool:
    html = str(message.alternatives[0][0])
    assert (TELLING in str(message.body)) == (TELLING in html)
    return TELLING in html


def test_who_has_an_account_is_told_so() -> None:
    make_user("bob", email=ADDRESS)
    message = message_of()
    assert says_so(message)
    assert message.subject == "Ann sent you an invitation at example.com"
    assert message.to == [ADDRESS]


@pytest.mark.anywhere
def test_an_account_is_known_by_its_address() -> None:
    bob = make_user("bob", email=ADDRESS)
    assert EmailDelivery().get_member(ADDRESS.upper()) == bob
    assert EmailDelivery().get_member("eve@example.org") is None


def test_who_has_none_is_not() -> None:
    message = message_of()
    assert not says_so(message)
    assert message.subject == "Ann invites you to join example.com"


def test_the_link_is_that_of_the_invitation() -> None:
    make_user("bob", email=ADDRESS)
    body = str(message_of().body)
    assert set(keys.PATTERN.findall(body)) == {InvitationKey.objects.get().mail_key}


SPELLINGS = [
    ("bob@example.org", "BOB@EXAMPLE.ORG"),
    ("Bob@example.org", "bob@example.org"),
    ("bob@xn--mnchen-3ya.example.org", "bob@münchen.example.org"),
    ("bob@xn--mnchen-3ya.example.org", "bob@xn--mnchen-3ya.example.org"),
]


@pytest.mark.parametrize(("invited", "registered"), SPELLINGS)
def test_an_address_is_found_in_any_spelling(invited: str, registered: str) -> None:
    make_user("bob", email=registered)
    assert says_so(message_of(invited))


@pytest.mark.parametrize(
    "registered", ["bob@example.com", "b_b@example.org", "bob", "", "böb@x.org"]
)
def test_another_address_is_not(registered: str) -> None:
    make_user("bob", email=registered)
    assert not says_so(message_of())


def test_what_only_the_database_takes_for_the_same_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # As a database may do whose collation takes an accented letter for the plain one.
    make_user("bob", email="b\u00f6b@example.org")
    monkeypatch.setitem(members.INDEXES, "lower", lambda field: Value("bob@example.org"))
    assert not says_so(message_of("bob@example.org"))


def test_an_account_that_is_not_active_is_none() -> None:
    make_user("bob", email=ADDRESS, is_active=False)
    assert not says_so(message_of())


def test_the_first_of_several_accounts_decides() -> None:
    make_user("bob", email=ADDRESS, is_active=False)
    second, _third = make_user("bob2", email=ADDRESS), make_user("bob3", email=ADDRESS.upper())
    assert EmailDelivery().get_member(ADDRESS) == second


def test_a_user_model_without_such_a_field_knows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    make_user("bob", email=ADDRESS)
    model = type(make_user("eve"))
    monkeypatch.setattr(MemberKnowledge, "email_index", None)
    monkeypatch.setattr(model, "EMAIL_FIELD", "nothing")
    assert EmailDelivery().get_member(ADDRESS) is None


def test_a_user_model_without_is_active_has_active_members(monkeypatch: pytest.MonkeyPatch) -> None:
    bob = make_user("bob", email=ADDRESS)
    fields = [field for field in type(bob)._meta.get_fields() if field.name != "is_active"]
    monkeypatch.setattr(type(bob)._meta, "get_fields", lambda **options: fields)
    assert EmailDelivery().get_member(ADDRESS) == bob


def test_a_site_can_switch_it_off(django_assert_num_queries: Any) -> None:
    make_user("bob", email=ADDRESS)
    mail = make_mail(make_invitation(make_user("ann")))
    message = Plain().get_message(mail)
    assert not says_so(message)
    with django_assert_num_queries(0):
        assert Plain().get_member(ADDRESS) is None
        assert EmailDelivery().get_member("") is None


def test_it_is_one_query(django_assert_num_queries: Any) -> None:
    make_user("bob", email=ADDRESS)
    with django_assert_num_queries(1):
        EmailDelivery().get_member(ADDRESS)


def test_a_reminder_knows_it_too() -> None:
    assert "Accept invitation:" in str(message_of(kind="reminder").body)
    InvitationKey.objects.all().delete()
    make_user("bob", email=ADDRESS)
    mail = make_mail(make_invitation(make_user("eve")), kind="reminder")
    assert TELLING in str(EmailDelivery().get_message(mail).body)


def test_the_members_own_language_goes_before_the_inviters_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bob = make_user("bob", email=ADDRESS)
    bob.language = "fr"
    monkeypatch.setattr(EmailDelivery, "get_member", lambda self, email: bob)
    mail = make_mail(make_invitation(make_user("ann"), language="de"))
    assert str(EmailDelivery().get_message(mail).body).startswith("Bonjour")
    bob.language = ""
    assert str(EmailDelivery().get_message(mail).body).startswith("Guten Tag")


# -- the inviter --


@pytest.mark.anywhere
def test_the_preview_shows_the_ordinary_mail_whoever_is_invited(
    member: Any, django_assert_num_queries: Any
) -> None:
    before = inviting.preview(member, ADDRESS)
    make_user("bob", email=ADDRESS)
    with django_assert_num_queries(1):  # what an open invitation of theirs would keep
        assert inviting.preview(member, ADDRESS) == before
    assert TELLING not in before.text + before.html + before.subject


@time_machine.travel("2031-05-06 07:08:09", tick=False)
def test_the_inviter_sees_the_same_pages(member: Any, commit: Any) -> None:
    make_user("bob", email=ADDRESS)
    client = Client()
    client.force_login(member)
    pages = []
    for email in ("new@example.org", ADDRESS):
        with commit():
            client.post(scenes.INVITE, {"email": email})
        invitation = InvitationKey.objects.get(email=email)
        page = client.get(f"/accounts/invitations/{invitation.pk}/").content.decode()
        page = page.replace(email, "").replace(f"/{invitation.pk}/", "")
        pages.append([line for line in page.splitlines() if "csrf" not in line])
    assert pages[0] == pages[1]
    assert set(InvitationEmail.objects.values_list("state", flat=True)) == {"sent"}


def test_a_batch_finds_all_of_them_at_once(django_assert_num_queries: Any) -> None:
    bob = make_user("bob", email="BOB@example.org")
    delivery = EmailDelivery()
    with django_assert_num_queries(1):
        delivery.prepare(["bob@example.org", "eve@example.org"])
    with django_assert_num_queries(0):
        assert delivery.get_member("bob@example.org") == bob
        assert delivery.get_member("eve@example.org") is None
    with django_assert_num_queries(1):
        assert delivery.get_member("kim@example.org") is None


@pytest.mark.parametrize("number", [1, 2])
def test_only_a_batch_of_several_is_prepared(
    number: int, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    prepared: list[list[str]] = []
    monkeypatch.setattr(
        EmailDelivery, "prepare", lambda self, emails: prepared.append(list(emails))
    )
    ann = make_user("ann")
    guests = [f"g{at}@example.org" for at in range(number)]
    for guest in guests:
        make_mail(make_invitation(ann, guest))
    make_mail(
        make_invitation(ann, "kim@example.org", status="expired"), kind="renewal", state="sent"
    )
    assert deliver_due() == (number, 0)
    assert [sorted(emails) for emails in prepared] == ([guests] if number > 1 else [])


def test_an_address_that_nobody_could_have_is_nobodys() -> None:
    assert EmailDelivery().get_member("no address") is None


def test_a_site_that_does_not_want_it_looks_for_nobody(django_assert_num_queries: Any) -> None:
    delivery = Plain()
    with django_assert_num_queries(0):
        delivery.prepare([ADDRESS])
    assert delivery.get_member(ADDRESS) is None


# -- the index of the user table --


def declaring(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    """Return the user model, as if its Meta declared these and no others."""
    model = get_user_model()
    plain: dict[str, Any] = {"constraints": [], "indexes": [], "unique_together": ()}
    for name, value in plain.items():
        monkeypatch.setattr(model._meta, name, options.get(name, value))
    field = model._meta.get_field("email")
    for name in ("unique", "db_index"):
        monkeypatch.setitem(vars(field), name, options.get(name, False))
    return model


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("options", "index"),
    [
        ({}, None),
        ({"unique": True}, "exact"),
        ({"db_index": True}, "exact"),
        ({"unique_together": (("email", "id"),)}, "exact"),
        ({"unique_together": (("id", "email"),)}, None),
        ({"indexes": [Index(fields=["-email", "id"], name="x")]}, "exact"),
        ({"indexes": [Index(fields=["id", "email"], name="x")]}, None),
        ({"indexes": [Index(F("email").desc(), name="x")]}, "exact"),
        ({"indexes": [Index(Collate("email", "C"), name="x")]}, None),
        ({"indexes": [Index(fields=["email"], name="x", condition=Q(id=1))]}, None),
        ({"indexes": [type("GinIndex", (Index,), {})(fields=["email"], name="x")]}, None),
        ({"constraints": [UniqueConstraint(fields=["email"], name="x")]}, "exact"),
        ({"constraints": [CheckConstraint(condition=Q(id=1), name="x")]}, None),
        (
            {
                "constraints": [
                    UniqueConstraint(fields=["email"], name="x", deferrable=Deferrable.DEFERRED)
                ]
            },
            None,
        ),
    ],
)
def test_an_index_that_finds_an_address_is_seen_in_the_user_model(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], index: str | None
) -> None:
    assert declared_index(declaring(monkeypatch, **options)) == index


@pytest.mark.parametrize("expressions", [True, False])
@pytest.mark.parametrize(
    ("declared", "index"),
    [
        ({"constraints": [UniqueConstraint(Upper("email"), name="x")]}, "upper"),
        ({"constraints": [UniqueConstraint(Lower("email"), "id", name="x")]}, "lower"),
        ({"indexes": [Index(Lower("email").desc(), name="x")]}, "lower"),
    ],
)
def test_an_index_over_any_case_is_preferred_where_the_database_makes_it(
    monkeypatch: pytest.MonkeyPatch, declared: dict[str, Any], index: str, expressions: bool
) -> None:
    monkeypatch.setattr(connection.features, "supports_expression_indexes", expressions)
    assert declared_index(declaring(monkeypatch, **declared)) == (index if expressions else None)
    model = declaring(monkeypatch, **declared, db_index=True)
    assert declared_index(model) == (index if expressions else "exact")


@pytest.mark.anywhere
def test_without_an_index_nobody_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    declaring(monkeypatch)
    monkeypatch.setattr(MemberKnowledge, "email_index", None)
    make_user("bob", email=ADDRESS)
    with django_assert_num_queries(0):
        assert EmailDelivery().get_member(ADDRESS) is None
        EmailDelivery().prepare([ADDRESS])


@pytest.mark.parametrize("index", INDEXES)
def test_the_statement_uses_the_index(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any, index: str
) -> None:
    monkeypatch.setattr(MemberKnowledge, "email_index", index)
    bob = make_user("bob", email="Bob@example.org")
    table = type(bob)._meta.db_table
    column = {"upper": "UPPER(email)", "lower": "LOWER(email)", "exact": "email"}[index]
    if connection.vendor != "mysql":  # MariaDB has no index of an expression.
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE INDEX user_email ON {table} ({column})")
    with CaptureQueriesContext(connection) as queries:
        assert EmailDelivery().get_member("Bob@example.org") == bob
    [query] = queries.captured_queries
    if connection.vendor != "sqlite":
        return  # The other databases plan by how many rows there are.
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
        plan = " ".join(row[-1] for row in cursor.fetchall())
    assert plan == f"SEARCH {table} USING INDEX user_email ({plan.partition(' (')[2]}"


def test_an_exact_index_finds_an_address_as_typed_and_in_lower_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MemberKnowledge, "email_index", "exact")
    bob = make_user("bob", email="Bob@example.org")
    kim = make_user("kim", email="kim@example.org")
    assert EmailDelivery().get_member("Bob@example.org") == bob
    assert EmailDelivery().get_member("KIM@example.org") == kim
    if connection.vendor != "mysql":  # It ignores case anyway.
        assert EmailDelivery().get_member("BOB@example.org") is None


def test_a_member_who_is_not_recognised_gets_the_ordinary_email_and_can_accept(
    monkeypatch: pytest.MonkeyPatch, member: Any, commit: Any, mailoutbox: Any
) -> None:
    monkeypatch.setattr(MemberKnowledge, "email_index", None)
    bob = make_user("bob", email=ADDRESS)
    with commit():
        invitation = inviting.invite(member, ADDRESS).invitation
    [message] = mailoutbox
    assert not says_so(message)
    client = Client()
    client.force_login(bob)
    [key] = set(keys.PATTERN.findall(str(message.body)))
    client.get(scenes.link(key))
    assert client.post("/accounts/invited/accept/").status_code == 200
    invitation.refresh_from_db()
    assert invitation.status == "accepted"
