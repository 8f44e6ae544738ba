"""Checks that find each address of the site where people sign up without an invitation.

They look at every URL, and at the class of its view. They know the registration apps by the names
of their classes, and import none of them. A function view that creates accounts cannot be seen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from inspect import unwrap
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.mixins import AccessMixin
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string
from django.views.generic.detail import SingleObjectMixin
from django.views.generic.edit import BaseCreateView, FormMixin

from invitation.backends.base import InvitationRegistrationMixin
from invitation.checks import routing
from invitation.conf import conf

#: Attributes of a view, its class or its serializer that say: it asks for an invitation, or it is
#: open on purpose. ``backends.plain`` sets them.
MARKS = ("invitation_required", "open_registration")
#: Permission classes of an API that keep everybody out who has no account.
CLOSED = frozenset(
    {"IsAuthenticated", "IsAdminUser", "DjangoModelPermissions", "DjangoObjectPermissions"}
)

_REDUX = (
    "Put the include of invitation.urls (or another of invitation.backends) before the "
    "registration URLs and at the same prefix, or take those out; a view of your own needs "
    "InvitationRegistrationMixin, a backend class InvitationBackend."
)
_REGISTRATION5 = (
    "Put the include of invitation.backends.registration5 before that of django_registration, at "
    "the same prefix."
)
_REST_AUTH = (
    'Set REGISTER_SERIALIZER in REST_AUTH to "invitation.backends.rest_auth.RegisterSerializer".'
)
_DJOSER = (
    'Set "user_create" in PERMISSIONS of DJOSER to ["rest_framework.permissions.IsAdminUser"], and '
    "sign people up in a view of your own with invitation.backends.plain."
)
_GUESTS = "Take out this URL: it makes an account of every guest."
_OWN = (
    "Give the view InvitationRequiredMixin of invitation.backends.plain. If it is open on purpose, "
    "or only for staff, mark it with open_registration from there."
)
_OPEN = "Set INVITE_MODE to False to open registration."


@dataclass(frozen=True)
class Host:
    """Class of a registration app that signs people up, and how to gate it."""

    module: str
    name: str
    hint: str
    #: Whether the view signs people up with these options.
    creates: Callable[[Any, Any], bool] = lambda callback, view: True


def _creates_in_djoser(callback: Any, view: Any) -> bool:
    # Its view has imported it.
    permissions = sys.modules["djoser.conf"].settings.PERMISSIONS.user_create
    actions = getattr(callback, "actions", None) or {}
    return "create" in actions.values() and not _are_closed(permissions)


HOSTS = (
    Host("registration.views", "RegistrationView", _REDUX),
    Host("django_registration.views", "RegistrationView", _REGISTRATION5),
    Host("dj_rest_auth.registration.views", "RegisterView", _REST_AUTH),
    Host("djoser.views", "UserViewSet", _DJOSER, _creates_in_djoser),
    Host("guest_user.views", "ConvertFormView", _GUESTS),
)

#: Views of allauth that sign people up. The adapter is their gate.
ALLAUTH = (
    ("allauth.account.views", "SignupView"),
    ("allauth.socialaccount.views", "SignupView"),
    ("allauth.headless.account.views", "SignupView"),
    ("allauth.headless.socialaccount.views", "ProviderSignupView"),
)


def check_doors(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report each URL where people can sign up without an invitation.

    Nothing is reported if INVITE_MODE is off.
    """
    if not conf.INVITE_MODE:
        return []
    routes, _failure = routing.find_routes()
    messages: list[CheckMessage] = []
    for route in routes:
        fix = _how_to_gate(route)
        if fix and routing.answers(route, routes):
            message = (
                f'Anybody can sign up at "/{route}". INVITE_MODE is on, but this view asks for no '
                "invitation."
            )
            messages.append(Error(message, hint=f"{fix} {_OPEN}", id="invitation.E017"))
    return messages


def check_allauth(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report an adapter of allauth that asks for no invitation.

    Nothing is reported if INVITE_MODE is off.
    """
    if not conf.INVITE_MODE:
        return []
    # The setting, the app that reads it, our class for it, and its value.
    account = ("ACCOUNT_ADAPTER", "allauth.account", "AccountAdapter")
    social = ("SOCIALACCOUNT_ADAPTER", "allauth.socialaccount", "SocialAccountAdapter")
    adapters: list[tuple[str, str, str, Any]] = [
        (*account, getattr(settings, "ACCOUNT_ADAPTER", "")),
        (*social, getattr(settings, "SOCIALACCOUNT_ADAPTER", "")),
    ]
    messages: list[CheckMessage] = []
    for name, app, ours, given in adapters:
        if not apps.is_installed(app) or _is_gated_adapter(given):
            continue
        message = (
            f"Anybody can sign up with django-allauth. INVITE_MODE is on, but {name} is "
            f"{given or 'not set'!r}, which asks for no invitation."
        )
        hint = (
            f'Set {name} = "invitation.backends.allauth.{ours}", or derive your adapter from that '
            f"class. {_OPEN}"
        )
        messages.append(Error(message, hint=hint, id="invitation.E070"))
    return messages


def check_allauth_pages(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Report each sign-up page of allauth that answers in place of the one of this app.

    Nothing is reported if INVITE_MODE is off.
    """
    if not (conf.INVITE_MODE and apps.is_installed("allauth.account")):
        return []
    routes, _failure = routing.find_routes()
    messages: list[CheckMessage] = []
    for route in routes:
        view = view_class(route.callback)
        if view is None or _is_marked(route.callback, view) or not _is_of_allauth(view):
            continue
        if routing.answers(route, routes):
            headless = any(base.__module__.startswith("allauth.headless") for base in view.__mro__)
            include = "headless_urls" if headless else "urls"
            theirs = "allauth.headless.urls" if headless else "allauth.urls"
            message = (
                f'The page of django-allauth at "/{route}" does not save the account and the use '
                "of the invitation together."
            )
            hint = (
                f"Put the include of invitation.backends.allauth.{include} before that of "
                f"{theirs}, at the same prefix."
            )
            messages.append(Error(message, hint=hint, id="invitation.E071"))
    return messages


def view_class(callback: Any) -> type | None:
    """Return the class of a view, even if decorators wrap the view."""
    while isinstance(callback, partial):
        callback = callback.func
    found = unwrap(callback, stop=_has_class)
    view: type | None = getattr(found, "view_class", None) or getattr(found, "cls", None)
    return view


def _has_class(callback: Any) -> bool:
    return hasattr(callback, "view_class") or hasattr(callback, "cls")


def _how_to_gate(route: routing.Route) -> str:
    """Return how to gate a view that signs people up; an empty text for any other view."""
    view = view_class(route.callback)
    if view is None:
        return _REDUX if _is_ungated_backend(route) else ""
    if _is_marked(route.callback, view):
        return ""
    for host in HOSTS:
        if _is_derived(view, host.module, host.name):
            return host.hint if host.creates(route.callback, view) else ""
    return _OWN if _creates_users(route.callback, view) else ""


def _is_marked(callback: Any, view: Any) -> bool:
    """Return whether a view says that it asks for an invitation, or is open on purpose."""
    serializer = _option(callback, view, "serializer_class")
    marked = (callback, view, getattr(view, "dispatch", None), serializer)
    said = any(getattr(one, mark, False) for one in marked for mark in MARKS)
    return said or issubclass(view, InvitationRegistrationMixin)


def _option(callback: Any, view: Any, name: str) -> Any:
    """Return an attribute of a view, which ``as_view`` may have been given."""
    while isinstance(callback, partial):
        callback = callback.func
    given = unwrap(callback, stop=_has_class)
    return getattr(given, "view_initkwargs", {}).get(name, getattr(view, name, None))


def _creates_users(callback: Any, view: Any) -> bool:
    """Return whether a site's own view creates accounts for anybody."""
    if issubclass(view, AccessMixin) or _are_closed(
        _option(callback, view, "permission_classes") or ()
    ):
        return False
    if issubclass(view, BaseCreateView):
        return any(map(_is_user_model, _models(callback, view)))
    if issubclass(view, FormMixin) and not issubclass(view, SingleObjectMixin):
        form = _option(callback, view, "form_class")
        return isinstance(form, type) and (
            issubclass(form, BaseUserCreationForm) or _is_user_model(_model_of(form))
        )
    actions = getattr(callback, "actions", None)
    creates = _is_derived(view, "rest_framework.mixins", "CreateModelMixin")
    if creates and (actions is None or "create" in actions.values()):
        return _is_user_model(_model_of(_option(callback, view, "serializer_class")))
    return False


def _models(callback: Any, view: Any) -> Iterator[Any]:
    """Yield the models that a view may create rows of."""
    yield _option(callback, view, "model")
    yield getattr(_option(callback, view, "queryset"), "model", None)
    yield _model_of(_option(callback, view, "form_class"))


def _model_of(form: Any) -> Any:
    """Return the model of a form or a serializer, or ``None``."""
    options = getattr(form, "_meta", None) or getattr(form, "Meta", None)
    return getattr(options, "model", None)


def _is_user_model(model: Any) -> bool:
    opts = getattr(model, "_meta", None)
    return opts is not None and opts.concrete_model is get_user_model()._meta.concrete_model


def _are_closed(permissions: Any) -> bool:
    """Return whether permission classes, or their dotted paths, keep out people without account."""
    names = (str(getattr(one, "__name__", one)).rpartition(".")[2] for one in permissions)
    return not CLOSED.isdisjoint(names)


def _is_derived(view: type, module: str, name: str) -> bool:
    """Return whether a class is, or is derived from, one of this name in this module or below."""
    return any(
        base.__name__ == name and f"{base.__module__}.".startswith(f"{module}.")
        for base in view.__mro__
    )


def _is_of_allauth(view: type) -> bool:
    return any(_is_derived(view, *known) for known in ALLAUTH)


def _is_gated_adapter(path: Any) -> bool:
    from invitation.backends.allauth import InvitationMixin

    try:
        adapter: Any = import_string(path)
    except (ImportError, AttributeError, TypeError):
        return False  # Not set, or wrong: allauth says what is wrong.
    return isinstance(adapter, type) and issubclass(adapter, InvitationMixin)


def _is_ungated_backend(route: routing.Route) -> bool:
    """Return whether a URL leads to the classic view with a backend class that has no gate."""
    if not takes_backend(route, "register"):
        return False
    from invitation.backends.classic import InvitationBackend

    try:
        return not isinstance(get_backend(route), InvitationBackend)
    except Exception:  # noqa: BLE001 (registration.check_backend_classes has a message about it)
        return False


def takes_backend(route: routing.Route, *names: str) -> bool:
    """Return whether a URL leads to one of the named views and names a backend class.

    A module that is not imported yet is not in use. So nothing is imported here.
    """
    if "invitation.backends.classic.views" not in sys.modules or "backend" not in route.arguments:
        return False
    from invitation.backends.classic import views

    return any(route.callback is getattr(views, name) for name in names)


def get_backend(route: routing.Route) -> Any:
    """Return the backend object that a URL of the classic views names."""
    from invitation.backends.classic import get_backend

    return get_backend(route.arguments["backend"])
