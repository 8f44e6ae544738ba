"""The language of an invitation: chosen by the inviter, else their own, else that of the page."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.utils import translation

from invitation.addresses.recipients import Recipient
from invitation.delivery.dummy import DummyDelivery
from invitation.exceptions import TextRefused
from invitation.flows import inviting, lists
from invitation.flows.inviting import named_language
from invitation.models import InvitationKey
from tests.factories import ADDRESS

pytestmark = pytest.mark.django_db

CASES: dict[str, tuple[str, Any, str | None, str]] = {
    "chosen": ("fr", "es", "de", "fr"),
    "the inviter's": ("", "es", "de", "es"),
    "the inviter's in full": ("", "es-MX-oaxaca", "de", "es-mx"),
    "that of the page": ("", "", "de", "de"),
    "that of the page instead of one unknown": ("", "tlh", "de", "de"),
    "that of the page instead of a text": ("", "x" * 1000, "de", "de"),
    "that of the page instead of nothing": ("", None, "de", "de"),
    "none": ("", "", None, ""),
}


@pytest.mark.parametrize(("chosen", "own", "page", "expected"), CASES.values(), ids=CASES.keys())
def test_the_language_is(
    member: Any, chosen: str, own: Any, page: str | None, expected: str
) -> None:
    member.language = own
    with translation.override(page):
        assert inviting.language_for(member, chosen) == expected
        assert inviting.invite(member, ADDRESS, language=chosen).invitation.language == expected


def test_a_site_says_which_field_has_the_inviters(
    member: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DummyDelivery, "member_language_field", "tongue")
    member.tongue, member.language = "es", "fr"
    assert inviting.language_for(member) == "es"


def test_a_list_is_in_the_inviters_where_a_row_names_none(member: Any) -> None:
    member.language = "es"
    people = [
        Recipient(1, "a@example.org", language="fr"),
        Recipient(2, "b@example.org"),
    ]
    lists.invite_many(member, people, batch=uuid.uuid4())
    languages = InvitationKey.objects.order_by("email").values_list("language", flat=True)
    assert list(languages) == ["fr", "es"]


def test_inviting_again_writes_in_the_language_of_the_second_time(member: Any) -> None:
    inviting.invite(member, ADDRESS, language="de")
    assert inviting.invite(member, ADDRESS, language="fr").invitation.language == "fr"


def test_a_preview_is_in_the_same_language(member: Any) -> None:
    member.language = "de"
    assert inviting.preview(member, ADDRESS).text.startswith("Guten Tag")
    assert inviting.preview(member, ADDRESS, language="fr").text.startswith("Bonjour")


@pytest.mark.parametrize(
    ("text", "code"), [("", ""), ("de", "de"), ("DE_at", "de"), ("pt-BR", "pt-br")]
)
def test_a_named_language_is_one_of_the_site(text: str, code: str) -> None:
    assert named_language(text) == code


@pytest.mark.parametrize("text", ["German", "deutsch", " DEUTSCH ", "Allemand"])
def test_a_language_may_be_named_as_people_call_it(text: str) -> None:
    with translation.override("fr"):
        assert named_language(text) == "de"


@pytest.mark.parametrize("text", ["tlh", "deutsch?", "x" * 1000])
def test_another_is_refused(text: str) -> None:
    with pytest.raises(TextRefused) as refused:
        named_language(text)
    assert refused.value.code == "unknown_language"
