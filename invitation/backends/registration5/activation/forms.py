"""Form of the activation page: the key, and a new password where one is needed."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import Form, HiddenInput
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from django_registration.backends.activation import forms as host

from invitation.backends import activation
from invitation.backends.registration5.activation import accounts
from invitation.flows import arriving


class ActivationForm(host.ActivationForm):
    """Activation of the account that a key names.

    The person who registered knows the password. Another person may read the email. So the form
    asks for a new password, unless a key from the invitation email has proven the address before.
    """

    #: Part of the key that is bound to the address, if it has one.
    bound = ""
    #: Account that the key names.
    account: Any = None
    #: The same account if it waits for its activation.
    waiting: Any = None
    #: Form for the new password, if one is needed.
    password_form: Form | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["activation_key"].widget = HiddenInput()
        self._read_key()
        if self.account is not None and accounts.is_waiting(self.account):
            self.waiting = self.account
            data = self.data if self.is_bound else None
            self.password_form = activation.confirm_form(self.waiting, data)
        if self.password_form is not None:
            self.fields.update(self.password_form.fields)

    @method_decorator(sensitive_variables())
    def _read_key(self) -> None:
        """Find the account before anything is posted, because the page shows it."""
        given = self.data.get(self.add_prefix("activation_key"), "")
        self.cleaned_data = {"activation_key": given or self.initial.get("activation_key", "")}
        try:
            self.clean_activation_key()
        except ValidationError:
            self.account = None
        del self.cleaned_data

    @method_decorator(sensitive_variables())
    def clean_activation_key(self) -> str:
        """Return the login name that the key names. A key of django-registration works, too.

        Raises ``ValidationError`` for a key that was sent to an address that the account no longer
        has.
        """
        name, self.bound = accounts.split(super().clean_activation_key())
        self.account = accounts.named(name)
        if self.account is not None and self.bound:
            email = arriving.own_address(self.account)
            if not activation.is_bound(self.bound, email):
                raise ValidationError(self.INVALID_KEY_MESSAGE, code="invalid_key")
        return name

    @method_decorator(sensitive_variables())
    def clean(self) -> Any:
        """Check the new password."""
        if self.password_form is not None:
            for name, errors in self.password_form.errors.as_data().items():
                if name not in self.errors:
                    self.add_error(name, errors)
        return super().clean()
