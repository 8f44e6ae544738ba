"""Log records for emails that have reached their final state, for programs to count.

A record identifies the email by its number only. It has no address, no name and no key.
"""

from __future__ import annotations

import logging
from typing import Any

from django.utils import timezone

from invitation import signals
from invitation.models import InvitationEmail

logger = logging.getLogger("invitation.mail")


def connect() -> None:
    """Connect the receiver; ``apps.RECEIVERS`` names this module."""
    signals.mail_settled.connect(_record, dispatch_uid="invitation.record")


def _record(sender: Any, mail: InvitationEmail, state: str, failure: str, **kwargs: Any) -> None:
    unsure = failure == InvitationEmail.Failure.UNCONFIRMED
    failed = state == InvitationEmail.State.FAILED
    level = logging.WARNING if failed or unsure else logging.INFO
    details = {
        "mail_id": mail.pk,
        "kind": str(mail.kind),
        "state": state,
        "failure": failure,
        "attempts": mail.attempts,
        #: Seconds since the email was requested.
        "duration": round((timezone.now() - mail.created_at).total_seconds(), 3),
    }
    said = f"{state} ({failure})" if failure else state
    logger.log(level, "Invitation mail %s: %s", mail.pk, said, extra=details)
