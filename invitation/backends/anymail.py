"""Hear from django-anymail what became of the mails: bounces, complaints, and who wants no more.

Connected by ``apps.py`` where ``anymail`` is installed. Its webhooks have to be set up, and their
secret too, since whoever can post to them can have any address suppressed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps

from invitation import flows
from invitation.models import SuppressedAddress

#: What a mail service says about an address that it would not send to, or that sent it back.
GONE = ("bounced", "invalid")

#: How mail services call a bounce that may be none next time: Amazon SES, Brevo, MailerSend,
#: Mandrill, Postmark, Resend. Anymail calls all of them bounces.
SOFT = frozenset(("transient", "undetermined", "softbounce", "activitysoftbounced"))
#: Where they say so.
SAYING = frozenset(("event", "type", "bouncetype"))
#: SparkPost's bounce classes that are about the address, and not about a server or this mail.
HARD_CLASSES = frozenset(("10", "30"))


def connect() -> None:
    """Connect the receiver where django-anymail is installed."""
    if not apps.is_installed("anymail"):
        return
    from anymail.signals import tracking

    tracking.connect(record_tracking, dispatch_uid="invitation.tracking")


def record_tracking(sender: Any, event: Any, **kwargs: Any) -> None:
    """Note what a mail service tells about one mail to one address.

    If it raises, the mail service gets an error, and tells it again later.
    """
    email, message_id = event.recipient or "", event.message_id or ""
    kind, reason = event.event_type, event.reject_reason
    if not email.strip():
        return
    if kind == "complained":
        flows.report_complaint(email, message_id)
    elif kind == "unsubscribed" or (kind == "rejected" and reason == "unsubscribed"):
        flows.suppress(email, SuppressedAddress.Reason.OPTED_OUT)
    elif not is_permanent(event.esp_event):
        return
    elif kind == "rejected" and reason == "spam":
        # It is the one of an earlier time for which nothing more is sent.
        flows.report_complaint(email, message_id)
    elif reason in GONE if kind == "rejected" else kind == "bounced" and reason in (*GONE, None):
        details = str(event.mta_response or event.description or "")
        flows.report_bounce(email, message_id, details=details)


def is_permanent(esp_event: Any) -> bool:
    """Tell whether a mail service's own report says that the address takes no mail at all.

    Anymail has one word for all bounces; a full mailbox is none that anybody should lose his
    invitations by.
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
    """Yield names and values of a report, with those that it holds."""
    if not hasattr(report, "items"):
        return
    for name, value in report.items():
        yield _letters(name), value
        yield from _said(value)


def _letters(text: Any) -> str:
    return "".join(filter(str.isalnum, str(text))).lower()
