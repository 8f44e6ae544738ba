"""Manager methods for the results of emails, and for reports about them."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from invitation.keys import message_ids
from invitation.models.moments import latest
from invitation.models.querysets import holds

if TYPE_CHECKING:
    from invitation.models import InvitationEmail

    Mails = models.Manager[InvitationEmail]
else:
    Mails = object


class MailOutcomesMixin(Mails):
    """Methods that find and record the results of emails."""

    #: Number of the newest emails among which the last tried ones are searched.
    NEWEST = 100

    def sent_to(self, email_key: str, message_id: str = "") -> InvitationEmail | None:
        """Return the email to an invited person that a report is about, or ``None``.

        ``message_id`` may have angle brackets or not. With one, the email's state does not matter.
        Without one, or if no email has it, the result is the latest email that was sent to this
        address. ``email_key`` is an address in the form of ``addresses.canonical``.
        """
        kinds = (self.model.Kind.INVITATION, self.model.Kind.REMINDER)
        rows = self.select_related("invitation__from_user").order_by("-pk")
        rows = rows.filter(invitation__email_key=email_key, kind__in=kinds)
        named = self.named(message_id)
        # The Message-ID may be of an email to an inviter with the same address. Such a report
        # says nothing of their own invitation.
        if named is not None and named.kind not in kinds:
            return None
        if named is not None and named.invitation.email_key == email_key:
            return named
        return rows.filter(state=self.model.State.SENT).first()

    def named(self, message_id: str) -> InvitationEmail | None:
        """Return the email with this Message-ID, with or without angle brackets, or ``None``."""
        bare = message_id.replace("\0", "").strip().strip("<>")
        if not bare:
            return None
        rows = self.select_related("invitation__from_user")
        found = message_ids.read(bare)
        if found is not None:
            pk, mac = found
            mail = rows.filter(pk=pk).first()
            if mail is not None and message_ids.is_of(pk, mail.invitation.locator, mac):
                return mail
        return rows.filter(message_id__in=(bare, f"<{bare}>")).order_by("-pk").first()

    def tried_beside(self, mail: InvitationEmail, number: int) -> list[tuple[str, str]]:
        """Return state and error of the other emails to invited people that were tried last.

        The search covers the ``NEWEST`` emails. It leaves out emails that are being sent, emails
        that their recipients do not want, and emails whose recipient the mail server refused.
        """
        state, failure = self.model.State, self.model.Failure
        kinds = (self.model.Kind.INVITATION, self.model.Kind.REMINDER)
        failed = Q(state=state.QUEUED, attempts__gt=0, failure="")
        failed |= Q(state=state.FAILED, failure=failure.REFUSED)
        tried = Q(state=state.SENT) | failed & Q(of_recipient=False)
        tried &= Q(tried_at__lte=latest(timezone.now()))
        others = self.filter(tried, kind__in=kinds).exclude(pk=mail.pk)
        newest = others.order_by("-pk").values_list("tried_at", "state", "last_error")
        last = sorted(newest[: self.NEWEST], key=itemgetter(0), reverse=True)
        return [(found, reason) for _, found, reason in last[:number]]

    def mark_bounced(self, mail: InvitationEmail, details: str) -> bool:
        """Record that a sent email bounced; return whether it was sent.

        The report may come before the sender could record that the email was sent. The sender then
        finds it settled.
        """
        state = self.model.State
        left = Q(holds("state", state.SENT)) | Q(holds("state", state.SENDING))
        changes = {
            "state": state.FAILED,
            "failure": self.model.Failure.BOUNCED,
            "last_error": details,
            "lease_until": None,
        }
        if not self.filter(left, pk=mail.pk).update(**changes):
            return False
        note(mail, changes)
        return True


def note(mail: InvitationEmail, changes: dict[str, Any]) -> None:
    """Copy the written changes to the object in memory, because a receiver may save it."""
    for name, value in changes.items():
        setattr(mail, name, value)
