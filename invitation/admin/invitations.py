"""Show invitations, and let staff correct what people have typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invitation import addresses, flows, texts
from invitation.admin.acting import InvitationActionsMixin
from invitation.admin.base import (
    NOBODY,
    AnyAdmin,
    AnyInline,
    LookMixin,
    ReadOnlyMixin,
    day,
    may_see,
    name_of,
    tree_link,
    user_search_fields,
)
from invitation.admin.exporting import ExportMixin
from invitation.admin.filters import KindFilter, MailStateFilter, StateFilter
from invitation.admin.guarding import ACCOUNT, GROUP, GuardedMixin, number_of
from invitation.admin.mails import MailColumnsMixin
from invitation.exceptions import (
    AddressRefused,
    TextRefused,
)
from invitation.models import Acceptance, InvitationEmail, InvitationKey

if TYPE_CHECKING:
    KeyForm = forms.ModelForm[InvitationKey]
else:
    KeyForm = forms.ModelForm

LABEL_LENGTH_MAX = 100


class InvitationKeyForm(KeyForm):
    """Check what staff write into an invitation: it may end up in a mail."""

    #: Who does; set for each request.
    writer: Any = None

    def clean_recipient_name(self) -> str:
        """Return the name as the mail may carry it."""
        return texts.plain_name(self.cleaned_data["recipient_name"])

    def clean_label(self) -> str:
        """Return the label as one line of plain text."""
        return texts.plain_name(self.cleaned_data["label"], LABEL_LENGTH_MAX)

    def clean_note(self) -> str:
        """Return the note as the mail may carry it."""
        note, kept = self.cleaned_data["note"], self.instance.note
        try:
            return flows.check_note(self.writer, note, kept=kept)
        except TextRefused as error:
            raise ValidationError(str(error), code=error.code) from error


class AcceptanceInline(GuardedMixin, ReadOnlyMixin, AnyInline):
    """Show who came through an invitation."""

    model = Acceptance
    extra = 0
    fields = ("user", "claimed_at", "activated_at")
    readonly_fields = (*fields, "user_number")
    guarded: ClassVar = {"user": ((ACCOUNT,), "user_number")}

    @admin.display(description=_("account"))
    def user_number(self, acceptance: Acceptance) -> str:
        """Return the number of the account, for who may not see accounts."""
        return number_of(acceptance.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the acceptances with their accounts."""
        return super().get_queryset(request).select_related("user")


class InvitationEmailInline(MailColumnsMixin, ReadOnlyMixin, AnyInline):
    """Show the mails of an invitation; what can be done with one is on its own page."""

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
class InvitationKeyAdmin(GuardedMixin, InvitationActionsMixin, ExportMixin, LookMixin, AnyAdmin):
    """Show invitations, change what people have typed, revoke, extend and resend.

    Invitations are not added here: they are made by inviting, which spends quota and mails.
    """

    form = InvitationKeyForm
    inlines = (AcceptanceInline, InvitationEmailInline)
    actions = ("revoke", "extend", "resend", "export")

    export_name = "invitations"
    export_fields = (
        "address",
        "label",
        "shared",
        "from_user",
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
        "groups": ((GROUP,), "groups_count"),
    }
    guarded_searches: ClassVar = {"from_user": ACCOUNT}

    #: ``from_user`` is a link to the tree for who may see that.
    list_display = (
        "recipient",
        "from_user",
        "state",
        "mail_state",
        "used",
        "invited",
        "expires",
    )
    list_filter = (StateFilter, MailStateFilter, KindFilter, "date_invited", "expires_at")
    list_select_related = ("from_user",)
    date_hierarchy = "date_invited"
    search_fields = ("email", "recipient_name", "label", "word")
    search_help_text = _(
        "Search by the invited person's address or name, by a shared link's label or word, or by "
        "the inviter's name or address."
    )
    #: The count of all rows is of little use to staff and slow in a big table.
    show_full_result_count = False

    #: What may be changed, as long as the invitation is open.
    editable_fields = ("recipient_name", "note", "label", "expires_at")
    fieldsets = (
        (None, {"fields": ("address", "from_user", "recipient_name", "note", "language")}),
        (
            _("State"),
            {"fields": ("state", "date_invited", "expires_at", "ended_at", "used", "key_hint")},
        ),
        (_("Whoever accepts"), {"fields": ("groups", "destination")}),
        (_("The site's own data"), {"fields": ("data",), "classes": ("collapse",)}),
    )
    #: What stands first for a shared link. Its uses are paid for, so they are not changed here;
    #: its code is shown to its owner only.
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
        "inviter_number",
        "groups_count",
    )

    # -- permissions ---------------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return ``False``: invitations are made by inviting."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False`` for one whose person was forgotten: it can only be looked at."""
        forgotten = obj is not None and obj.forgotten_at is not None
        return not forgotten and super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return the fields that cannot be changed: almost all, once the invitation has ended."""
        if obj is None or obj.status == InvitationKey.Status.PENDING:
            return self.readonly_fields
        return (*self.readonly_fields, *self.editable_fields)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields in their order, for a shared link those that it has."""
        first, *others = super().get_fieldsets(request, obj)
        if obj is not None and obj.shared:
            first = (_("Shared link"), {"fields": self.shared_fields})
        return [
            (title, {**options, "fields": self.shown(request, options["fields"])})
            for title, options in (first, *others)
        ]

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Return the form, a new class for each request, which knows who writes."""
        form: Any = super().get_form(request, *args, **kwargs)
        form.writer = request.user
        return form

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

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns; the inviter is a link for who may see whom else he has invited."""
        columns: Any = self.shown(request, super().get_list_display(request))
        linked = may_see(self.admin_site, Acceptance, request)
        return ["inviter" if name == "from_user" and linked else name for name in columns]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return where to search, in whichever user model the site has."""
        names = [*self.search_fields, *user_search_fields("from_user")]
        return self.searchable(request, names)

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

    @admin.display(description=_("for"), ordering="email")
    def recipient(self, invitation: InvitationKey) -> str:
        """Return whom it is for: an address, or whoever has a shared link."""
        return name_of(invitation)

    @admin.display(description=_("e-mail address"), ordering="email")
    def address(self, invitation: InvitationKey) -> str:
        """Return whom it is for, for people to read."""
        if invitation.forgotten_at is not None:
            return gettext("(forgotten)")
        return addresses.display(invitation.email) or invitation.label or NOBODY

    @admin.display(description=_("inviter"), ordering="from_user")
    def inviter(self, invitation: InvitationKey) -> str:
        """Return who made it, as a link to whom else he has invited."""
        return tree_link(self.admin_site, invitation.from_user)

    @admin.display(description=_("inviter"))
    def inviter_number(self, invitation: InvitationKey) -> str:
        """Return the number of the inviter, for who may not see accounts."""
        return number_of(invitation.from_user)

    @admin.display(description=_("groups"))
    def groups_count(self, invitation: InvitationKey) -> int:
        """Return how many groups it gives, for who may not see which."""
        return invitation.groups.count()

    @admin.display(description=_("invited"), ordering="date_invited")
    def invited(self, invitation: InvitationKey) -> str:
        """Return the day on which it was made: the time has no room in the list."""
        return day(invitation.date_invited)

    @admin.display(description=_("expires"), ordering="expires_at")
    def expires(self, invitation: InvitationKey) -> Any:
        """Return the day on which it runs out."""
        return _("never") if invitation.expires_at is None else day(invitation.expires_at)

    @admin.display(description=_("state"), ordering="status")
    def state(self, invitation: InvitationKey) -> Any:
        """Return what it is now, whether or not cleanup has marked it yet."""
        pending = invitation.status == InvitationKey.Status.PENDING
        if pending and invitation.key_expired():
            return _("expired, not cleaned up yet")
        if pending and invitation.paused_at is not None:
            return _("paused")
        return invitation.get_status_display()

    @admin.display(description=_("mail"), ordering="latest_mail_state")
    def mail_state(self, invitation: Any) -> Any:
        """Return how far its latest mail has come."""
        state = invitation.latest_mail_state
        return _("no mail") if state is None else InvitationEmail.State(state).label

    @admin.display(description=_("uses"), ordering="uses")
    def used(self, invitation: InvitationKey) -> str:
        """Return how often it was used, and how often it may be."""
        most = "∞" if invitation.max_uses is None else invitation.max_uses
        return f"{invitation.uses} / {most}"

    @admin.display(description=_("allowed domains"))
    def domains(self, invitation: InvitationKey) -> str:
        """Return the domains of the addresses that may register, for people to read."""
        readable = [addresses.display(f"x@{name}")[2:] for name in invitation.allowed_domains]
        return ", ".join(readable) or gettext("all")

    @admin.display(description=_("key"))
    def key_hint(self, invitation: InvitationKey) -> str:
        """Return what staff may see of the key."""
        return invitation.key_hint
