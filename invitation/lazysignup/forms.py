"""Form in which a guest signs up."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm, UsernameField
from django.utils.translation import gettext_lazy as _

User = get_user_model()
NAME, EMAIL = User.USERNAME_FIELD, User.get_email_field_name()
#: Fields of the form, as the site's own sign-up asks for them.
FIELDS = tuple(dict.fromkeys((NAME, EMAIL)))
EMAIL_INPUT = forms.EmailInput(attrs={"autocomplete": "email"})


class ConvertForm(UserCreationForm):  # type: ignore[type-arg]
    """Login name, email address and password of a guest who signs up, checked as Django does.

    The guest keeps the account. The name that the guest has so far is not filled in.
    """

    class Meta:
        """The user model of the site."""

        model = User
        fields = FIELDS
        field_classes = {"username": UsernameField}
        widgets = {EMAIL: EMAIL_INPUT}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.update(dict.fromkeys(FIELDS, ""))
        self.fields[EMAIL].required = True


class AddressForm(forms.Form):
    """Address that a guest confirms before signing up."""

    #: Whether the form asks for an address alone; the template reads it.
    only_address = True
    email = forms.EmailField(label=_("Email address"), widget=EMAIL_INPUT)
