"""Find out what has become of emails, and note what others tell of them."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

from invitation.querysets import holds

if TYPE_CHECKING:
    from invitation.models import InvitationEmail

    Mails = models.Manager[InvitationEmail]
else:
    Mails = object


class MailOutcomesMixin(Mails):
    """Tell of emails what has become of them."""

    #: Among how many of the newest emails those are found that were tried last.
    NEWEST = 100

    def sent_to(self, email_key: str, message_id: str = "") -> InvitationEmail | None:
        """Return the mail to an invited person that somebody tells us about, or ``None``.

        That with this Message-ID, in angle brackets or not, whatever has become of it; else the
        latest one that was sent to this address, in the form of ``addresses.canonical``.
        """
        kinds = (self.model.Kind.INVITATION, self.model.Kind.REMINDER)
        rows = self.select_related("invitation__from_user").order_by("-pk")
        rows = rows.filter(invitation__email_key=email_key, kind__in=kinds)
        bare = message_id.replace("\0", "").strip().strip("<>")
        if bare:
            ids = (bare, f"<{bare}>")
            named = rows.filter(message_id__in=ids).first()
            # One to an inviter, who was invited himself once, says nothing of that mail.
            if named or self.exclude(kind__in=kinds).filter(message_id__in=ids).exists():
                return named
        return rows.filter(state=self.model.State.SENT).first()

    def tried_beside(self, mail: InvitationEmail, number: int) -> list[tuple[str, str]]:
        """Return state and error of the other emails to the invited that were tried last.

        Among the newest ones. Neither those that somebody has in hand, nor those that their
        recipients do not want.
        """
        state, failure = self.model.State, self.model.Failure
        kinds = (self.model.Kind.INVITATION, self.model.Kind.REMINDER)
        tried = Q(state=state.SENT) | Q(state=state.QUEUED, attempts__gt=0, failure="")
        tried |= Q(state=state.FAILED, failure=failure.REFUSED)
        others = self.filter(tried, kind__in=kinds, tried_at__isnull=False).exclude(pk=mail.pk)
        newest = others.order_by("-pk").values_list("tried_at", "state", "last_error")
        latest = sorted(newest[: self.NEWEST], key=itemgetter(0), reverse=True)
        return [(found, reason) for _, found, reason in latest[:number]]

    def mark_bounced(self, mail: InvitationEmail, details: str) -> bool:
        """Note that a mail has come back that was sent; tell whether it was.

        Perhaps before its sender could note that it was sent, who then finds it settled.
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
    """Let a row in memory say what was written: whoever is told of it may save it."""
    for name, value in changes.items():
        setattr(mail, name, value)
