"""Forms for a shared link and for the code of one."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invitation import addresses
from invitation.delivery import wording
from invitation.exceptions import (
    AddressRefused,
    GroupRefused,
    InvitationError,
    QuotaExceeded,
    TooFewUses,
    WordRefused,
)
from invitation.flows import inviting, sharing
from invitation.forms.options import MoreOptionsMixin
from invitation.forms.two_tabs import TwoTabsMixin
from invitation.keys import codes
from invitation.models import InvitationKey

#: Field that shows an error of ``flows``, by the class of the error.
FIELDS: dict[type[InvitationError], str] = {
    QuotaExceeded: "max_uses",
    TooFewUses: "max_uses",
    WordRefused: "word",
    GroupRefused: "groups",
}

#: Fields that two tabs may change.
_COMPARED = ("label", "max_uses", "unlimited", "expires_on", "allowed_domains", "word")


class SharedLinkForm(TwoTabsMixin, MoreOptionsMixin):
    """Form that creates a shared link for ``inviter``, or changes a given one."""

    first_fields = ("label", "max_uses", "unlimited", "expires_on")
    #: Fields that may be empty only because of another field.
    needed_fields = ("max_uses",)

    #: Maximum number of people for a link that is not unlimited.
    USES_MAX = 100_000
    #: Maximum number of days until the last day of a link.
    DAYS_MAX = 366
    #: Maximum number of domains that a link may allow.
    DOMAINS_MAX = 50

    label = forms.CharField(
        label=_("Label"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("Only you see it."),
    )
    max_uses = forms.IntegerField(
        label=_("Number of people"),
        min_value=1,
        max_value=USES_MAX,
        required=False,
        help_text=_("Each person uses one of your invitations."),
    )
    unlimited = forms.BooleanField(label=_("Any number of people"), required=False)
    expires_on = forms.DateField(
        label=_("Expires on"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Without a date, it expires like any other invitation."),
    )
    allowed_domains = forms.CharField(
        label=_("Only for email addresses at these domains"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off"}),
        help_text=_("One on each line, such as example.org."),
    )
    groups: Any = forms.ModelMultipleChoiceField(
        label=_("Groups"),
        queryset=None,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("They join these groups when they sign up."),
    )
    word = forms.CharField(
        label=_("Custom code"),
        max_length=codes.WORD_LENGTH_MAX,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
        help_text=_("Easy to say, but anyone can guess it."),
    )

    #: Random text that identifies one shown form, so a second click creates no second link.
    once = forms.CharField(max_length=43, required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        inviter: Any,
        site_id: int | None = None,
        invitation: InvitationKey | None = None,
        **kwargs: Any,
    ) -> None:
        now = _values(invitation) if invitation is not None else _new_values()
        initial = {**now, **(kwargs.pop("initial", None) or {})}
        super().__init__(*args, **{**kwargs, "initial": initial})
        self.inviter = inviter
        self.site_id = site_id
        self.invitation = invitation
        if invitation is not None:
            del self.fields["once"]
        self._offer_rights()
        self.compare(*(_COMPARED if invitation is not None else ()))

    def _offer_rights(self) -> None:
        """Remove the fields for rights that this member may not give."""
        groups: Any = self.fields["groups"]
        groups.queryset = inviting.grantable_groups(self.inviter).order_by("name")
        if not groups.queryset.exists():
            del self.fields["groups"]
        is_unlimited = self.invitation is not None and self.invitation.max_uses is None
        if not is_unlimited and not sharing.may_share_unlimited(self.inviter):
            del self.fields["unlimited"]
            self.fields["max_uses"].required = True

    def clean_expires_on(self) -> dt.date | None:
        """Return the last day.

        Raises ``ValidationError`` if it is over, or later than ``DAYS_MAX`` days from now. An
        unchanged day of an existing link is always valid.
        """
        day: dt.date | None = self.cleaned_data["expires_on"]
        today = _today()
        if self.invitation is not None and "expires_on" not in self.changed_data:
            return day
        if day is not None and not today <= day <= today + dt.timedelta(self.DAYS_MAX):
            message = _("Choose a date from today to a year from now.")
            raise ValidationError(message, code="invalid_day")
        return day

    def clean_allowed_domains(self) -> list[str]:
        """Return the domains in the form that is compared.

        Raises ``ValidationError`` for too many domains, or one that email cannot reach.
        """
        texts = re.split(r"[\s,;]+", self.cleaned_data["allowed_domains"].strip())
        if len(texts) > self.DOMAINS_MAX:
            message = _("Enter at most %(limit)d domains.")
            params = {"limit": self.DOMAINS_MAX}
            raise ValidationError(message, code="too_many_domains", params=params)
        return [self._domain(text) for text in texts if text]

    def _domain(self, text: str) -> str:
        try:
            return addresses.clean_domain(text)
        except AddressRefused as error:
            message = _("“%(domain)s” is not a domain that email can reach.")
            params = {"domain": text[:40]}
            raise ValidationError(message, code=error.code, params=params) from error

    def clean_word(self) -> str:
        """Return the custom code in its stored form, or an empty string.

        Raises ``ValidationError`` if it is refused.
        """
        text: str = self.cleaned_data["word"]
        try:
            return codes.check_word(text) if text else ""
        except WordRefused as error:
            raise ValidationError(str(error), code=error.code) from error

    def clean(self) -> dict[str, Any]:
        """Require either a number of people or any number."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        most, unlimited = cleaned.get("max_uses"), bool(cleaned.get("unlimited"))
        if "max_uses" in self.errors:
            return cleaned
        if most is None and not unlimited:
            message = _("Enter the number of people.")
            self.add_error("max_uses", ValidationError(message, "required"))
        elif most is not None and unlimited:
            message = _("Enter a number or choose any number, not both.")
            self.add_error("max_uses", ValidationError(message, "one_number"))
        return cleaned

    def save(self) -> InvitationKey:
        """Create or change the link, and return it.

        Raises ``InvitationError``. ``refused`` turns it into a form error.
        """
        cleaned = self.cleaned_data
        terms: dict[str, Any] = {
            "label": cleaned["label"],
            "max_uses": cleaned["max_uses"],
            "expires_at": self._expires_at(),
            "allowed_domains": cleaned["allowed_domains"],
            "word": cleaned["word"],
        }
        if "groups" in self.fields:
            terms["groups"] = list(cleaned["groups"])
        if self.invitation is None:
            once = cleaned["once"]
            return sharing.share(self.inviter, site_id=self.site_id, once=once, **terms)
        sharing.edit_shared(self.invitation, **terms)
        return self.invitation

    def _expires_at(self) -> dt.datetime | None:
        """Return the end of the last day.

        If the day was not changed, return the exact time at which the link expires now. Without a
        day, return the site's usual time.
        """
        day: dt.date | None = self.cleaned_data["expires_on"]
        if self.invitation is not None and "expires_on" not in self.changed_data:
            return self.invitation.expires_at
        if day is None:
            return inviting.expiry_date(timezone.now())
        noon = dt.datetime.combine(day, dt.time(12))
        return wording.end_of_day(timezone.make_aware(noon) if settings.USE_TZ else noon)

    def refused(self, error: InvitationError) -> None:
        """Show why the link was refused, beside the field that caused it."""
        message = str(error)
        if isinstance(error, QuotaExceeded):
            message = gettext("You do not have that many invitations left.")
        field = FIELDS.get(type(error))
        known = field if field in self.fields else None
        self.add_error(known, ValidationError(message, code=error.code))


class JoinForm(forms.Form):
    """Form for the code or the custom code of a shared link."""

    code = forms.CharField(
        label=_("Invitation code"),
        max_length=codes.WORD_LENGTH_MAX,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
        help_text=_("For example 7QK2-M9XA-4TRB"),
    )


def _values(invitation: InvitationKey) -> dict[str, Any]:
    """Return the current values of a shared link, for the form."""
    return {
        "label": invitation.label,
        "max_uses": invitation.max_uses,
        "unlimited": invitation.max_uses is None,
        "expires_on": _day(invitation.expires_at),
        "allowed_domains": "\n".join(invitation.domains),
        "groups": list(invitation.groups.all()),
        "word": invitation.word or "",
    }


def _new_values() -> dict[str, Any]:
    return {"expires_on": _usual_last_day(), "once": secrets.token_urlsafe(16)}


def _usual_last_day() -> dt.date | None:
    """Return the usual last day of a new invitation.

    Return ``None`` if there is none, or if it is too far away to be chosen.
    """
    day = _day(inviting.expiry_date(timezone.now()))
    limit = _today() + dt.timedelta(SharedLinkForm.DAYS_MAX)
    return day if day is not None and day <= limit else None


def _today() -> dt.date:
    return timezone.localdate() if settings.USE_TZ else dt.date.today()


def _day(moment: dt.datetime | None) -> dt.date | None:
    if moment is None:
        return None
    return timezone.localtime(moment).date() if timezone.is_aware(moment) else moment.date()
