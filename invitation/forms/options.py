"""Ask what a site may let its members choose of an invitation, and how they want to go on."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import get_supported_language_variant, gettext, ngettext
from django.utils.translation import gettext_lazy as _

from invitation import flows
from invitation.conf import conf
from invitation.delivery.base import MailPreview

#: What stands for "for ever" among the days.
NEVER = "never"


def days_in_words(days: int | None) -> str:
    """Return a time as a choice that completes "open for"."""
    if days is None:
        return gettext("unlimited time")
    return ngettext("%(count)d day", "%(count)d days", days) % {"count": days}


class DaysField(forms.ChoiceField):
    """Let the member choose among the site's times; who does not gets the usual one."""

    def __init__(self, **kwargs: Any) -> None:
        usual = conf.ACCOUNT_INVITATION_DAYS
        offered = list(dict.fromkeys([*conf.INVITATION_EXPIRY_CHOICES, usual]))
        offered.sort(key=lambda days: (days is None, days))
        choices = [(_posted(days), days_in_words(days)) for days in offered]
        super().__init__(choices=choices, initial=_posted(usual), **kwargs)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return what the page shows as chosen."""
        return data or initial

    def clean(self, value: Any) -> Any:
        """Return the number of days, or ``None`` for ever."""
        # A template of the site's own may not show this field at all.
        chosen = super().clean(value or self.initial)
        return None if chosen == NEVER else int(chosen)


def _posted(days: int | None) -> str:
    """Return what a form posts for a number of days."""
    return NEVER if days is None else str(days)


def offered_languages() -> list[tuple[str, str]]:
    """Return the languages among which a member may choose, in words, or none.

    None where the site has not said which it has (Django's LANGUAGES is then all that Django
    knows), or has one.
    """
    configured: Any = settings
    if not (settings.USE_I18N and configured.is_overridden("LANGUAGES")):
        return []
    languages = [(code, gettext(str(name))) for code, name in settings.LANGUAGES]
    return languages if len(languages) > 1 else []


def own_language(inviter: Any) -> str:
    """Return which of the site's languages an inviter's mails are in unless he chooses another."""
    try:
        return get_supported_language_variant(flows.language_for(inviter))
    except LookupError:  # no translation is active
        return settings.LANGUAGE_CODE


class InvitationOptionsMixin(forms.Form):
    """Add the choices that a site offers, and know by which button a form was sent.

    There are none until LANGUAGES, INVITATION_EXPIRY_CHOICES and INVITATION_DESTINATIONS offer
    some.
    """

    #: The buttons besides "send" that the page may show. A site takes one away in a subclass.
    buttons: tuple[str, ...] = ("preview", "no_mail")

    inviter: Any
    site_id: int | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if languages := offered_languages():
            self.fields["language"] = forms.ChoiceField(
                label=_("Language of the mail"), choices=languages, required=False
            )
        if conf.INVITATION_EXPIRY_CHOICES:
            self.fields["days"] = DaysField(label=_("Open for"))
        if conf.INVITATION_DESTINATIONS:
            usual = ("", _("the usual page"))
            self.fields["destination"] = forms.ChoiceField(
                label=_("First page"),
                choices=[usual, *conf.INVITATION_DESTINATIONS],
                required=False,
                help_text=_("Where the person lands who has made an account."),
            )

    def pressed(self, button: str) -> bool:
        """Tell whether the form was sent by this button, and offers it."""
        return button in self.buttons and button in self.data

    def choices(self) -> dict[str, Any]:
        """Return what the member has chosen, as ``flows.invite`` and ``flows.preview`` take it."""
        offered = ("days", "destination")
        chosen = {name: self.cleaned_data[name] for name in offered if name in self.fields}
        # Without one, as from a template of the site's own that lacks the field: the member's.
        language = self.cleaned_data.get("language")
        return chosen | ({"language": language} if language else {})

    def arguments(self) -> dict[str, Any]:
        """Return all that the mail depends on."""
        names = ("email", "recipient_name", "note")
        texts = {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}
        return texts | self.choices()

    def preview(self) -> MailPreview:
        """Return the mail as it would be sent. Raises ``InvitationError``."""
        return flows.preview(self.inviter, site_id=self.site_id, **self.arguments())
