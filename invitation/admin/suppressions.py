"""Admin pages of the addresses that get no more invitations.

Staff can add an address, or remove one when its owner asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from invitation import addresses
from invitation.admin.base import AnyAdmin, LookMixin
from invitation.admin.bounds import BoundedMixin
from invitation.admin.filters import SuppressionFilter
from invitation.exceptions import AddressRefused
from invitation.flows import mail
from invitation.keys import unsubscribing
from invitation.models import SuppressedAddress

if TYPE_CHECKING:
    RowForm = forms.ModelForm[SuppressedAddress]
else:
    RowForm = forms.ModelForm


class SuppressedAddressForm(RowForm):
    """Form for an address that gets no more invitations.

    Only a hash of the address is kept.
    """

    email = forms.CharField(
        label=_("Email address"),
        max_length=addresses.LENGTH_MAX,
        help_text=_("Only a hash is kept, from which nobody can read the address."),
    )

    def clean_email(self) -> str:
        """Return the address in its clean form.

        Raises ``ValidationError`` if the address cannot be invited or is already suppressed.
        """
        try:
            email = addresses.clean(self.cleaned_data["email"])
        except AddressRefused as error:
            raise forms.ValidationError(str(error), code=error.code) from error
        # An address that bounced may be suppressed once more, now by an administrator. A bounced
        # address may work again one day. The entry of an administrator stays until they remove it.
        if mail.is_suppressed(email) not in (None, SuppressedAddress.Reason.BOUNCED):
            raise forms.ValidationError(_("This address is in the list already."))
        return email


@admin.register(SuppressedAddress)
class SuppressedAddressAdmin(BoundedMixin, LookMixin, AnyAdmin):
    """Admin of the suppressed addresses: when and why, but not which address.

    Deleting a row allows invitations again. To find a row, search for the whole address.
    """

    list_display = ("code", "reason", "created_at")
    list_filter = (SuppressionFilter,)
    #: ``get_search_results`` hashes the search term first.
    search_fields = ("digest",)
    search_help_text = _("Search by a whole email address: only its hash is kept.")
    readonly_fields = ("code", "reason", "created_at")

    @admin.display(description=_("hash of the address"), ordering="digest")
    def code(self, row: SuppressedAddress) -> str:
        """Return the short code that tells two rows apart."""
        return str(row)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the address field for a new row, else the fields to read."""
        return ("email",) if obj is None else self.readonly_fields

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form for a new address. An existing row has nothing to change."""
        if obj is None:
            kwargs["form"] = SuppressedAddressForm
        return super().get_form(request, obj, change, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return ``False``: a row records what somebody wanted, and when."""
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the row of the address in the search term."""
        if not search_term:
            return queryset, False
        digests = [known.digest for known in unsubscribing.digests(search_term)]
        return queryset.filter(digest__in=digests), False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Suppress the address.

        The row gets only the hash. So the admin's own log shows the short code, not the address.
        """
        email = form.cleaned_data["email"]
        mail.suppress(email, SuppressedAddress.Reason.ADMIN)
        digests = [known.digest for known in unsubscribing.digests(email)]
        written = SuppressedAddress.objects.known(digests).latest("pk")
        obj.pk, obj.digest, obj.reason = written.pk, written.digest, written.reason
