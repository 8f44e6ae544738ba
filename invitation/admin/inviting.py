"""Admin page for inviting a person, in the name of a member or of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.admin import widgets
from django.contrib.admin.helpers import AdminErrorList, AdminForm
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invitation import addresses
from invitation.admin.base import AnyAdmin, page_of
from invitation.admin.guarding import ACCOUNT, number_of, readable
from invitation.exceptions import (
    AddressRefused,
    DestinationRefused,
    ExpiryRefused,
    InvitationError,
    InvitingForbidden,
    OwnAddress,
    QuotaExceeded,
    TextRefused,
)
from invitation.flows import inviting
from invitation.forms.inviting import ADDRESS_LIMITS, NoteField
from invitation.forms.options import InvitationOptionsMixin
from invitation.models import InvitationKey

if TYPE_CHECKING:
    Base = AnyAdmin
else:
    Base = object

#: The fields that errors belong to. The first kind that fits counts.
FIELDS: list[tuple[type[InvitationError], str]] = [
    (QuotaExceeded, "from_user"),
    (InvitingForbidden, "from_user"),
    (AddressRefused, "email"),
    (TextRefused, "note"),
    (ExpiryRefused, "days"),
    (DestinationRefused, "destination"),
]
#: Errors that speak to the inviter, in words for staff.
FOR_STAFF: dict[type[InvitationError], Promise] = {
    QuotaExceeded: _("This member has no invitations left."),
    InvitingForbidden: _("This member is not allowed to invite people."),
    OwnAddress: _("This is the member's own email address."),
}
INVITER_LIMIT = "inviter_limit_reached"


class InviteForm(InvitationOptionsMixin):
    """Form for inviting one person, in the name of a member or of the site."""

    buttons = ()
    field_order = ("email", "from_user", "recipient_name", "note")

    email = forms.CharField(
        label=_("Email address"),
        max_length=320,
        widget=widgets.AdminEmailInputWidget(attrs={"autocomplete": "off"}),
    )
    from_user: Any = forms.ModelChoiceField(
        label=_("Inviter (optional)"),
        queryset=InvitationKey.objects.none(),
        required=False,
        help_text=_("Number of a member. Leave it empty to invite in the site's name."),
        error_messages={"invalid_choice": _("No member has this number.")},
    )
    recipient_name = forms.CharField(
        label=_("Name (optional)"),
        max_length=60,
        required=False,
        widget=widgets.AdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    note = NoteField(
        label=_("Personal note (optional)"),
        required=False,
        widget=widgets.AdminTextareaWidget(attrs={"rows": 4}),
        help_text=_("Plain text, without links or email addresses."),
    )

    def __init__(self, *args: Any, writer: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.writer = writer
        fields: dict[str, Any] = self.fields
        fields["from_user"].queryset = get_user_model()._default_manager.all()
        fields["note"].limit(inviting.note_length_max())
        if inviting.may_write_links(writer):
            fields["note"].help_text = _("Plain text. Without an inviter, links are allowed.")
        if language := fields.get("language"):
            language.choices = [("", _("the inviter's language")), *language.choices]

    def clean_note(self) -> str:
        """Return the note as this member of staff may write it. ``save`` checks the inviter, too.

        Raises ``ValidationError`` if it is refused.
        """
        try:
            return inviting.check_note(self.writer, self.cleaned_data["note"])
        except TextRefused as error:
            raise ValidationError(str(error), code=error.code) from error

    def save(self) -> inviting.Invited:
        """Invite the person, and return the outcome. Raises ``InvitationError``."""
        return inviting.invite(self.cleaned_data["from_user"], **self.arguments())

    def refused(self, error: InvitationError) -> None:
        """Show why the invitation was refused, beside the field that caused it."""
        field = next((field for kind, field in FIELDS if isinstance(error, kind)), None)
        field = "email" if error.code in ADDRESS_LIMITS else field
        field = "from_user" if error.code == INVITER_LIMIT else field
        words = str(FOR_STAFF.get(type(error), error))
        shown = field if field in self.fields else None
        self.add_error(shown, ValidationError(words, code=error.code))


class InviteMixin(Base):
    """Admin whose page for a new row is a form that invites."""

    add_title: str | Promise = _("Invite")
    add_form_template = "admin/invitation/invitationkey/invite.html"
    #: Fields that every site has. Those that a site offers come last.
    invite_fields = ("email", "from_user", "recipient_name", "note")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the form, or invite a person.

        Raises ``PermissionDenied`` without the permission to add invitations.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        form: Any = self._invite_form(request)
        if request.method == "POST" and form.is_valid():
            try:
                invited = form.save()
            except InvitationError as error:
                form.refused(error)
            else:
                return self._invited(request, invited)
        more = tuple(name for name in form.fields if name not in self.invite_fields)
        fieldsets: Any = [(None, {"fields": self.invite_fields})]
        if more:
            fieldsets += [(gettext("More options"), {"fields": more, "classes": ("collapse",)})]
        shown = AdminForm(form, fieldsets, {}, (), model_admin=self)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Invite"),
            "subtitle": None,
            "adminform": shown,
            "object_id": None,
            "original": None,
            "is_popup": False,
            "to_field": None,
            "media": self.media + shown.media,
            "inline_admin_formsets": [],
            "errors": AdminErrorList(form, []),
            "preserved_filters": self.get_preserved_filters(request),
            **(extra_context or {}),
        }
        return self.render_change_form(request, context, add=True, form_url=form_url)

    def _invite_form(self, request: HttpRequest) -> InviteForm:
        """Return the form. It shows names of members only to readers who may see accounts."""
        data = request.POST if request.method == "POST" else None
        form = InviteForm(data, writer=request.user)
        relation: Any = InvitationKey._meta.get_field("from_user").remote_field
        widget: Any = widgets.AdminTextInputWidget()
        if ACCOUNT in readable(self.admin_site, request):
            widget = widgets.ForeignKeyRawIdWidget(relation, self.admin_site)
        form.fields["from_user"].widget = widget
        return form

    def _invited(self, request: HttpRequest, invited: inviting.Invited) -> HttpResponse:
        """Write the admin's own log, say what was done, and lead to the next page."""
        invitation = invited.invitation
        number = number_of(invitation.from_user)
        by_member = gettext("Invited in the name of member %(number)s.") % {"number": number}
        record = by_member if invitation.from_user else gettext("Invited in the site's name.")
        if invited.created:
            self.log_addition(request, invitation, record)
        else:
            self.log_change(request, invitation, record)
        self.message_user(request, self._in_words(request, invited), messages.SUCCESS)
        if "_addanother" in request.POST:
            return HttpResponseRedirect(request.path)
        return self.response_post_save_add(request, invitation)

    def _in_words(self, request: HttpRequest, invited: inviting.Invited) -> str:
        """Return what was done, with a link to the invitation if the reader may see it."""
        invitation = invited.invitation
        if invited.created:
            words = gettext("Invitation sent to {}.")
        elif invited.mailed:
            words = gettext("{} had a pending invitation. It was renewed and resent.")
        else:
            words = gettext("{} got an email a moment ago. The invitation was renewed, not resent.")
        address: Any = addresses.display(invitation.email)
        if self.has_view_permission(request, invitation):
            url = page_of(self.admin_site, invitation)
            address = format_html('<a href="{}">{}</a>', url, address)
        return format_html(words, address)
