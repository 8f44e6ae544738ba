"""Fields that a site may offer its members for an invitation, and the form's buttons."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import get_supported_language_variant, gettext, ngettext
from django.utils.translation import gettext_lazy as _

from invitation.conf import conf
from invitation.delivery.base import MailPreview
from invitation.flows import inviting

#: Choice that stands for "never expires".
NEVER = "never"


def days_in_words(days: int | None) -> str:
    """Return a number of days as a choice that completes "expires after"."""
    if days is None:
        return gettext("never")
    return ngettext("%(count)d day", "%(count)d days", days) % {"count": days}


class DaysField(forms.ChoiceField):
    """Field for the days an invitation stays pending, from the site's choices.

    An empty value means the usual number.
    """

    def __init__(self, **kwargs: Any) -> None:
        usual = conf.ACCOUNT_INVITATION_DAYS
        offered = list(dict.fromkeys([*conf.INVITATION_EXPIRY_CHOICES, usual]))
        offered.sort(key=lambda days: (days is None, days))
        choices = [(_posted(days), days_in_words(days)) for days in offered]
        super().__init__(choices=choices, initial=_posted(usual), **kwargs)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return the value that the page shows as chosen."""
        return data or initial

    def clean(self, value: Any) -> Any:
        """Return the number of days, or ``None`` for ever."""
        # The site's own template may leave this field out.
        chosen = super().clean(value or self.initial)
        return None if chosen == NEVER else int(chosen)


def _posted(days: int | None) -> str:
    """Return the value that the form posts for a number of days."""
    return NEVER if days is None else str(days)


def offered_languages() -> list[tuple[str, str]]:
    """Return the languages that a member may choose: pairs of code and name.

    The list is empty if the site has one language, or USE_I18N is off. It is also empty if the site
    does not set LANGUAGES: the default lists every language that Django knows.
    """
    configured: Any = settings
    if not (settings.USE_I18N and configured.is_overridden("LANGUAGES")):
        return []
    languages = [(code, gettext(str(name))) for code, name in settings.LANGUAGES]
    return languages if len(languages) > 1 else []


def own_language(inviter: Any) -> str:
    """Return the site's language for an inviter's emails, unless they choose another."""
    try:
        return get_supported_language_variant(inviting.language_for(inviter))
    except LookupError:  # no translation is active
        return settings.LANGUAGE_CODE


def _is_changed(field: forms.BoundField) -> bool:
    value, usual = field.value(), field.field.initial
    return bool(value) and value != (usual() if callable(usual) else usual)


class MoreOptionsMixin(forms.Form):
    """Form whose page shows some fields first, and others under "More options"."""

    #: Fields that the page shows first. Others that need no answer are under "More options".
    first_fields: tuple[str, ...] = ("email",)

    def main_fields(self) -> list[forms.BoundField]:
        """Return the fields that the page shows first: those that a member must answer."""
        more = self.more_fields()
        return [field for field in self.visible_fields() if field not in more]

    def more_fields(self) -> list[forms.BoundField]:
        """Return the fields under "More options"."""
        fields = [field for field in self.visible_fields() if field.name not in self.first_fields]
        return [field for field in fields if not field.field.required or field.field.initial]

    def more_open(self) -> bool:
        """Return whether "More options" shows an error, or a value that is not the usual one."""
        return any(field.errors or _is_changed(field) for field in self.more_fields())


class InvitationOptionsMixin(MoreOptionsMixin):
    """Form with the choices that a site offers, and the buttons that can send it.

    LANGUAGES, INVITATION_EXPIRY_CHOICES and INVITATION_DESTINATIONS each add a field.
    """

    #: Buttons that the page may show beside "send". A site removes one in a subclass.
    buttons: tuple[str, ...] = ("preview", "no_mail")

    inviter: Any
    site_id: int | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if languages := offered_languages():
            self.fields["language"] = forms.ChoiceField(
                label=_("Language of the email"), choices=languages, required=False
            )
        if conf.INVITATION_EXPIRY_CHOICES:
            self.fields["days"] = DaysField(label=_("Expires after"))
        if conf.INVITATION_DESTINATIONS:
            usual = ("", _("Usual page"))
            self.fields["destination"] = forms.ChoiceField(
                label=_("First page"),
                choices=[usual, *conf.INVITATION_DESTINATIONS],
                required=False,
                help_text=_("The page they see first after signing up."),
            )

    def pressed(self, button: str) -> bool:
        """Return whether this button sent the form and is one of ``buttons``."""
        return button in self.buttons and button in self.data

    def choices(self) -> dict[str, Any]:
        """Return the member's choices, as arguments of ``inviting.invite``.

        ``inviting.preview`` takes the same arguments.
        """
        offered = ("days", "destination")
        chosen = {name: self.cleaned_data[name] for name in offered if name in self.fields}
        # A form without a language means the member's own language. The site's own template may
        # lack the field.
        language = self.cleaned_data.get("language")
        return chosen | ({"language": language} if language else {})

    def arguments(self) -> dict[str, Any]:
        """Return all values that the email depends on."""
        names = ("email", "recipient_name", "note")
        texts = {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}
        return texts | self.choices()

    def preview(self) -> MailPreview:
        """Return the email as it would be sent. Raises ``InvitationError``."""
        return inviting.preview(self.inviter, site_id=self.site_id, **self.arguments())
