"""Delivery through Django's mail backend."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from django.core import mail as django_mail
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError

from invitation import keys
from invitation.delivery.base import BaseDelivery
from invitation.delivery.bounded import (
    BODY,
    GREETING,
    READY,
    RECIPIENT,
    SENDER,
    Deadline,
    Rehearsed,
    bound,
)
from invitation.delivery.messages import MessageWriter
from invitation.delivery.senders import is_sender
from invitation.exceptions import DeliveryFailed, DeliveryUnavailable
from invitation.models import InvitationEmail

if TYPE_CHECKING:
    from typing import Self

#: Errors that are about the site by their class, for mail backends that report no phase.
SITE_ERRORS = (
    smtplib.SMTPAuthenticationError,
    smtplib.SMTPConnectError,
    smtplib.SMTPHeloError,
    smtplib.SMTPSenderRefused,
    ssl.SSLError,
    socket.gaierror,
    ConnectionRefusedError,
)
#: Answers that ask for another login (RFC 4954, section 6). For a recipient, they are not a final
#: refusal: the email is tried again.
LOGIN_CODES = {530, 534, 535, 538}
#: The email is larger than the server accepts. The server says so when it gets the sender (RFC
#: 1870, section 6.1).
TOO_LARGE = 552
#: The server ends the conversation (RFC 5321, section 3.8).
CLOSING = 421


class EmailDelivery(MessageWriter, BaseDelivery):
    """Delivery by email with the site's mail settings, EMAIL_* or MAILERS.

    All emails of a batch use one connection. The first email opens it.
    """

    #: Seconds that a mail server may take for one answer, if the site has set no timeout.
    timeout: float = 10
    #: Seconds that the server may take for one email in total, with the connection.
    time_per_mail: float = 60
    #: Seconds for closing the connection.
    time_to_close: float = 2
    #: Alias in MAILERS, from Django 6.1 on.
    mailer: str = "default"

    _connection: Any = None
    _in_batch = False

    def __enter__(self) -> Self:
        """Begin a batch."""
        self._in_batch = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the batch and close the connection."""
        self._in_batch = False
        self._close()

    def prepare(self, emails: Sequence[str]) -> None:
        """Find the accounts of the people who get these emails, with one query."""
        self.know_members(set(emails) - {""})

    def send(self, mail: InvitationEmail) -> None:
        """Send this email; its link is made here and is not stored."""
        if not self._deliver(mail):
            raise DeliveryFailed("The mail backend reported that it sent nothing.")

    def rehearse(self, mail: InvitationEmail) -> bool:
        """Write this email and name its recipient to the mail server, without handing it over.

        A mail backend that does not use SMTP is only opened. Returns whether a mail server has
        answered.
        """
        return bool(self._deliver(mail, rehearsing=True))

    def reach(self) -> None:
        """Open the connection of the batch, as for an email.

        Raises ``DeliveryUnavailable`` if that fails.
        """
        _check_sender(self.get_sender())
        self._limit.start(min(self.time_per_mail, self.deadline - time.monotonic()))
        try:
            self._open()
        finally:
            if not self._in_batch:
                self._close()

    def get_connection(self) -> Any:
        """Return the site's mail connection, always with a timeout and a deadline.

        Django's EMAIL_TIMEOUT is ``None`` by default. With it, a server that does not answer would
        block the member's request for ever.
        """
        connection = self.open_connection()
        if getattr(connection, "timeout", self.timeout) is None:
            connection.timeout = self.timeout
        bound(connection, self._limit)
        return connection

    def open_connection(self) -> Any:
        """Return the site's mail connection with the site's own settings."""
        mailers = getattr(django_mail, "mailers", None)  # new in Django 6.1
        return mailers[self.mailer] if mailers is not None else django_mail.get_connection()

    def check(self) -> list[CheckMessage]:
        """Return check messages for mail settings without a connection, and for a wrong sender."""
        messages = super().check()
        try:
            self.get_connection()
        except Exception as error:  # noqa: BLE001 (a mail backend of the site may raise anything)
            message = f"No email can leave. The email settings do not work: {_reason(error)}"
            hint = "Correct EMAIL_BACKEND and the other EMAIL_* settings, or MAILERS."
            messages.append(Error(message, hint=hint, id="invitation.E056"))
        sender = self.get_sender()
        if not is_sender(sender):
            message = f"DEFAULT_FROM_EMAIL is {sender!r}, but it must be one email address."
            hint = (
                'For example "club@example.org", or "Club <club@example.org>". Put a name with a '
                "comma or a colon in quotation marks."
            )
            messages.append(CheckWarning(message, hint=hint, id="invitation.W019"))
        return messages

    # -- the conversation --

    @property
    def _limit(self) -> Deadline:
        """Deadline for all connections of this delivery."""
        limit: Deadline = self.__dict__.setdefault("_deadline", Deadline())
        return limit

    def _deliver(self, mail: InvitationEmail, *, rehearsing: bool = False) -> int | None:
        message = self.get_message(mail)
        _check_sender(str(message.from_email))
        self._limit.start(min(self.time_per_mail, self.deadline - time.monotonic()))
        try:
            return self._send(message, rehearsing=rehearsing)
        finally:
            if not self._in_batch:
                self._close()

    def _send(self, message: Any, *, rehearsing: bool) -> int | None:
        """Send through the connection of the batch; try once more if the server has closed it."""
        fresh, smtp = self._open(), self._smtp()
        if smtp is not None:
            smtp.phase, smtp.rehearsing = READY, rehearsing
        elif rehearsing:
            message.message()
            return 0
        try:
            return self._connection.send_messages([message])  # type: ignore[no-any-return]
        except Rehearsed:
            self._start_over()
            return 1
        except (smtplib.SMTPException, OSError) as error:
            phase = self._phase()
            self._recover(error)
            if phase == BODY and _is_welcome(error):
                return 1
            if fresh or not _was_closed_before(error, phase):
                raise _failure(error, phase) from error
        self._close()
        return self._send(message, rehearsing=rehearsing)

    def _open(self) -> bool:
        """Open the connection if it is closed, and return whether it was opened now."""
        try:
            if self._connection is None:
                self._connection = self.get_connection()
            fresh = bool(self._connection.open())
            smtp = self._smtp()
            if fresh and smtp is not None:
                # Otherwise smtplib would do this for the first email, and a fault would seem to be
                # of that email.
                smtp.ehlo_or_helo_if_needed()
        except DatabaseError:
            raise  # a backend with settings in the database; not a fault of the mail server
        except Exception as error:
            # A mail backend or its settings may raise anything. The next email would get the same
            # error.
            self._close()
            raise DeliveryUnavailable(_reason(error)) from error
        return fresh

    def _smtp(self) -> Any:
        """Return the connection of ``smtplib``, or ``None`` if the backend has none."""
        smtp = getattr(self._connection, "connection", None)
        return smtp if isinstance(smtp, smtplib.SMTP) else None

    def _phase(self) -> str:
        """Return the phase of the conversation, or an empty string if the backend has none."""
        return getattr(self._smtp(), "phase", "")

    def _recover(self, error: Exception) -> None:
        """Prepare the connection for the next email, or close it."""
        smtp = self._smtp()
        answered = isinstance(error, (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused))
        if answered and smtp is not None and smtp.sock is not None:
            self._start_over()
        else:
            self._close()

    def _start_over(self) -> None:
        """Reset the conversation about an email; close the connection if the server refuses."""
        # After a refused DATA, the server still waits for another recipient.
        with suppress(smtplib.SMTPException, OSError):
            if self._smtp().rset()[0] == 250:
                return
        self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._limit.start(self.time_to_close)
            with suppress(smtplib.SMTPException, OSError):
                connection.close()


def _check_sender(sender: str) -> None:
    """Raise ``DeliveryUnavailable`` if emails cannot come from this sender."""
    if not is_sender(sender):
        raise DeliveryUnavailable(f"The sender {sender!r} is not an email address.")


def _was_closed_before(error: Exception, phase: str) -> bool:
    """Return whether the server closed the connection before the email was handed over.

    Many servers do so after a number of emails, or after some time. Some send an answer first,
    others do not.
    """
    if phase not in (SENDER, RECIPIENT):
        return False
    codes = _codes(error)
    return CLOSING in codes if codes else True


def _failure(error: Exception, phase: str) -> DeliveryFailed:
    """Return the exception for an error: about all emails, or about this one.

    An answer belongs to the phase in which it came. An answer to the sender, or earlier, is about
    the site. An answer to the recipient or to the email is about this email.
    """
    codes = _codes(error)
    of_site = phase in (GREETING, SENDER) if phase else isinstance(error, SITE_ERRORS)
    too_large = isinstance(error, smtplib.SMTPSenderRefused) and codes == {TOO_LARGE}
    if of_site and not too_large:
        return DeliveryUnavailable(_reason(error))
    # RFC 5321, 4.2.1. An answer that cannot be read counts as no answer.
    understood = type(error) is not smtplib.SMTPResponseException
    return DeliveryFailed(
        _reason(error),
        permanent=bool(codes - LOGIN_CODES) and min(codes) >= 500 and understood,
        codes=sorted(codes),
        of_recipient=phase == RECIPIENT,
        unconfirmed=phase == BODY and not any(400 <= code < 600 for code in codes),
    )


def _is_welcome(error: Exception) -> bool:
    """Return whether the server accepted an email with another code than 250.

    Source: RFC 5321, 4.2.1.
    """
    return any(200 <= code < 300 for code in _codes(error))


def _codes(error: Exception) -> set[int]:
    """Return the reply codes of the server; empty if it has not answered."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return {code for code, _ in error.recipients.values()}
    return {error.smtp_code} if isinstance(error, smtplib.SMTPResponseException) else set()


def _reason(error: Exception) -> str:
    """Return the reason without keys: a mail server may quote the email with its link."""
    return keys.conceal(_explain(error))[:500]


def _explain(error: Exception) -> str:
    """Return the mail server's answer, or the error, in one line."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = [_answer(code, text) for code, text in error.recipients.values()]
        return "; ".join(answers)
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error)
    return f"{type(error).__name__}: {error}"


def _answer(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(f"{code} {words}".split())
