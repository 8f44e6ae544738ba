"""Admin pages of the invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from invitation import addresses
from invitation.admin.acting import InvitationActionsMixin
from invitation.admin.base import (
    NOBODY,
    AnyAdmin,
    AnyInline,
    BesideMixin,
    LookMixin,
    ReadOnlyMixin,
    day,
    inviter_link,
    inviter_name,
    may_see,
    name_of,
    user_search_fields,
)
from invitation.admin.bounds import BoundedMixin
from invitation.admin.exporting import ExportMixin
from invitation.admin.filters import KindFilter, MailStateFilter, StateFilter
from invitation.admin.guarding import ACCOUNT, GROUP, GuardedMixin, number_of
from invitation.admin.inviting import InviteMixin
from invitation.admin.mails import MailColumnsMixin
from invitation.admin.searching import Search, SearchMixin, search_invitations
from invitation.delivery import texts
from invitation.exceptions import TextRefused
from invitation.flows import inviting
from invitation.models import Acceptance, InvitationEmail, InvitationKey
from invitation.templatetags.invitation_tags import invitation_breaks

if TYPE_CHECKING:
    KeyForm = forms.ModelForm[InvitationKey]
else:
    KeyForm = forms.ModelForm

LABEL_LENGTH_MAX = 100

#: States of a shared link, in the words of the members' pages.
SHARED_PAUSED = pgettext_lazy("shared link", "paused")
SHARED_STATES = {
    InvitationKey.Status.PENDING: pgettext_lazy("shared link", "active"),
    InvitationKey.Status.ACCEPTED: pgettext_lazy("shared link", "used up"),
    InvitationKey.Status.REVOKED: pgettext_lazy("shared link", "revoked"),
    InvitationKey.Status.EXPIRED: pgettext_lazy("shared link", "expired"),
}


class InvitationKeyForm(KeyForm):
    """Form that checks what staff write into an invitation: it may appear in an email."""

    #: The member of staff who writes; set for each request.
    writer: Any = None

    def clean_recipient_name(self) -> str:
        """Return the name as the email may contain it."""
        return texts.plain_name(self.cleaned_data["recipient_name"])

    def clean_label(self) -> str:
        """Return the label as one line of plain text."""
        return texts.plain_name(self.cleaned_data["label"], LABEL_LENGTH_MAX)

    def clean_note(self) -> str:
        """Return the note as the email may contain it.

        Raises ``ValidationError`` if the note is refused.
        """
        note, kept = self.cleaned_data["note"], self.instance.note
        try:
            return inviting.check_note(self.writer, note, kept=kept)
        except TextRefused as error:
            raise ValidationError(str(error), code=error.code) from error


class AcceptanceInline(GuardedMixin, ReadOnlyMixin, AnyInline):
    """List of the accounts that accepted an invitation."""

    model = Acceptance
    extra = 0
    fields = ("user", "claimed_at", "activated_at")
    readonly_fields = (*fields, "user_number")
    guarded: ClassVar = {"user": ((ACCOUNT,), "user_number")}

    @admin.display(description=_("account"))
    def user_number(self, acceptance: Acceptance) -> str:
        """Return the number of the account, for readers who may not see accounts."""
        return number_of(acceptance.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the acceptances with their accounts."""
        return super().get_queryset(request).select_related("user")


class InvitationEmailInline(MailColumnsMixin, ReadOnlyMixin, AnyInline):
    """List of the emails of an invitation. Actions on an email are on its own page."""

    model = InvitationEmail
    extra = 0
    show_change_link = True
    fields = readonly_fields = (
        "kind",
        "state",
        "reason",
        "attempts",
        "created_at",
        "next_try",
        "sent_at",
        "last_error",
    )


@admin.register(InvitationKey)
class InvitationKeyAdmin(
    SearchMixin,
    GuardedMixin,
    InvitationActionsMixin,
    ExportMixin,
    BoundedMixin,
    InviteMixin,
    BesideMixin,
    LookMixin,
    AnyAdmin,
):
    """Admin of the invitations: invite, view, correct, revoke, extend and resend."""

    form = InvitationKeyForm
    inlines = (AcceptanceInline, InvitationEmailInline)
    actions = ("revoke", "extend", "resend", "export")

    export_name = "invitations"
    export_fields = (
        "address",
        "label",
        "shared",
        "inviter_name",
        "state",
        "mail_state",
        "uses",
        "max_uses",
        "date_invited",
        "expires_at",
        "ended_at",
    )

    guarded: ClassVar = {
        "from_user": ((ACCOUNT,), "inviter_number"),
        "inviter_name": ((ACCOUNT,), "inviter_number"),
        "groups": ((GROUP,), "groups_count"),
    }
    guarded_searches: ClassVar = {"from_user": ACCOUNT}

    #: ``from_user`` is a link to the tree page if the reader may see that page.
    #: The first columns are in sight also in a narrow window.
    list_display = (
        "recipient",
        "state",
        "expires",
        "from_user",
        "mail_state",
        "used",
        "invited",
    )
    list_filter = (StateFilter, MailStateFilter, KindFilter)
    list_select_related = ("from_user",)
    search_fields = ("email", "recipient_name", "label", "word")
    search_help_text = _(
        "Search by an address or its beginning, #number, the first six characters of a key, or "
        "the inviter's whole login name. Parts of addresses, names, labels and codes are found in "
        "the newest 10,000 invitations."
    )

    #: Fields that may be changed while the invitation is pending.
    editable_fields = ("recipient_name", "note", "label", "expires_at")
    fieldsets = (
        (None, {"fields": ("address", "from_user", "recipient_name", "note", "language")}),
        (
            _("State"),
            {"fields": ("state", "date_invited", "expires_at", "ended_at", "used", "key_hint")},
        ),
        (_("After accepting"), {"fields": ("groups", "destination")}),
        (_("The site's own data"), {"fields": ("data",), "classes": ("collapse",)}),
    )
    #: First fields of a shared link. Its uses are paid for, so they cannot be changed here. Only
    #: its owner sees its code.
    shared_fields = ("label", "from_user", "domains", "word", "paused_at")
    readonly_fields = (
        "address",
        "from_user",
        "language",
        "domains",
        "word",
        "paused_at",
        "state",
        "date_invited",
        "ended_at",
        "used",
        "key_hint",
        "groups",
        "destination",
        "inviter_name",
        "inviter_number",
        "groups_count",
    )

    # -- permissions ---------------------------------------------------------------------------

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False`` if the invited person was forgotten. Staff can still view it."""
        forgotten = obj is not None and obj.forgotten_at is not None
        return not forgotten and super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the fields that cannot be changed: nearly all, if it is not pending."""
        if obj is None or obj.status == InvitationKey.Status.PENDING:
            return self.readonly_fields
        return (*self.readonly_fields, *self.editable_fields)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields in groups. A shared link has its own first group."""
        first, *others = super().get_fieldsets(request, obj)
        if obj is not None and obj.shared:
            first = (_("Shared link"), {"fields": self.shared_fields})
        if obj is not None and obj.from_site:
            fields = ["inviter_name" if x == "from_user" else x for x in first[1]["fields"]]
            first = (first[0], {"fields": fields})
        return [
            (title, {**options, "fields": self.shown(request, options["fields"])})
            for title, options in (first, *others)
        ]

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Return the form class, made for this request, with the writer set."""
        form: Any = super().get_form(request, *args, **kwargs)
        form.writer = request.user
        return form

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what is deleted with these invitations.

        Emails and acceptances need no permission of their own. They are deleted only with their
        invitation, so the permission for the invitation is enough.
        """
        rows, counts, missing, protected = super().get_deleted_objects(objs, request)
        with_it = {str(model._meta.verbose_name) for model in (Acceptance, InvitationEmail)}
        return rows, counts, {name for name in missing if str(name) not in with_it}, protected

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Return whether a filter in the URL may use this lookup.

        Secret columns are refused. Such a filter would show what the pages hide.
        """
        if lookup.split("__")[0] in ("locator", "pending_slot", "code_digest"):
            return False
        return super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    # -- rows ------------------------------------------------------------------------------------

    def with_details(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the invitations, each with its inviter and the state of its latest email."""
        rows: Any = super().with_details(queryset)
        return cast("QuerySet[Any]", rows.with_latest_mail())

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns. The inviter is a link if the reader may see the tree page."""
        columns: Any = self.shown(request, super().get_list_display(request))
        linked = may_see(self.admin_site, Acceptance, request)
        inviter = "inviter" if linked else "inviter_name"
        return [inviter if name == "from_user" else name for name in columns]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return the fields to search, for the site's own user model.

        Fields that the reader may not search are left out.
        """
        names = [*self.search_fields, *user_search_fields("from_user")]
        return self.searchable(request, names)

    def look_up(self, text: str, seen: set[str]) -> Search:
        """Return the invitations that a text finds."""
        return search_invitations(text, seen)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write only the changed fields: the invitation may have been used or ended since."""
        obj.save(update_fields=form.changed_data)

    # -- columns ---------------------------------------------------------------------------------

    @admin.display(description=_("for"), ordering="email")
    def recipient(self, invitation: InvitationKey) -> str:
        """Return the invited address, or the label of the shared link."""
        return invitation_breaks(name_of(invitation))

    @admin.display(description=_("email address"), ordering="email")
    def address(self, invitation: InvitationKey) -> str:
        """Return the invited address in readable form, or the label of the shared link."""
        if invitation.forgotten_at is not None:
            return gettext("(forgotten)")
        return addresses.display(invitation.email) or invitation.label or NOBODY

    @admin.display(description=_("inviter"), ordering="from_user")
    def inviter(self, invitation: InvitationKey) -> str:
        """Return the inviter, as a link to their tree page."""
        return inviter_link(self.admin_site, invitation)

    @admin.display(description=_("inviter"), ordering="from_user")
    def inviter_name(self, invitation: InvitationKey) -> str:
        """Return the inviter, without a link."""
        return inviter_name(invitation)

    @admin.display(description=_("inviter"))
    def inviter_number(self, invitation: InvitationKey) -> str:
        """Return the number of the inviter, for readers who may not see accounts."""
        site = invitation.from_site
        return inviter_name(invitation) if site else number_of(invitation.from_user)

    def get_inlines(self, request: HttpRequest, obj: InvitationKey | None) -> Any:
        """Return the lists below the fields. A shared link has no emails."""
        inlines = super().get_inlines(request, obj)
        shared = obj is not None and obj.shared
        return [one for one in inlines if not (shared and one is InvitationEmailInline)]

    @admin.display(description=_("groups"))
    def groups_count(self, invitation: InvitationKey) -> int:
        """Return the number of groups it gives, for readers who may not see groups."""
        return invitation.groups.count()

    @admin.display(description=_("created"), ordering="date_invited")
    def invited(self, invitation: InvitationKey) -> str:
        """Return the date of the invitation. The list has no room for the time."""
        return day(invitation.date_invited)

    @admin.display(description=_("expires"), ordering="expires_at")
    def expires(self, invitation: InvitationKey) -> Any:
        """Return the date on which the invitation expires, or "never"."""
        return _("never") if invitation.expires_at is None else day(invitation.expires_at)

    @admin.display(description=_("state"), ordering="status")
    def state(self, invitation: InvitationKey) -> Any:
        """Return the current state, marked by cleanup or not."""
        status = InvitationKey.Status(invitation.status)
        if status == status.PENDING and invitation.key_expired():
            status = status.EXPIRED
        elif status == status.PENDING and invitation.paused_at is not None:
            return SHARED_PAUSED
        return SHARED_STATES.get(status, status.label) if invitation.shared else status.label

    @admin.display(description=_("email"))
    def mail_state(self, invitation: Any) -> Any:
        """Return the state of the latest email."""
        state = invitation.latest_mail_state
        return _("no email") if state is None else InvitationEmail.State(state).label

    @admin.display(description=_("uses"), ordering="uses")
    def used(self, invitation: InvitationKey) -> str:
        """Return how many times the invitation was used, and how many times it may be."""
        most = "∞" if invitation.max_uses is None else invitation.max_uses
        return f"{invitation.uses} / {most}"

    @admin.display(description=_("allowed domains"))
    def domains(self, invitation: InvitationKey) -> str:
        """Return the domains that addresses must have to register, in readable form."""
        readable = [addresses.display(f"x@{name}")[2:] for name in invitation.allowed_domains]
        return ", ".join(readable) or gettext("all")

    @admin.display(description=_("key"))
    def key_hint(self, invitation: InvitationKey) -> str:
        """Return the part of the key that staff may see."""
        return invitation.key_hint
