"""The preview of an email: it says what the email will say, and nothing has happened."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from typing import Any

import pytest
import time_machine
from django.core import mail as django_mail
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from invitation import keys
from invitation.delivery.base import BaseDelivery, MailPreview
from invitation.delivery.email import EmailDelivery
from invitation.delivery.messages import SAMPLE_KEY
from invitation.exceptions import (
    AddressRefused,
    DestinationRefused,
    ExpiryRefused,
    InvitationError,
    InvitingForbidden,
    NoPreview,
    OwnAddress,
    TextRefused,
)
from invitation.flows import inviting
from invitation.keys import unsubscribing
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import ADDRESS, make_user
from tests.scenes import dump

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)
MAIL = "invitation.delivery.email.EmailDelivery"


class OtherDelivery(BaseDelivery):
    """Stand for a delivery by something else than email."""

    def send(self, mail: InvitationEmail) -> None:
        """Send nothing."""


class PlainDelivery(EmailDelivery):
    """Stand for a site's own email, without HTML."""

    def get_message(self, mail: InvitationEmail) -> EmailMultiAlternatives:
        """Return a text alone."""
        return EmailMultiAlternatives(
            "Come", f"Dear {mail.invitation.recipient_name}", to=["b@c.d"]
        )


@pytest.fixture(autouse=True)
def _by_mail(settings: Any, outbox: Any) -> None:
    settings.INVITATION_DELIVERY = MAIL


def own_template(settings: Any, name: str, text: str) -> None:
    """Let the site have a template of its own in place of one of ours."""
    loaders = [
        ("django.template.loaders.locmem.Loader", {f"invitation/{name}": text}),
        "django.template.loaders.app_directories.Loader",
    ]
    backend = "django.template.backends.django.DjangoTemplates"
    settings.TEMPLATES = [{"BACKEND": backend, "OPTIONS": {"loaders": loaders}}]


SENT = {
    "bare": {},
    "with everything": {
        "recipient_name": "Bob",
        "note": "Come & see.\n\nBring <gloves>!",
        "language": "de",
        "days": None,
        "destination": "/welcome/",
    },
    "in Arabic": {"language": "ar", "days": 30},
}


@pytest.mark.anywhere
@pytest.mark.parametrize("arguments", SENT.values(), ids=SENT)
@pytest.mark.parametrize("replies", [True, False])
@time_machine.travel(NOON, tick=False)
def test_the_mail_that_is_sent_is_the_one_that_was_shown(
    member: Any, settings: Any, commit: Any, arguments: dict[str, Any], replies: bool
) -> None:
    settings.INVITATION_EXPIRY_CHOICES = [30, None]
    settings.INVITATION_REPLY_TO_INVITER = replies
    shown = inviting.preview(member, " Bob@Example.ORG ", **arguments)
    with commit():
        invitation = inviting.invite(member, " Bob@Example.ORG ", **arguments).invitation
    [sent] = django_mail.outbox
    assert isinstance(sent, EmailMultiAlternatives)

    def with_link(text: str) -> str:
        token = unsubscribing.make_token(invitation.email)
        text = text.replace(f"/unsubscribe/{SAMPLE_KEY}/", f"/unsubscribe/{token}/")
        return text.replace(SAMPLE_KEY, invitation.mail_key)

    assert with_link(shown.text) == sent.body
    assert [with_link(shown.html)] == [content for content, _ in sent.alternatives]
    assert (shown.subject, shown.sender) == (sent.subject, sent.from_email)
    assert ([shown.recipient], shown.reply_to) == (sent.to, ", ".join(sent.reply_to))
    assert bool(shown.reply_to) is replies


@pytest.mark.anywhere
def test_it_holds_no_key(member: Any) -> None:
    shown = inviting.preview(member, ADDRESS)
    for text in (shown.text, shown.html):
        assert f"/invited/{SAMPLE_KEY}/" in text
        assert not keys.PATTERN.search(text)
    assert keys.resolve(SAMPLE_KEY, InvitationKey.objects.find, 1) is None


@pytest.mark.anywhere
def test_nothing_is_written_spent_or_told(member: Any, commit: Any, heard: Any) -> None:
    before = dump()
    with commit():
        inviting.preview(member, ADDRESS, note="See you")
    assert dump() == before
    assert heard == []
    assert django_mail.outbox == []


@pytest.mark.parametrize("complete", [True, False], ids=["complete", "bare"])
def test_it_asks_the_database_only_for_what_is_left_out(member: Any, complete: bool) -> None:
    texts = {"recipient_name": "Bob", "note": "Hi", "language": "en"} if complete else {}
    inviting.preview(member, ADDRESS)  # the process keeps the Site in memory
    with CaptureQueriesContext(connection) as queries:
        inviting.preview(member, ADDRESS, **texts)
    assert len(queries) == (0 if complete else 1)


@pytest.mark.anywhere
def test_it_shows_what_an_open_invitation_keeps(member: Any) -> None:
    inviting.invite(
        member, ADDRESS, recipient_name="Bob", note="Bring gloves.", language="fr", mail=False
    )
    shown = inviting.preview(member, ADDRESS).text
    assert "Bonjour Bob" in shown
    assert "Bring gloves." in shown
    assert "Bring hats." in inviting.preview(member, ADDRESS, note="Bring hats.").text
    assert "Bob" not in inviting.preview(member, "other@example.org").text


def test_it_is_in_the_language_of_the_page_unless_another_is_named(member: Any) -> None:
    with translation.override("de"):
        assert "Guten Tag" in inviting.preview(member, ADDRESS).text
        assert "Hello" in inviting.preview(member, ADDRESS, language="en").text


def test_it_does_not_matter_what_is_left_of_the_quota(member: Any, settings: Any) -> None:
    settings.INVITATIONS_PER_USER = 0
    assert ADDRESS in inviting.preview(member, ADDRESS).recipient


REFUSED: dict[str, tuple[type[InvitationError], dict[str, Any]]] = {
    "address": (AddressRefused, {"email": "bob"}),
    "own address": (OwnAddress, {"email": "member@example.com"}),
    "note": (TextRefused, {"note": "www.evil.example"}),
    "days": (ExpiryRefused, {"days": 2}),
    "destination": (DestinationRefused, {"destination": "//evil.example"}),
}


@pytest.mark.anywhere
@pytest.mark.parametrize("name", REFUSED)
def test_what_could_not_be_sent_is_not_shown(member: Any, name: str) -> None:
    error, arguments = REFUSED[name]
    with pytest.raises(error):
        inviting.preview(member, **{"email": ADDRESS, **arguments})


def test_who_may_not_invite_is_shown_nothing() -> None:
    with pytest.raises(InvitingForbidden):
        inviting.preview(make_user("gone", is_active=False), ADDRESS)


@pytest.mark.parametrize("delivery", ["dummy.DummyDelivery", "outbox.OutboxDelivery"])
def test_each_delivery_of_ours_shows_the_mail(member: Any, settings: Any, delivery: str) -> None:
    by_mail = inviting.preview(member, ADDRESS)
    settings.INVITATION_DELIVERY = f"invitation.delivery.{delivery}"
    assert inviting.preview(member, ADDRESS) == by_mail


def test_a_delivery_that_shows_nothing_says_so(member: Any, settings: Any) -> None:
    settings.INVITATION_DELIVERY = f"{__name__}.OtherDelivery"
    with pytest.raises(NoPreview) as refused:
        inviting.preview(member, ADDRESS)
    assert refused.value.code == "no_preview"


def test_a_mail_of_the_sites_own_is_shown_as_it_is(member: Any, settings: Any) -> None:
    settings.INVITATION_DELIVERY = f"{__name__}.PlainDelivery"
    assert inviting.preview(member, ADDRESS, recipient_name="Bob") == MailPreview(
        subject="Come", sender="site@example.com", recipient="b@c.d", text="Dear Bob"
    )


@pytest.mark.parametrize(
    "text", ["{% broken %}", "{% load nowhere %}", "{{ invitation_url }}{% url 'nowhere' %}"]
)
@pytest.mark.parametrize("name", ["subject.txt", "txt", "html"])
def test_a_template_that_fails_is_no_error_page(
    member: Any, settings: Any, caplog: pytest.LogCaptureFixture, name: str, text: str
) -> None:
    name = f"invitation_email_{name}" if name == "subject.txt" else f"invitation_email.{name}"
    own_template(settings, name, text)
    with caplog.at_level(logging.ERROR), pytest.raises(NoPreview):
        inviting.preview(member, ADDRESS)
    assert "The email has no preview" in caplog.text
    assert not keys.PATTERN.search(caplog.text)


def test_a_delivery_that_is_not_there_is_no_error_page(member: Any, settings: Any) -> None:
    settings.INVITATION_DELIVERY = "tests.nowhere.Delivery"
    with pytest.raises(NoPreview):
        inviting.preview(member, ADDRESS)
