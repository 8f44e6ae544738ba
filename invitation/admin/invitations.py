"""Show invitations, let staff correct what people have typed, revoke and resend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from invitation import addresses, flows, texts
from invitation.admin.base import NOBODY, AnyAdmin, AnyInline, ReadOnlyMixin, user_search_fields
from invitation.admin.filters import MailStateFilter, StateFilter
from invitation.exceptions import (
    AddressRefused,
    AlreadyInvited,
    InvitationError,
    MailTooSoon,
    NotPending,
    QuotaExceeded,
    TextRefused,
)
from invitation.models import Acceptance, InvitationEmail, InvitationKey

if TYPE_CHECKING:
    KeyForm = forms.ModelForm[InvitationKey]
else:
    KeyForm = forms.ModelForm

#: What the actions say, with the number of invitations.
REVOKED = ngettext_lazy("%d invitation was revoked.", "%d invitations were revoked.")
RESENT = ngettext_lazy(
    "%d mail is on its way. Its state is shown below.",
    "%d mails are on their way. Their states are shown below.",
)
REFUSED = {
    NotPending.code: ngettext_lazy(
        "%d invitation is no longer open: nothing was done.",
        "%d invitations are no longer open: nothing was done.",
    ),
    MailTooSoon.code: ngettext_lazy(
        "%d invitation was mailed a moment ago. Please wait a little.",
        "%d invitations were mailed a moment ago. Please wait a little.",
    ),
    QuotaExceeded.code: ngettext_lazy(
        "%d invitation stays expired: its inviter has none left.",
        "%d invitations stay expired: their inviters have none left.",
    ),
    AlreadyInvited.code: ngettext_lazy(
        "%d invitation stays expired: its inviter has another open one to the address.",
        "%d invitations stay expired: their inviters have other open ones to the addresses.",
    ),
}


class InvitationKeyForm(KeyForm):
    """Check what staff write into an invitation: it may end up in a mail."""

    def clean_recipient_name(self) -> str:
        """Return the name as the mail may carry it."""
        return texts.plain_name(self.cleaned_data["recipient_name"])

    def clean_note(self) -> str:
        """Return the note as the mail may carry it."""
        try:
            return texts.check_text(self.cleaned_data["note"])
        except TextRefused as error:
            raise ValidationError(str(error), code=error.code) from error


class AcceptanceInline(ReadOnlyMixin, AnyInline):
    """Show who came through an invitation."""

    model = Acceptance
    extra = 0
    fields = readonly_fields = ("user", "claimed_at", "activated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the acceptances with their accounts."""
        return super().get_queryset(request).select_related("user")


class InvitationEmailInline(ReadOnlyMixin, AnyInline):
    """Show the mails of an invitation."""

    model = InvitationEmail
    extra = 0
    fields = readonly_fields = ("kind", "state", "attempts", "created_at", "sent_at", "last_error")


@admin.register(InvitationKey)
class InvitationKeyAdmin(AnyAdmin):
    """Show invitations, change what people have typed, revoke and resend.

    Invitations are not added here: they are made by inviting, which spends quota and mails.
    """

    form = InvitationKeyForm
    inlines = (AcceptanceInline, InvitationEmailInline)
    actions = ("revoke", "resend")

    list_display = ("address", "from_user", "state", "date_invited", "expires_at", "mail_state")
    list_filter = (StateFilter, MailStateFilter, "date_invited", "expires_at")
    list_select_related = ("from_user",)
    date_hierarchy = "date_invited"
    search_fields = ("email", "recipient_name")
    search_help_text = _("Search by the invited person's address or name, or by the inviter's.")
    #: The count of all rows is of little use to staff and slow in a big table.
    show_full_result_count = False

    #: What may be changed, as long as the invitation is open.
    editable_fields = ("recipient_name", "note", "expires_at")
    fieldsets = (
        (None, {"fields": ("address", "from_user", "recipient_name", "note", "language")}),
        (
            _("State"),
            {"fields": ("state", "date_invited", "expires_at", "ended_at", "used", "key_hint")},
        ),
        (_("The site's own data"), {"fields": ("data",), "classes": ("collapse",)}),
    )
    readonly_fields = (
        "address",
        "from_user",
        "language",
        "state",
        "date_invited",
        "ended_at",
        "used",
        "key_hint",
    )

    # -- permissions ---------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return ``False``: invitations are made by inviting."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the fields that cannot be changed: almost all, once the invitation has ended."""
        if obj is None or obj.status == InvitationKey.Status.PENDING:
            return self.readonly_fields
        return (*self.readonly_fields, *self.editable_fields)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what goes with these invitations; mails and acceptances need no permission.

        They can be deleted only in this way, so that of the invitation is what counts.
        """
        rows, counts, missing, protected = super().get_deleted_objects(objs, request)
        with_it = {str(model._meta.verbose_name) for model in (Acceptance, InvitationEmail)}
        return rows, counts, {name for name in missing if str(name) not in with_it}, protected

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Refuse to tell by a handmade filter what is not shown."""
        if lookup.split("__")[0] in ("locator", "pending_slot", "code_digest"):
            return False
        return super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    # -- rows ------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the invitations with the state of their latest mail."""
        rows: Any = super().get_queryset(request)
        return cast("QuerySet[Any]", rows.with_latest_mail())

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return where to search, in whichever user model the site has."""
        return [*self.search_fields, *user_search_fields("from_user")]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that match; an address is found in the form that the list shows."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        try:
            address = addresses.clean(search_term)
        except AddressRefused:
            return found, duplicates  # It is a name, or a part of an address.
        found |= queryset.filter(email__iexact=address)
        return found, duplicates

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write only what was changed: a use, or an end, may have come in between."""
        obj.save(update_fields=form.changed_data)

    # -- columns ---------------------------------------------------------------------------------

    @admin.display(description=_("e-mail address"), ordering="email")
    def address(self, invitation: InvitationKey) -> str:
        """Return whom it is for, for people to read."""
        return addresses.display(invitation.email) or invitation.label or NOBODY

    @admin.display(description=_("state"), ordering="status")
    def state(self, invitation: InvitationKey) -> Any:
        """Return what it is now, whether or not cleanup has marked it yet."""
        pending = invitation.status == InvitationKey.Status.PENDING
        if pending and invitation.key_expired():
            return _("expired, not cleaned up yet")
        return invitation.get_status_display()

    @admin.display(description=_("mail"), ordering="latest_mail_state")
    def mail_state(self, invitation: Any) -> Any:
        """Return how far its latest mail has come."""
        state = invitation.latest_mail_state
        return _("no mail") if state is None else InvitationEmail.State(state).label

    @admin.display(description=_("uses"))
    def used(self, invitation: InvitationKey) -> str:
        """Return how often it was used, and how often it may be."""
        limit = _("unlimited") if invitation.max_uses is None else invitation.max_uses
        return f"{invitation.uses} / {limit}"

    @admin.display(description=_("key"))
    def key_hint(self, invitation: InvitationKey) -> str:
        """Return what staff may see of the key."""
        return invitation.key_hint

    # -- actions -----------------------------------------------------------------------------------

    @admin.action(description=_("Revoke selected invitations"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Withdraw the open ones among the selected."""
        self._act(request, queryset, flows.revoke, REVOKED, _("Revoked."))

    @admin.action(
        description=_("Send the mails of selected invitations again"), permissions=["change"]
    )
    def resend(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Send the mail of the selected again, and open those again that have expired."""
        self._act(request, queryset, flows.resend, RESENT, _("Asked for the mail again."))

    def _act(
        self,
        request: HttpRequest,
        invitations: Iterable[InvitationKey],
        verb: Callable[[InvitationKey], None],
        success: Any,
        record: Promise,
    ) -> None:
        """Do something to each, and say for how many it was done or why not."""
        done = 0
        refused: Counter[str] = Counter()
        for invitation in invitations:
            try:
                verb(invitation)
            except InvitationError as error:
                if error.code not in REFUSED:
                    raise
                refused[error.code] += 1
            else:
                done += 1
                self.log_change(request, invitation, str(record))
        if done:
            self.message_user(request, success % done, messages.SUCCESS)
        for code, count in refused.items():
            self.message_user(request, REFUSED[code] % count, messages.WARNING)
