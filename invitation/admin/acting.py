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
    "%d invitation has no address to mail it to: nothing was done.",
    "%d invitations have no address to mail them to: nothing was done.",
)
RESENT = ngettext_lazy(
    "%d mail is on its way. Its state is shown below.",
    "%d mails are on their way. Their states are shown below.",
)
REFUSED = {
    AddressBlocked.code: ngettext_lazy(
        "%d invitation is for an address that nobody may invite any more.",
        "%d invitations are for addresses that nobody may invite any more.",
    ),
    NotPending.code: ngettext_lazy(
        "%d invitation is no longer open: nothing was done.",
        "%d invitations are no longer open: nothing was done.",
    ),
    MailLimitReached.code: ngettext_lazy(
        "%d mail was not asked for: there may be no more of its kind today.",
        "%d mails were not asked for: there may be no more of their kind today.",
    ),
    MailTooSoon.code: ngettext_lazy(
        "%d invitation gets no second mail yet: one has been asked for already.",
        "%d invitations get no second mail yet: one has been asked for already.",
    ),
    QuotaExceeded.code: ngettext_lazy(
        "%d invitation stays expired: its inviter has none left.",
        "%d invitations stay expired: their inviters have none left.",
    ),
    AlreadyInvited.code: ngettext_lazy(
        "%d invitation stays expired: its inviter has another open one to the address.",
        "%d invitations stay expired: their inviters have other open ones to the addresses.",
    ),
    Busy.code: ngettext_lazy(
        "%d invitation was not changed, because the database is busy. Please try again.",
        "%d invitations were not changed, because the database is busy. Please try again.",
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

    @admin.action(
        description=_("Send the mails of selected invitations again"), permissions=["change"]
    )
    def resend(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Send the email of the selected invitations again.

        Expired ones become pending again.
        """
        addressed = queryset.exclude(email="")
        with mail.send_together() as written:
            verb = partial(inviting.resend, written=written)
            self._act(request, addressed, verb, RESENT, _("Asked for the mail again."))
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
