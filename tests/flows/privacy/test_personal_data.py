"""A person gets what is kept about them, and nothing about anybody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from invitation.flows import mail, privacy
from invitation.flows.privacy import personal_data
from tests.factories import ADDRESS, make_acceptance, make_invitation, make_mail, make_user

pytestmark = pytest.mark.django_db


def test_of_a_stranger_nothing_is_kept() -> None:
    make_invitation(email="other@example.org")
    assert privacy.export(ADDRESS) == {
        "address": ADDRESS,
        "invitations": [],
        "unsubscribed": None,
        "has_account": False,
        "proven_at": [],
    }


def test_it_tells_what_is_kept_of_an_invitation() -> None:
    row = make_invitation(
        make_user("ann", first_name="Ann", last_name="Lee"),
        recipient_name="Bob",
        note="Come!",
        language="de",
        data={"seat": 4},
        destination="/welcome/",
    )
    row.groups.add(Group.objects.create(name="club"))
    [told] = privacy.export(ADDRESS.upper())["invitations"]
    assert told["invited_at"] == row.date_invited.isoformat()
    assert told["from"] == "Ann Lee"
    assert (told["name"], told["note"], told["language"]) == ("Bob", "Come!", "de")
    assert (told["status"], told["ended_at"], told["data"]) == ("pending", None, {"seat": 4})
    assert (told["groups"], told["landing_page"]) == (["club"], "/welcome/")


def test_it_is_json_in_whatever_time_zone(settings: Any) -> None:
    make_mail(make_invitation(status="revoked"), state="sent", sent_at=timezone.now())
    assert json.loads(json.dumps(privacy.export(ADDRESS))) == privacy.export(ADDRESS)


def test_moments_have_no_zone_where_the_site_has_none(settings: Any) -> None:
    settings.USE_TZ = False
    make_invitation()
    [told] = privacy.export(ADDRESS)["invitations"]
    assert "+" not in told["invited_at"]


def test_it_tells_of_his_mails_and_of_those_to_the_inviter_only_that_there_were_some() -> None:
    row = make_invitation(make_user("ann"), status="expired")
    make_mail(row, state="failed", failure="refused", last_error="550 no bob")
    make_mail(row, kind="renewal", state="failed", last_error="550 no ann@example.com")
    own, other = privacy.export(ADDRESS)["invitations"][0]["mails"]
    assert (own["to"], own["error"], own["failure"]) == ("you", "550 no bob", "refused")
    assert (other["to"], other["error"], other["kind"]) == ("inviter", "", "renewal")


def test_nothing_tells_an_inviters_address() -> None:
    inviter = make_user("ann.lee", email="secret@example.com")
    make_mail(make_invitation(inviter), kind="renewal", last_error="550 secret@example.com")
    assert "secret@" not in json.dumps(privacy.export(ADDRESS))


@pytest.mark.parametrize(("email", "account"), [(ADDRESS, "bob"), ("carol@example.org", "")])
def test_it_names_the_account_only_if_it_is_his(email: str, account: str) -> None:
    row = make_invitation(status="accepted", uses=1)
    make_acceptance(make_user("bob", email=email), row)
    told = privacy.export(ADDRESS)
    assert told["invitations"][0]["acceptances"][0]["account"] == account
    assert told["has_account"] is (account == "bob")


def test_of_an_account_that_is_gone_the_acceptance_stays() -> None:
    row = make_invitation(status="accepted", uses=1)
    account = make_user("bob")
    make_acceptance(account, row)
    account.delete()
    row.refresh_from_db()
    acceptances = privacy.export(ADDRESS)["invitations"][0]["acceptances"]
    assert all(came["account"] == "" for came in acceptances)


def test_it_tells_whether_he_wants_no_mail() -> None:
    mail.suppress(ADDRESS, "complained")
    assert privacy.export(ADDRESS)["unsubscribed"]["reason"] == "complained"


def test_after_he_was_forgotten_there_is_nothing_to_tell() -> None:
    make_mail(make_invitation())
    privacy.forget(ADDRESS)
    assert privacy.export(ADDRESS)["invitations"] == []


def test_nobody_is_no_address() -> None:
    with pytest.raises(ValueError, match="no address"):
        privacy.export(" ")


@pytest.mark.parametrize("many", [1, 30])
def test_it_costs_the_same_for_any_number(many: int, django_assert_max_num_queries: Any) -> None:
    for number in range(many):
        row = make_invitation(make_user(f"n{number}"))
        make_mail(row)
        make_acceptance(make_user(f"m{number}"), row)
    with django_assert_max_num_queries(9):
        assert len(privacy.export(ADDRESS)["invitations"]) == many


def test_accounts_without_addresses_are_nobodys(monkeypatch: Any) -> None:
    model = personal_data.get_user_model()
    monkeypatch.setattr(model, "get_email_field_name", classmethod(lambda cls: "nowhere"))
    assert not privacy.has_account(ADDRESS)
