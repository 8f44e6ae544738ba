"""Delivery events from django-anymail: bounces, complaints and unsubscribed addresses.

``apps.py`` connects the receiver where ``anymail`` is installed. The site must set up Anymail's
webhooks and their secret. Without the secret, anybody who can post to them can suppress any
address.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps

from invitation.flows import mail
from invitation.models import SuppressedAddress

#: Reasons for which an email service rejects or returns an email because of its address.
GONE = ("bounced", "invalid")

#: Names of email services for a bounce that may not happen again: Amazon SES, Brevo, MailerSend,
#: Mandrill, Postmark, Resend. Anymail calls all of them bounces.
SOFT = frozenset(("transient", "undetermined", "softbounce", "activitysoftbounced"))
#: Fields in which email services report these names.
SAYING = frozenset(("event", "type", "bouncetype"))
#: SparkPost's bounce classes that concern the address, not a server or this email.
HARD_CLASSES = frozenset(("10", "30"))


def connect() -> None:
    """Connect the receiver where django-anymail is installed."""
    if not apps.is_installed("anymail"):
        return
    from anymail.signals import tracking

    tracking.connect(record_tracking, dispatch_uid="invitation.tracking")


def record_tracking(sender: Any, event: Any, **kwargs: Any) -> None:
    """Record what an email service reports about one email to one address.

    If this raises, the email service gets an error and reports the event again later.
    """
    email, message_id = event.recipient or "", event.message_id or ""
    kind, reason = event.event_type, event.reject_reason
    if not email.strip():
        return
    if kind == "complained":
        mail.report_complaint(email, message_id)
    elif kind == "unsubscribed" or (kind == "rejected" and reason == "unsubscribed"):
        mail.suppress(email, SuppressedAddress.Reason.UNSUBSCRIBED)
    elif not is_permanent(event.esp_event):
        return
    elif kind == "rejected" and reason == "spam":
        # The complaint concerns an earlier email. The service no longer sends to this address.
        mail.report_complaint(email, message_id)
    elif reason in GONE if kind == "rejected" else kind == "bounced" and reason in (*GONE, None):
        details = str(event.mta_response or event.description or "")
        mail.report_bounce(email, message_id, details=details)


def is_permanent(esp_event: Any) -> bool:
    """Return whether an email service's report says that the address can receive no email at all.

    Anymail uses one name for all bounces. A full mailbox is a bounce too, but nobody should lose
    their invitations because of it.
    """
    for name, value in _said(esp_event):
        if name == "hardbounce" and value is False:  # Mailjet
            return False
        if name == "bounceclass" and str(value) not in HARD_CLASSES:  # SparkPost
            return False
        if name in SAYING and _letters(value) in SOFT:
            return False
    return True


def _said(report: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values of a report, including those of nested reports."""
    if not hasattr(report, "items"):
        return
    for name, value in report.items():
        yield _letters(name), value
        yield from _said(value)


def _letters(text: Any) -> str:
    return "".join(filter(str.isalnum, str(text))).lower()
