"""Message-IDs: the same in all attempts, found again, and guessed by nobody."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invitation import keys
from invitation.flows.mail import report_bounce
from invitation.keys import message_ids
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import ADDRESS, make_invitation, make_mail, make_user

LOCATOR = "L" * keys.LOCATOR_LENGTH
pytestmark = pytest.mark.django_db


@given(st.integers(min_value=1, max_value=2**63 - 1))
def test_one_is_read_as_it_was_made(pk: int) -> None:
    made = message_ids.make(pk, LOCATOR, 1)
    found = message_ids.read(made)
    assert found is not None
    assert found[0] == pk
    assert message_ids.is_of(pk, LOCATOR, found[1])
    assert message_ids.read(made.upper().strip("<>")) == found
    assert made.isascii()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1@example.com",
        f"1.{'a' * 25}@example.com",
        f"1.{'1' * 26}@example.com",
        f"zzzzzzzzzzzzz.{'a' * 26}@example.com",
        f"1.{'a' * 26}@{'x' * 300}",
    ],
)
def test_no_other_text_is_one(text: str) -> None:
    assert message_ids.read(text) is None


def test_it_tells_nothing_of_the_next() -> None:
    found = message_ids.read(message_ids.make(1, LOCATOR, 1))
    assert found is not None
    assert not message_ids.is_of(2, LOCATOR, found[1])
    assert not message_ids.is_of(1, LOCATOR[1:] + "M", found[1])
    assert LOCATOR[:6].lower() not in message_ids.make(1, LOCATOR, 1)


def test_it_stays_when_the_signing_keys_change(settings: Any) -> None:
    mail = make_mail()
    before = mail.header_id
    settings.INVITATION_SIGNING_KEYS = ["another key of at least thirty-two characters"]
    settings.SECRET_KEY = "yet another key of at least thirty-two characters"
    assert mail.header_id == before


def test_a_changed_link_changes_it() -> None:
    mail = make_mail()
    before = mail.header_id
    InvitationKey.objects.update(locator=keys.new_locator())
    assert InvitationEmail.objects.get().header_id != before


def test_a_forgotten_person_has_none() -> None:
    mail = make_mail(make_invitation(status="expired"))
    InvitationKey.objects.forget([mail.invitation_id], mail.created_at)
    assert InvitationEmail.objects.get().header_id == ""


@pytest.mark.parametrize("form", ["{}", " {} ", "bare"])
def test_a_report_finds_the_email(form: str) -> None:
    mail = make_mail(make_invitation(make_user("inviter")), state="sent")
    later = make_mail(mail.invitation, state="sent")
    named = mail.header_id.strip("<>") if form == "bare" else form.format(mail.header_id)
    assert report_bounce(ADDRESS, named)
    states = InvitationEmail.objects.order_by("pk").values_list("pk", "state")
    assert list(states) == [(mail.pk, "failed"), (later.pk, "sent")]


def test_a_forged_one_finds_what_was_sent_last() -> None:
    mail = make_mail(make_invitation(make_user("inviter")), state="sent")
    later = make_mail(mail.invitation, state="sent")
    forged = mail.header_id.replace(".", f".{'a' * 26}@x", 1)
    assert InvitationEmail.objects.named(forged) is None
    other = message_ids.make(mail.pk, LOCATOR, 1)
    assert InvitationEmail.objects.named(other) is None
    assert InvitationEmail.objects.named(message_ids.make(10**9, LOCATOR, 1)) is None
    assert report_bounce(ADDRESS, other)
    assert InvitationEmail.objects.get(state="failed") == later


def test_a_report_with_another_address_finds_no_email_of_this_one() -> None:
    mail = make_mail(make_invitation(make_user("inviter")), state="sent")
    report_bounce("eve@example.org", mail.header_id)
    mail.refresh_from_db()
    assert mail.state == "sent"
