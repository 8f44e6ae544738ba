"""django-anymail's tracking signal: what comes back, what is called spam, and who wants no more.

The events are anymail's own, and those at the end come through its webhooks.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import include, path

from invitation.backends import anymail
from invitation.flows.mail import is_suppressed
from invitation.models import InvitationEmail, SuppressedAddress
from tests.factories import ADDRESS, make_invitation, make_mail, make_user

pytest.importorskip("anymail", reason="django-anymail is not installed (extra: anymail)")
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason, tracking

pytestmark = pytest.mark.django_db
Reason = SuppressedAddress.Reason
ID = "<1@example.com>"
SECRET = "user:secret"

urlpatterns = [
    path("accounts/", include("invitation.urls")),
    path("anymail/", include("anymail.urls")),
]


@pytest.fixture
def mail() -> InvitationEmail:
    return make_mail(make_invitation(make_user("inviter")), state="sent", message_id=ID)


@pytest.fixture
def installed(settings: Any) -> Iterator[None]:
    """Let the site have django-anymail, which connects the receiver."""
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET}
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "anymail"]
    yield
    assert tracking.disconnect(dispatch_uid="invitation.tracking")


def tell(**fields: Any) -> None:
    """Let anymail tell something, as its webhooks do."""
    fields = {"recipient": ADDRESS, "message_id": ID, "esp_event": {}} | fields
    tracking.send(sender=None, event=AnymailTrackingEvent(**fields), esp_name="Test")


def outcome(mail: InvitationEmail) -> tuple[str, str, str | None]:
    mail.refresh_from_db()
    return mail.state, mail.failure, is_suppressed(ADDRESS)


UNTOUCHED = ("sent", "", None)
BOUNCED = ("failed", "bounced", Reason.BOUNCED)
COMPLAINED = ("sent", "", Reason.COMPLAINED)
UNSUBSCRIBED = ("sent", "", Reason.UNSUBSCRIBED)


@pytest.mark.each_case
@pytest.mark.parametrize(
    ("kind", "reason", "expected"),
    [
        (EventType.BOUNCED, RejectReason.BOUNCED, BOUNCED),
        (EventType.BOUNCED, RejectReason.INVALID, BOUNCED),
        (EventType.BOUNCED, None, BOUNCED),
        (EventType.BOUNCED, RejectReason.TIMED_OUT, UNTOUCHED),
        (EventType.BOUNCED, RejectReason.BLOCKED, UNTOUCHED),
        # By the mail server and not by a person.
        (EventType.BOUNCED, RejectReason.SPAM, UNTOUCHED),
        (EventType.BOUNCED, RejectReason.OTHER, UNTOUCHED),
        (EventType.REJECTED, RejectReason.BOUNCED, BOUNCED),
        (EventType.REJECTED, RejectReason.INVALID, BOUNCED),
        (EventType.REJECTED, RejectReason.BLOCKED, UNTOUCHED),
        (EventType.REJECTED, None, UNTOUCHED),
        (EventType.REJECTED, RejectReason.SPAM, COMPLAINED),
        (EventType.REJECTED, RejectReason.UNSUBSCRIBED, UNSUBSCRIBED),
        (EventType.COMPLAINED, RejectReason.SPAM, COMPLAINED),
        (EventType.COMPLAINED, None, COMPLAINED),
        (EventType.UNSUBSCRIBED, None, UNSUBSCRIBED),
        (EventType.SUBSCRIBED, None, UNTOUCHED),
        (EventType.DEFERRED, None, UNTOUCHED),
        (EventType.DELIVERED, None, UNTOUCHED),
        (EventType.OPENED, None, UNTOUCHED),
        (EventType.FAILED, None, UNTOUCHED),
        (EventType.UNKNOWN, None, UNTOUCHED),
    ],
)
def test_what_becomes_of_mail_and_address(
    installed: None, mail: InvitationEmail, kind: str, reason: str | None, expected: Any
) -> None:
    tell(event_type=kind, reject_reason=reason)
    assert outcome(mail) == expected


@pytest.mark.each_case
@pytest.mark.parametrize(
    "report",
    [
        {"RecordType": "Bounce", "Type": "SoftBounce"},
        {"event": "soft_bounce"},
        {"type": "activity.soft_bounced"},
        {"eventType": "Bounce", "bounce": {"bounceType": "Transient"}},
        {"eventType": "Bounce", "bounce": {"bounceType": "Undetermined"}},
        {"type": "email.bounced", "data": {"bounce": {"type": "Transient"}}},
        {"event": "bounce", "hard_bounce": False},
        {"type": "bounce", "bounce_class": "22"},
    ],
    ids=["Postmark", "Brevo", "MailerSend", "SES", "SES?", "Resend", "Mailjet", "SparkPost"],
)
def test_a_full_mailbox_is_no_bounce_whatever_anymail_calls_it(
    installed: None, mail: InvitationEmail, report: dict[str, Any]
) -> None:
    tell(event_type=EventType.BOUNCED, reject_reason=RejectReason.BOUNCED, esp_event=report)
    assert outcome(mail) == UNTOUCHED


@pytest.mark.parametrize(
    "report",
    [
        {"RecordType": "Bounce", "Type": "HardBounce"},
        {"event": "hard_bounce"},
        {"type": "activity.hard_bounced"},
        {"eventType": "Bounce", "bounce": {"bounceType": "Permanent"}},
        {"event": "bounce", "hard_bounce": True},
        {"type": "bounce", "bounce_class": "10"},
        None,
        "?",
    ],
    ids=["Postmark", "Brevo", "MailerSend", "SES", "Mailjet", "SparkPost", "none", "text"],
)
def test_one_for_good_is(installed: None, mail: InvitationEmail, report: Any) -> None:
    tell(event_type=EventType.BOUNCED, reject_reason=RejectReason.BOUNCED, esp_event=report)
    assert outcome(mail) == BOUNCED


def test_what_the_mail_server_said_is_kept(installed: None, mail: InvitationEmail) -> None:
    bounced = {"event_type": EventType.BOUNCED, "reject_reason": RejectReason.BOUNCED}
    tell(**bounced, mta_response="550 5.1.1 no such user")
    mail.refresh_from_db()
    assert mail.last_error == "550 5.1.1 no such user"


def test_or_what_the_mail_service_says(installed: None, mail: InvitationEmail) -> None:
    bounced = {"event_type": EventType.BOUNCED, "reject_reason": RejectReason.BOUNCED}
    tell(**bounced, description="Unknown user")
    mail.refresh_from_db()
    assert mail.last_error == "Unknown user"


@pytest.mark.parametrize("recipient", [None, ""])
def test_an_event_about_nobody_is_no_matter(
    installed: None, mail: InvitationEmail, recipient: str | None
) -> None:
    tell(event_type=EventType.COMPLAINED, recipient=recipient)
    assert outcome(mail) == UNTOUCHED


def test_nothing_is_connected_where_anymail_is_not_installed(mail: InvitationEmail) -> None:
    assert not apps.is_installed("anymail")
    anymail.connect()
    tell(event_type=EventType.COMPLAINED)
    assert outcome(mail) == UNTOUCHED


def post(name: str, body: Any, **headers: str) -> int:
    secret = base64.b64encode(SECRET.encode()).decode()
    headers = {"Authorization": f"Basic {secret}"} | headers
    address = f"/anymail/{name}/tracking/"
    answer = Client().post(address, json.dumps(body), "application/json", headers=headers)
    return answer.status_code


POSTMARK = {
    "RecordType": "Bounce",
    "ID": 901542550,
    "Type": "HardBounce",
    "TypeCode": 1,
    "MessageID": "2706ee8a-737c-4285-b032-ccd317af53ed",
    "Description": "The server was unable to deliver your message (ex: unknown user).",
    "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
    "Email": ADDRESS,
    "BouncedAt": "2026-11-22T16:12:00Z",
}


def test_a_bounce_comes_through_the_webhook(
    settings: Any, installed: None, mail: InvitationEmail
) -> None:
    settings.ROOT_URLCONF = __name__
    # Postmark has Message-IDs of its own: it is the latest email to this address.
    assert post("postmark", POSTMARK) == 200
    assert outcome(mail) == BOUNCED
    assert "550 5.1.1" in mail.last_error


def test_a_soft_one_does_nothing(settings: Any, installed: None, mail: InvitationEmail) -> None:
    settings.ROOT_URLCONF = __name__
    assert post("postmark", POSTMARK | {"Type": "SoftBounce"}) == 200
    assert outcome(mail) == UNTOUCHED


def test_a_complaint_comes_through_the_webhook(
    settings: Any, installed: None, mail: InvitationEmail
) -> None:
    settings.ROOT_URLCONF = __name__
    complaint = {"RecordType": "SpamComplaint", "Type": "SpamComplaint"}
    assert post("postmark", POSTMARK | complaint) == 200
    assert outcome(mail) == COMPLAINED


def test_it_may_be_told_again(settings: Any, installed: None, mail: InvitationEmail) -> None:
    settings.ROOT_URLCONF = __name__
    assert [post("postmark", POSTMARK) for _ in range(3)] == [200] * 3
    assert outcome(mail) == BOUNCED
    assert SuppressedAddress.objects.count() == 1


def test_who_has_not_the_secret_suppresses_nobody(
    settings: Any, installed: None, mail: InvitationEmail
) -> None:
    settings.ROOT_URLCONF = __name__
    assert post("postmark", POSTMARK, Authorization="Basic eDp5") == 400
    assert outcome(mail) == UNTOUCHED
