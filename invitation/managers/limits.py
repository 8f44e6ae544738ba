"""Count the mails of a day, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from invitation.models import MailCounter  # noqa: F401 (named in a text)


class MailCounterManager(models.Manager["MailCounter"]):
    """Count mails in many scopes at once, whatever happens at the same time."""
