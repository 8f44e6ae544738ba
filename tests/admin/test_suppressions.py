"""The admin's list of addresses that get no more invitations: it names none of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from invitation.flows import inviting, mail
from invitation.keys import unsubscribing
from invitation.models import SuppressedAddress
from tests.factories import ADDRESS, make_user
from tests.staff import INVITATIONS, act, boss, log_in, staff, text_of

pytestmark = pytest.mark.django_db
LIST = "/admin/invitation/suppressedaddress/"
Reason = SuppressedAddress.Reason


def row() -> SuppressedAddress:
    return SuppressedAddress.objects.get()


def test_the_list_says_why_and_since_when_but_not_who() -> None:
    mail.suppress(ADDRESS, Reason.COMPLAINED)
    page = text_of(boss().get(LIST))
    assert f"{unsubscribing.digests(ADDRESS)[0].digest.hex()[:6]}…" in page
    assert "reported an invitation as spam" in page
    assert ADDRESS not in page
    assert row().digest.hex() not in page


def test_the_page_to_unsubscribe_says_who_can_see_it(commit: Any) -> None:
    """What it says is true: members see a sent email, and staff see that there was none."""
    token = unsubscribing.make_token(ADDRESS)
    page = text_of(Client().get(reverse("invitation_unsubscribe", args=[token])))
    assert "Inviters are not told. The site's staff can see it." in page
    mail.unsubscribe(token)
    member = make_user("ann")
    with commit():
        inviting.invite(member, ADDRESS)
    shown = text_of(log_in(member).get(reverse("invitation_list")))
    assert ADDRESS in shown
    assert "unsubscribed" not in shown
    client = boss()
    for address in (INVITATIONS, "/admin/invitation/invitationemail/"):
        assert ">unsubscribed</td>" in text_of(client.get(address))


def test_a_row_says_no_more() -> None:
    mail.suppress(ADDRESS)
    page = text_of(boss().get(f"{LIST}{row().pk}/change/"))
    assert "added by staff" in page
    assert row().digest.hex() not in page


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (ADDRESS, 1),
        (f" {ADDRESS.upper()} ", 1),
        ("alice@example.org", 0),
        (ADDRESS[:-1], 0),
        ("bob", 0),
        ("", 1),
    ],
)
def test_who_types_a_whole_address_finds_its_row(typed: str, found: int) -> None:
    mail.suppress(ADDRESS)
    response = boss().get(LIST, {"q": typed})
    assert response.context["cl"].queryset.count() == found


def test_the_digits_of_a_hash_find_nothing() -> None:
    mail.suppress(ADDRESS)
    assert boss().get(LIST, {"q": row().digest.hex()}).context["cl"].queryset.count() == 0


def test_a_typed_address_is_kept_as_a_hash_alone() -> None:
    response = boss().post(f"{LIST}add/", {"email": "Bob@Example.ORG"})
    assert response.status_code == 302
    assert (row().digest, row().reason) == (unsubscribing.digests(ADDRESS)[0].digest, Reason.ADMIN)
    [entry] = LogEntry.objects.all()
    assert (entry.object_id, entry.object_repr) == (str(row().pk), str(row()))
    assert "example" not in f"{entry} {entry.change_message} {vars(entry)}".lower()


@pytest.mark.parametrize(
    ("typed", "words"),
    [("", "required"), ("bob", "address"), ("a@b.c, d@e.f", "only one"), ("x" * 255, "254")],
    ids=["blank", "none", "two", "long"],
)
def test_what_is_no_address_is_refused(typed: str, words: str) -> None:
    page = text_of(boss().post(f"{LIST}add/", {"email": typed}))
    assert words in page
    assert not SuppressedAddress.objects.exists()


def test_an_address_is_added_once() -> None:
    mail.suppress(ADDRESS, Reason.UNSUBSCRIBED)
    page = text_of(boss().post(f"{LIST}add/", {"email": ADDRESS}))
    assert "is in the list already" in page
    assert row().reason == Reason.UNSUBSCRIBED


def test_what_came_back_can_be_added_for_good() -> None:
    mail.suppress(ADDRESS, Reason.BOUNCED)
    assert boss().post(f"{LIST}add/", {"email": ADDRESS}).status_code == 302
    assert row().reason == Reason.ADMIN


def test_nothing_is_changed() -> None:
    mail.suppress(ADDRESS, Reason.UNSUBSCRIBED)
    response = boss().post(f"{LIST}{row().pk}/change/", {"reason": Reason.ADMIN})
    assert response.status_code == 403
    assert row().reason == Reason.UNSUBSCRIBED


@pytest.mark.parametrize("way", ["page", "action"])
def test_to_delete_is_to_lift_and_the_log_has_no_address(way: str) -> None:
    mail.suppress(ADDRESS)
    known, client = row(), boss()
    if way == "page":
        response = client.post(f"{LIST}{known.pk}/delete/", {"post": "yes"})
    else:
        response = act(client, LIST, "delete_selected", known, post="yes")
    assert response.status_code == 302
    assert mail.is_suppressed(ADDRESS) is None
    [entry] = LogEntry.objects.all()
    assert (entry.is_deletion(), entry.object_repr) == (True, str(known))


@pytest.mark.parametrize(
    ("permission", "listed", "added", "deleted"),
    [
        ("view_suppressedaddress", 200, 403, 403),
        ("add_suppressedaddress", 403, 302, 403),
        ("delete_suppressedaddress", 403, 403, 302),
        ("change_suppressedaddress", 200, 403, 403),
        ("view_invitationkey", 403, 403, 403),
    ],
)
def test_each_needs_its_permission(permission: str, listed: int, added: int, deleted: int) -> None:
    mail.suppress(ADDRESS)
    known, clerk = row(), staff(permission)
    assert clerk.get(LIST).status_code == listed
    assert clerk.post(f"{LIST}add/", {"email": "new@example.org"}).status_code == added
    assert clerk.post(f"{LIST}{known.pk}/delete/", {"post": "yes"}).status_code == deleted


def test_the_list_costs_the_same_for_many(django_assert_max_num_queries: Any) -> None:
    for number in range(20):
        mail.suppress(f"b{number}@example.org")
    client = boss()
    with django_assert_max_num_queries(8):
        client.get(LIST)
