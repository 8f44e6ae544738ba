"""The language on the form: offered where the site has several; the email is in it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import translation

from invitation.forms import InvitationKeyForm
from invitation.models import InvitationKey
from tests.factories import ADDRESS
from tests.scenes import INVITE

pytestmark = pytest.mark.django_db

LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French")]


@pytest.fixture
def three(settings: Any) -> None:
    """Let the site have three languages."""
    settings.LANGUAGES = LANGUAGES


def field_of(member: Any) -> Any:
    return InvitationKeyForm(inviter=member).fields.get("language")


@pytest.mark.usefixtures("three")
@pytest.mark.anywhere
def test_the_choice_is_among_the_languages_of_the_site(member: Any) -> None:
    assert [code for code, _name in field_of(member).choices] == ["en", "de", "fr"]


@pytest.mark.usefixtures("three")
def test_they_are_called_as_the_member_calls_them(member: Any) -> None:
    with translation.override("de"):
        assert dict(field_of(member).choices)["de"] == "Deutsch"


def test_there_is_none_where_the_site_has_not_said_which_it_has(member: Any) -> None:
    assert field_of(member) is None


def test_there_is_none_with_one_language(member: Any, settings: Any) -> None:
    settings.LANGUAGES = LANGUAGES[:1]
    assert field_of(member) is None


def test_there_is_none_without_translation(member: Any, settings: Any) -> None:
    settings.LANGUAGES = LANGUAGES
    settings.USE_I18N = False
    assert field_of(member) is None


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("own", "page", "chosen"),
    [("", "fr", "fr"), ("de", "fr", "de"), ("", "fr-ca", "fr"), ("", "es", "en"), ("", None, "en")],
)
def test_the_members_own_is_chosen_already(
    member: Any, own: str, page: str | None, chosen: str
) -> None:
    member.language = own
    with translation.override(page):
        assert field_of(member).initial == chosen


@pytest.mark.usefixtures("three")
def test_the_mail_is_written_in_the_one_that_is_chosen(member_client: Client, commit: Any) -> None:
    with commit():
        member_client.post(INVITE, {"email": ADDRESS, "language": "de"})
    assert InvitationKey.objects.get().language == "de"
    assert str(mail.outbox[0].body).startswith("Guten Tag")


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("posted", [{}, {"language": ""}])
def test_without_a_choice_it_is_the_members(member_client: Client, posted: dict[str, str]) -> None:
    fields = {"email": ADDRESS, **posted}
    member_client.post(INVITE, fields, headers={"accept-language": "fr"})
    assert InvitationKey.objects.get().language == "fr"


@pytest.mark.usefixtures("three")
def test_another_language_is_refused(member_client: Client) -> None:
    page = member_client.post(INVITE, {"email": ADDRESS, "language": "es"})
    assert "language" in page.context["form"].errors
    assert not InvitationKey.objects.exists()


@pytest.mark.usefixtures("three")
def test_the_preview_is_in_the_chosen_one_and_keeps_it(member_client: Client) -> None:
    typed = {"email": ADDRESS, "language": "de", "preview": "1"}
    page = member_client.post(INVITE, typed)
    assert page.context["preview"].text.startswith("Guten Tag")
    assert b'<input type="hidden" name="language" value="de"' in page.content
    frame = member_client.get(page.context["preview_url"])
    assert "Guten Tag" in frame.content.decode()


@pytest.mark.usefixtures("three")
def test_the_frame_is_in_the_language_of_the_text_without_a_choice(member_client: Client) -> None:
    typed = {"email": ADDRESS, "preview": "1"}
    page = member_client.post(INVITE, typed, headers={"accept-language": "fr"})
    frame = member_client.get(page.context["preview_url"], headers={"accept-language": "de"})
    assert page.context["preview"].text.startswith("Bonjour")
    assert "Bonjour" in frame.content.decode()
