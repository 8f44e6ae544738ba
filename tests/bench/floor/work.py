"""What the floor does without a page: lists, deletion, and emails of fixed bodies."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction

from tests.bench.floor.models import Invitation, Mail

#: What an email says: subject, text and HTML.
Bodies = tuple[str, str, str]


def invite_many(member: Any, emails: Sequence[str]) -> None:
    """Write a list and its emails with two ``bulk_create``."""
    with transaction.atomic():
        rows = [Invitation(inviter=member, email=email) for email in emails]
        rows = Invitation.objects.bulk_create(rows)
        Mail.objects.bulk_create([Mail(invitation=row) for row in rows])


def delete_expired(now: datetime) -> int:
    """Delete what has expired with one statement; return how many there were."""
    rows = Invitation.objects.filter(expires__lte=now)
    return rows._raw_delete(rows.db)


def send_fixed(bodies: Bodies, emails: Sequence[str]) -> None:
    """Build an email of fixed bodies for each address, and hand all of them to Django's backend."""
    subject, text, html = bodies
    with get_connection() as connection:
        for email in emails:
            message = EmailMultiAlternatives(subject, text, None, [email], connection=connection)
            message.attach_alternative(html, "text/html")
            message.send()


def send_by_smtplib(port: int, bodies: Bodies, emails: Sequence[str]) -> None:
    """Send an email of fixed bodies to each address through one connection."""
    subject, text, html = bodies
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.example") as smtp:
        for email in emails:
            message = EmailMessage()
            message["Subject"], message["From"], message["To"] = subject, "site@example.com", email
            message.set_content(text)
            message.add_alternative(html, subtype="html")
            smtp.send_message(message)
