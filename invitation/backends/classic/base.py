"""Protocol of registration backend classes, their loader, and the base class of our own.

This is the registration backend API of django-registration 0.8. A backend is a class named by a
dotted path. It is created without arguments, once for each request. It needs no base class: our
views run any class that has the six methods of ``RegistrationBackend``.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.forms import BaseForm
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

#: Result of ``post_registration_redirect`` and ``post_activation_redirect``: the three arguments of
#: ``django.shortcuts.redirect``.
Redirect: TypeAlias = tuple[Any, tuple[Any, ...], dict[str, Any]]


class RegistrationBackend(Protocol):
    """Protocol with the six methods that the views call."""

    def register(self, request: HttpRequest, **kwargs: Any) -> AbstractBaseUser:
        """Create the account from the form's cleaned data and return it."""

    def activate(self, request: HttpRequest, **kwargs: Any) -> AbstractBaseUser | None:
        """Activate the account that the URL's arguments name; return it, or ``None``."""

    def registration_allowed(self, request: HttpRequest) -> bool:
        """Return whether this visitor may register now."""

    def get_form_class(self, request: HttpRequest) -> type[BaseForm]:
        """Return the class of the form that the visitor fills in."""

    def post_registration_redirect(self, request: HttpRequest, user: AbstractBaseUser) -> Redirect:
        """Return the redirect after a registration."""

    def post_activation_redirect(self, request: HttpRequest, user: AbstractBaseUser) -> Redirect:
        """Return the redirect after an activation."""


def get_backend(backend: object) -> Any:
    """Return an instance of the backend class that a dotted path names.

    ``backend`` may also be the class itself. Raises ``ImproperlyConfigured`` for any other value,
    for a path that cannot be imported, and for a class that needs arguments.
    """
    backend_class = _import_backend(backend) if isinstance(backend, str) else backend
    if not isinstance(backend_class, type):
        raise ImproperlyConfigured(
            f"A registration backend is a class or the dotted path of one, not {backend!r}."
        )
    try:
        return backend_class()
    except TypeError as error:
        raise ImproperlyConfigured(
            f"The registration backend {backend!r} cannot be instantiated without arguments: "
            f"{error}"
        ) from error


def _import_backend(path: str) -> object:
    try:
        return import_string(path)
    except (ImportError, ValueError, TypeError) as error:
        # ``import_module()`` raises ValueError and TypeError for "", ".name" and "..name".
        raise ImproperlyConfigured(
            f'The registration backend "{path}" cannot be imported: {error}'
        ) from error


class AccountBackend:
    """Base class of our backends: when registration is open, which form, how to create a user."""

    #: Whether opening an activation link activates the account, as in django-registration 0.8.
    activates_by_get = False
    #: Account of the guest who signs up, where ``InvitationBackend`` wraps this backend.
    guest: Any = None
    #: Fields of the user model that no form may fill in here.
    protected_fields: frozenset[str] = frozenset(
        {"password", "is_active", "is_staff", "is_superuser", "last_login", "date_joined"}
    )

    def registration_allowed(self, request: HttpRequest) -> bool:
        """Return whether registration is open, by redux's setting REGISTRATION_OPEN."""
        return bool(getattr(settings, "REGISTRATION_OPEN", True))

    def get_form_class(self, request: HttpRequest) -> type[BaseForm]:
        """Return the form that redux's setting REGISTRATION_FORM names, read at every request."""
        path = getattr(settings, "REGISTRATION_FORM", "registration.forms.RegistrationForm")
        form_class: type[BaseForm] = import_string(path)
        return form_class

    @sensitive_variables()
    def make_user(self, **kwargs: Any) -> Any:
        """Return an unsaved account with a form's cleaned data.

        This works with any user model. ``username`` and ``email`` also fill the fields that the
        model names as USERNAME_FIELD and EMAIL_FIELD. Other cleaned data fills the field of the
        same name. Raises ``ImproperlyConfigured`` if the form gave no login name.
        """
        model: Any = get_user_model()
        given = dict(kwargs)
        for name, common in ((model.USERNAME_FIELD, "username"), (_email_field(model), "email")):
            if common in given:
                given.setdefault(name, given[common])
        if model.USERNAME_FIELD not in given:
            raise ImproperlyConfigured(
                f"The registration form has no field for the login name ({model.USERNAME_FIELD})."
            )
        user = model() if self.guest is None else self.guest
        for field in model._meta.concrete_fields:
            own = not field.primary_key or field.name == model.USERNAME_FIELD
            if own and field.editable and field.name in given.keys() - self.protected_fields:
                field.save_form_data(user, given[field.name])
        user.set_password(given.get("password1", given.get("password")))
        user.clean()  # The model normalises names and addresses here, as with a ModelForm.
        return user


def _email_field(model: Any) -> str:
    return str(model.get_email_field_name())
