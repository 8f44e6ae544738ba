"""Keep every email of this site in a folder, byte by byte as a mail server would get it.

It stands in for the mailboxes of all the people in this example, so that one can play both the
member who invites and the neighbour who is invited. A real site has an SMTP server here.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage as ParsedMessage
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

NAME = re.compile(r"[0-9]{20}-[0-9a-f]{8}")


class EmailBackend(BaseEmailBackend):
    """Put each email into the folder MAIL_DIR; works with EMAIL_BACKEND and with MAILERS."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Store the emails and return how many."""
        for message in email_messages:
            store(message.message().as_bytes())
        return len(email_messages)


@dataclass(frozen=True)
class Letter:
    """Hold one email that has arrived."""

    name: str
    raw: bytes

    @property
    def arrived(self) -> datetime:
        """Give the moment of its arrival, which is the first part of its name."""
        return datetime.fromtimestamp(int(self.name.split("-")[0]) / 1_000_000_000, timezone.utc)

    @property
    def message(self) -> ParsedMessage:
        """Give the email with its headers and bodies decoded."""
        return message_from_bytes(self.raw, policy=policy.default)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Give all headers, decoded, in their order."""
        return [(name, str(value)) for name, value in self.message.items()]

    @property
    def subject(self) -> str:
        """Give the subject, or an empty string."""
        return str(self.message["Subject"] or "")

    @property
    def sender(self) -> str:
        """Give who it is from."""
        return str(self.message["From"] or "")

    @property
    def recipient(self) -> str:
        """Give who it is for."""
        return str(self.message["To"] or "")

    @property
    def text(self) -> str:
        """Give the body as text, or an empty string."""
        return self._body("plain")

    @property
    def html(self) -> str:
        """Give the body as HTML, or an empty string."""
        return self._body("html")

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return "" if part is None else part.get_content()


def store(raw: bytes) -> None:
    """Put an email into the folder, whole or not at all."""
    folder = Path(settings.MAIL_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    unfinished = folder / f"{name}.part"
    unfinished.write_bytes(raw)
    os.replace(unfinished, folder / f"{name}.eml")


def newest(limit: int = 100) -> list[Letter]:
    """Return the emails that arrived last, newest first."""
    paths = sorted(Path(settings.MAIL_DIR).glob("*.eml"), reverse=True)
    return [Letter(path.stem, path.read_bytes()) for path in paths[:limit]]


def find(name: str) -> Letter | None:
    """Return the email of this name, or ``None``."""
    path = Path(settings.MAIL_DIR) / f"{name}.eml"
    if not NAME.fullmatch(name) or not path.is_file():
        return None
    return Letter(name, path.read_bytes())
