"""URLconf of the site with guests."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth import alogin, get_user_model
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import View

from invitation.lazysignup.decorators import (
    AllowGuestUserMixin,
    AllowLazyUserMixin,
    GuestUserRequiredMixin,
    RegularUserRequiredMixin,
    allow_lazy_user,
    guest_user_required,
    regular_user_required,
    require_lazy_user,
    require_nonlazy_user,
)
from invitation.lazysignup.guests import is_lazy_user
from invitation.lazysignup.views import convert
from tests.lazysignup.shop.models import Item


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username() or "nobody")


@allow_lazy_user
def put(request: HttpRequest) -> HttpResponse:
    """Put a thing into the basket."""
    if request.method == "POST" and request.user.is_authenticated:
        Item.objects.create(owner=request.user, name=request.POST.get("name", "thing"))
    return who(request)


async def who_async(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    return HttpResponse(user.get_username() or "nobody")


put_async = allow_lazy_user(who_async)


async def log_in_async(request: HttpRequest) -> HttpResponse:
    user = await get_user_model()._default_manager.aget(
        **{get_user_model().USERNAME_FIELD: request.POST["name"]}
    )
    await alogin(request, user, "django.contrib.auth.backends.ModelBackend")
    return HttpResponse("in")


class PutView(AllowGuestUserMixin, View):
    guests_on_get = True

    def get(self, request: HttpRequest) -> HttpResponse:
        return who(request)

    post = get


class PutAsyncView(AllowLazyUserMixin, View):
    async def post(self, request: HttpRequest) -> HttpResponse:
        return await who_async(request)


class ForGuests(GuestUserRequiredMixin, View):
    anonymous_url = "/anonymous/"
    registered_url = "/regular/"

    def get(self, request: HttpRequest) -> HttpResponse:
        return who(request)


class ForMembers(RegularUserRequiredMixin, View):
    login_url = "/in/"
    convert_url = "/up/"
    redirect_field_name = "to"

    def get(self, request: HttpRequest) -> HttpResponse:
        return who(request)


def is_guest(request: HttpRequest) -> HttpResponse:
    """Ask twice, as a view and its template do."""
    return HttpResponse(f"{is_lazy_user(request.user)} {is_lazy_user(request.user)}")


def remember(request: HttpRequest) -> HttpResponse:
    request.session["basket"] = ["seed"]
    return who(request)


def convert_old(request: HttpRequest) -> Any:
    """Show the form with all that lazysignup lets a site choose."""
    from tests.lazysignup.test_converting import OldForm

    return convert(
        request,
        form_class=OldForm,
        redirect_field_name="to",
        anonymous_redirect="/who/",
        template_name="old/convert.html",
        ajax_template_name="old/convert_ajax.html",
    )


views: dict[str, Any] = {
    "who": who,
    "put": put,
    "put-async": put_async,
    "put-class": PutView.as_view(),
    "look": allow_lazy_user(on_get=True)(who),
    "log-in-async": log_in_async,
    "remember": remember,
    "lazy-only": require_lazy_user("/nowhere/")(who),
    "no-lazy": require_nonlazy_user("/nowhere/")(who),
    "guests-only": guest_user_required(anonymous_url="/anonymous/", registered_url="/regular/")(
        who
    ),
    "guests-only-plain": guest_user_required(who),
    "guests-only-class": ForGuests.as_view(),
    "guests-only-initkwargs": ForGuests.as_view(anonymous_url="/elsewhere/"),
    "guests-only-async": guest_user_required(who_async),
    "regular-only": regular_user_required(who),
    "regular-only-urls": regular_user_required(
        login_url="/in/", convert_url="/up/", redirect_field_name="to"
    )(who),
    "regular-only-class": ForMembers.as_view(),
    "regular-only-async": regular_user_required(who_async),
    "lazy-only-args": require_lazy_user("item", pk=7)(who),
    "put-class-async": PutAsyncView.as_view(),
    "who-async": who_async,
    "is-guest": is_guest,
}

urlpatterns = [
    path("", who),
    *(path(f"{name}/", view, name=name) for name, view in views.items()),
    path("item/<int:pk>/", who, name="item"),
    path("convert-old/", convert_old),
    path("convert/", include("invitation.lazysignup.urls")),
    path("accounts/login/", LoginView.as_view(template_name="admin/login.html"), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]
