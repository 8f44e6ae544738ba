"""The checks find each door that is open, and say nothing of the others."""

from __future__ import annotations

from functools import partial, wraps
from types import ModuleType
from typing import Any

import pytest
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.views import SignupView as AllauthView
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from dj_rest_auth.registration.views import RegisterView
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import UserChangeForm, UserCreationForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.models import Group
from django.forms import modelform_factory
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views.generic import CreateView, FormView, TemplateView, UpdateView
from djoser.views import UserViewSet
from guest_user.views import ConvertFormView
from rest_framework.generics import CreateAPIView
from rest_framework.permissions import IsAdminUser
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet

from invitation.backends.allauth import AccountAdapter, InvitationMixin
from invitation.backends.plain import (
    InvitationRequiredMixin,
    invitation_required,
    open_registration,
)
from invitation.checks import doors

User = get_user_model()
AccountForm = modelform_factory(User, fields=["username", "email"])


class UserSerializer(ModelSerializer):
    class Meta:
        model = User
        fields = ["username"]


class GroupSerializer(ModelSerializer):
    class Meta:
        model = Group
        fields = ["name"]


class Proxy(User):
    class Meta:
        proxy = True
        app_label = "users"


class Users(ModelViewSet):
    queryset = User.objects.all()
    serializer_class = UserSerializer


def made(*bases: type, **attributes: Any) -> type:
    return type("SomeView", bases, attributes)


def wrapped(view: Any) -> Any:
    @wraps(view)
    def around(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return around


CREATE = made(CreateView, model=User, fields=["username"])
OPEN: dict[str, Any] = {
    "a view that creates": CREATE.as_view(),
    "… by its form": made(CreateView, form_class=UserCreationForm).as_view(),
    "… by its queryset": made(CreateView, queryset=User.objects.all(), fields="__all__").as_view(),
    "… by a proxy": made(CreateView, model=Proxy, fields=["username"]).as_view(),
    "… decorated": wrapped(CREATE.as_view()),
    "… in a partial": partial(CREATE.as_view()),
    "… by an argument": CreateView.as_view(model=User, fields=["username"]),
    "… by a form as an argument": CreateView.as_view(form_class=UserCreationForm),
    "a form view with an argument": FormView.as_view(form_class=UserCreationForm),
    "an API with an argument": CreateAPIView.as_view(serializer_class=UserSerializer),
    "a form view": made(FormView, form_class=UserCreationForm).as_view(),
    "a form view over a model form": made(FormView, form_class=AccountForm).as_view(),
    "an API that creates": made(CreateAPIView, serializer_class=UserSerializer).as_view(),
    "an API with a set of views": Users.as_view({"get": "list", "post": "create"}),
    "djoser": UserViewSet.as_view({"get": "list", "post": "create"}),
    "dj-rest-auth": RegisterView.as_view(),
    "guest users": made(ConvertFormView).as_view(),
}
CLOSED: dict[str, Any] = {
    "a page": TemplateView.as_view(template_name="x"),
    "a view of its own account": made(UpdateView, model=User, form_class=UserChangeForm).as_view(),
    "a view that creates a group": made(CreateView, model=Group, fields=["name"]).as_view(),
    "a form view without a class": FormView.as_view(),
    "a view for members": made(LoginRequiredMixin, CREATE).as_view(),
    "a view with the mixin": made(InvitationRequiredMixin, CREATE).as_view(),
    "a form view with the mixin": made(
        InvitationRequiredMixin, FormView, form_class=UserCreationForm
    ).as_view(),
    "a decorated view": invitation_required(CREATE.as_view()),
    "a view that is decorated twice": login_required(invitation_required(CREATE.as_view())),
    "a decorated method": method_decorator(invitation_required, name="dispatch")(
        made(CREATE)
    ).as_view(),
    "an open view": open_registration(CREATE.as_view()),
    "an open class": open_registration(made(CREATE)).as_view(),
    "an API that lists": made(ModelViewSet, serializer_class=UserSerializer).as_view(
        {"get": "list"}
    ),
    "an API for groups": made(CreateAPIView, serializer_class=GroupSerializer).as_view(),
    "an API without a class": made(CreateAPIView).as_view(),
    "an API for staff": made(
        CreateAPIView, serializer_class=UserSerializer, permission_classes=[IsAdminUser]
    ).as_view(),
    "an API for staff by an argument": CreateAPIView.as_view(
        serializer_class=UserSerializer, permission_classes=[IsAdminUser]
    ),
    "djoser without sign-up": UserViewSet.as_view({"get": "me"}),
    "allauth": AllauthView.as_view(),
    "a function": lambda request: None,
}


def urlconf(*patterns: Any) -> ModuleType:
    module = ModuleType("tests.hosts.doors.made")
    vars(module)["urlpatterns"] = list(patterns)
    return module


def ids(check: Any) -> list[str]:
    return [message.id.removeprefix("invitation.") for message in check(None)]


@pytest.mark.parametrize("view", OPEN.values(), ids=OPEN)
def test_an_open_door_is_found(view: Any, settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("a/", include([path("join/", view)])))
    [message] = doors.check_doors(None)
    assert message.id == "invitation.E017"
    assert 'at "/a/join/"' in message.msg
    assert message.hint.endswith("Set INVITE_MODE to False to open registration.")


@pytest.mark.parametrize("view", CLOSED.values(), ids=CLOSED)
def test_another_is_not(view: Any, settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("join/", view), path("admin/", admin.site.urls))
    assert doors.check_doors(None) == []


@pytest.mark.parametrize("view", OPEN.values(), ids=OPEN)
def test_where_registration_is_open_no_door_is_reported(view: Any, settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("join/", view))
    settings.INVITE_MODE = False
    assert doors.check_doors(None) == []


def test_a_door_behind_another_page_is_not_reported(settings: Any) -> None:
    page = TemplateView.as_view(template_name="x")
    settings.ROOT_URLCONF = urlconf(path("join/", page), path("join/", CREATE.as_view()))
    assert doors.check_doors(None) == []


def test_djoser_closed_by_its_settings_is_not_reported(settings: Any) -> None:
    settings.DJOSER = {"PERMISSIONS": {"user_create": ["rest_framework.permissions.IsAdminUser"]}}
    settings.ROOT_URLCONF = urlconf(path("u/", include("djoser.urls")))
    assert doors.check_doors(None) == []


def test_djoser_as_it_comes_is_reported(settings: Any) -> None:
    settings.ROOT_URLCONF = urlconf(path("u/", include("djoser.urls")))
    assert set(ids(doors.check_doors)) == {"E017"}


class MineGated(InvitationMixin, DefaultAccountAdapter):
    pass


class MineOpen(DefaultAccountAdapter):
    pass


ADAPTERS = {
    "ours": ("invitation.backends.allauth.AccountAdapter", True),
    "with the mixin": (f"{__name__}.MineGated", True),
    "of the site": (f"{__name__}.MineOpen", False),
    "allauth's": ("allauth.account.adapter.DefaultAccountAdapter", False),
    "missing": ("no.such.Adapter", False),
    "no text": (None, False),
    "no class": ("invitation.checks.doors.check_doors", False),
}


@pytest.mark.parametrize(("adapter", "gated"), ADAPTERS.values(), ids=ADAPTERS)
def test_an_adapter_without_the_gate_is_reported(adapter: Any, gated: bool, settings: Any) -> None:
    settings.ACCOUNT_ADAPTER = adapter
    assert ids(doors.check_allauth) == ([] if gated else ["E070"])
    settings.INVITE_MODE = False
    assert ids(doors.check_allauth) == []


def test_both_adapters_are_needed(settings: Any) -> None:
    del settings.ACCOUNT_ADAPTER
    settings.SOCIALACCOUNT_ADAPTER = (
        f"{DefaultSocialAccountAdapter.__module__}.DefaultSocialAccountAdapter"
    )
    messages = doors.check_allauth(None)
    assert [
        message.msg.split("INVITE_MODE is on, but ")[1].split(" is ")[0] for message in messages
    ] == [
        "ACCOUNT_ADAPTER",
        "SOCIALACCOUNT_ADAPTER",
    ]


OURS = path("accounts/", include("invitation.backends.allauth.urls"))
THEIRS = path("accounts/", include("allauth.urls"))
OUR_API = path("api/", include("invitation.backends.allauth.headless_urls"))
THEIR_API = path("api/", include("allauth.headless.urls"))
ORDERS: dict[str, tuple[list[Any], list[str]]] = {
    "ours first": ([OURS, THEIRS, OUR_API, THEIR_API], []),
    "theirs first": (
        [THEIRS, OURS],
        ["/accounts/signup/", "/accounts/3rdparty/signup/"],
    ),
    "theirs alone": ([THEIRS], ["/accounts/signup/", "/accounts/3rdparty/signup/"]),
    "their API alone": (
        [OURS, THEIRS, THEIR_API],
        [
            "/api/browser/v1/auth/signup",
            "/api/browser/v1/auth/provider/signup",
            "/api/app/v1/auth/signup",
            "/api/app/v1/auth/provider/signup",
        ],
    ),
    "a view of the site": ([path("join/", made(AllauthView).as_view())], ["/join/"]),
    "a view of the site that is open": (
        [path("join/", open_registration(made(AllauthView)).as_view())],
        [],
    ),
}


@pytest.mark.parametrize(("patterns", "found"), ORDERS.values(), ids=ORDERS)
def test_a_page_of_allauth_in_place_of_ours_is_reported(
    patterns: list[Any], found: list[str], settings: Any
) -> None:
    settings.ROOT_URLCONF = urlconf(*patterns)
    messages = doors.check_allauth_pages(None)
    assert [message.msg.split('"')[1] for message in messages] == found
    assert {message.id for message in messages} <= {"invitation.E071"}
    settings.INVITE_MODE = False
    assert doors.check_allauth_pages(None) == []


def test_the_adapter_of_the_tests_is_ours() -> None:
    assert issubclass(AccountAdapter, InvitationMixin)
