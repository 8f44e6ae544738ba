"""Hand the mails of invitations to Django's mail backend."""

from __future__ import annotations

import smtplib
from typing import Any

from django.core import mail as django_mail

from invitation import keys
from invitation.delivery.base import BaseDelivery
from invitation.delivery.messages import MessageWriter
from invitation.exceptions import DeliveryFailed
from invitation.models import InvitationEmail

#: Refusals that are about the site's set-up and not about one mail.
SET_UP_ERRORS = (
    smtplib.SMTPAuthenticationError,
    smtplib.SMTPConnectError,
    smtplib.SMTPHeloError,
    smtplib.SMTPSenderRefused,
)


class EmailDelivery(MessageWriter, BaseDelivery):
    """Send invitations with the site's mail settings, EMAIL_* or MAILERS."""

    #: Seconds that a mail server may take for one answer where the site has set no timeout.
    timeout: float = 10
    #: The alias in MAILERS, from Django 6.1 on.
    mailer: str = "default"

    def send(self, mail: InvitationEmail) -> None:
        """Send this mail; the link is derived here and is stored nowhere."""
        message = self.get_message(mail)
        connection = self.get_connection()
        try:
            sent = connection.send_messages([message])
        except (smtplib.SMTPException, OSError) as error:
            # A mail server may quote the mail it refuses, link and all.
            reason = keys.conceal(_explain(error))[:500]
            raise DeliveryFailed(reason, permanent=_is_permanent(error)) from error
        if not sent:
            raise DeliveryFailed("The mail backend reported that it sent nothing.")

    def get_connection(self) -> Any:
        """Return the site's mail connection, with a timeout in any case.

        Django's EMAIL_TIMEOUT is ``None`` by default: a server that hangs would hang the
        member's request with it, for ever.
        """
        connection = self.open_connection()
        if getattr(connection, "timeout", self.timeout) is None:
            connection.timeout = self.timeout
        return connection

    def open_connection(self) -> Any:
        """Return the site's mail connection as the site has set it up."""
        mailers = getattr(django_mail, "mailers", None)  # new in Django 6.1
        return mailers[self.mailer] if mailers is not None else django_mail.get_connection()


def _explain(error: Exception) -> str:
    """Return the mail server's own words, or the error's, in one line."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = [_answer(code, text) for code, text in error.recipients.values()]
        return "; ".join(answers)
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error)
    return f"{type(error).__name__}: {error}"


def _answer(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(f"{code} {words}".split())


def _is_permanent(error: Exception) -> bool:
    """Tell whether the server refused this very mail for good (RFC 5321, 4.2.1)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    if isinstance(error, SET_UP_ERRORS):
        return False
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500
