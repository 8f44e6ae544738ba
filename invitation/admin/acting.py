"""Admin actions that revoke, extend and resend several invitations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from invitation.admin.base import AnyAdmin
from invitation.exceptions import (
    AddressBlocked,
    AddressRefused,
    AlreadyInvited,
    Busy,
    InvitationError,
    MailLimitReached,
    MailTooSoon,
    NotPending,
    QuotaExceeded,
)
from invitation.flows import inviting, mail
from invitation.models import InvitationKey

if TYPE_CHECKING:
    Base = AnyAdmin
else:
    Base = object

#: Messages of the actions, with the number of invitations.
REVOKED = ngettext_lazy("%d invitation was revoked.", "%d invitations were revoked.")
EXTENDED = ngettext_lazy("%d invitation was extended.", "%d invitations were extended.")
#: For shared links, and for unsent invitations made by ``create_invitation`` of version 1.0.
UNADDRESSED = ngettext_lazy(
    "%d invitation has no email address, so it was not resent.",
    "%d invitations have no email address, so they were not resent.",
)
RESENT = ngettext_lazy(
    "%d invitation was resent.",
    "%d invitations were resent.",
)
REFUSED = {
    AddressBlocked.code: ngettext_lazy(
        "%d invitation is to an address that this site blocks now.",
        "%d invitations are to addresses that this site blocks now.",
    ),
    NotPending.code: ngettext_lazy(
        "%d invitation is no longer pending, so it was not changed.",
        "%d invitations are no longer pending, so they were not changed.",
    ),
    MailLimitReached.code: ngettext_lazy(
        "%d invitation was not resent: today's limit of emails is reached.",
        "%d invitations were not resent: today's limit of emails is reached.",
    ),
    MailTooSoon.code: ngettext_lazy(
        "%d invitation was sent a moment ago, so it was not resent.",
        "%d invitations were sent a moment ago, so they were not resent.",
    ),
    QuotaExceeded.code: ngettext_lazy(
        "%d invitation stays expired: its inviter has no invitations left.",
        "%d invitations stay expired: their inviters have no invitations left.",
    ),
    AlreadyInvited.code: ngettext_lazy(
        "%d invitation stays expired: its inviter has a pending one to this address.",
        "%d invitations stay expired: their inviters have pending ones to these addresses.",
    ),
    Busy.code: ngettext_lazy(
        "%d invitation was not changed, because the database is busy. Try again.",
        "%d invitations were not changed, because the database is busy. Try again.",
    ),
}


class InvitationActionsMixin(Base):
    """Actions of the invitations. Each shows how many were changed, or why not."""

    @admin.action(description=_("Revoke selected invitations"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Revoke the selected invitations that are pending."""
        self._act(request, queryset, inviting.revoke, REVOKED, _("Revoked."))

    @admin.action(description=_("Extend selected invitations"), permissions=["change"])
    def extend(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Give the selected invitations their full time from now on.

        Expired ones become pending again.
        """
        self._act(request, queryset, inviting.extend, EXTENDED, _("Extended."))

    @admin.action(description=_("Resend selected invitations"), permissions=["change"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Send the email of the selected invitations again.

        Expired ones become pending again.
        """
        addressed = queryset.exclude(email="")
        with mail.send_together() as written:
            verb = partial(inviting.resend, written=written)
            self._act(request, addressed, verb, RESENT, _("Resent."))
        unaddressed = queryset.filter(email="").count()
        if unaddressed:
            self.message_user(request, UNADDRESSED % unaddressed, messages.WARNING)

    def _act(
        self,
        request: HttpRequest,
        invitations: Iterable[InvitationKey],
        verb: Callable[[InvitationKey], None],
        success: Any,
        record: Promise,
    ) -> None:
        """Apply ``verb`` to each invitation, and show how many were changed, or why not."""
        done = 0
        refused: Counter[str] = Counter()
        for invitation in invitations:
            try:
                verb(invitation)
            except InvitationError as error:
                # A rule that is newer than the invitation may refuse the address, too.
                blocked = isinstance(error, AddressRefused) and error.code not in REFUSED
                code = AddressBlocked.code if blocked else error.code
                code = MailLimitReached.code if isinstance(error, MailLimitReached) else code
                if code not in REFUSED:
                    raise
                refused[code] += 1
            else:
                done += 1
                self.log_change(request, invitation, str(record))
        if done:
            self.message_user(request, success % done, messages.SUCCESS)
        for code, count in refused.items():
            self.message_user(request, REFUSED[code] % count, messages.WARNING)
