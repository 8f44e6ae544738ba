"""URLconf of the site: the ways to sign up are the code that the how-to guides print."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.auth import alogin
from django.contrib.auth.forms import UserCreationForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import include, path
from django.views.generic import CreateView, FormView, View

from invitation.backends.account_mails import PasswordResetView
from invitation.backends.plain import (
    InvitationRequiredMixin,
    form_arguments,
    form_context,
    invitation_required,
    open_registration,
)
from invitation.flows import arriving
from tests.documented import DOCS, code_blocks

PIECES = [*code_blocks(DOCS / "howto/own_view.rst"), *code_blocks(DOCS / "howto/apis.rst")]


def printed(caption: str) -> dict[str, Any]:
    """Return the names that the code with this caption defines."""
    [code] = [code for title, code in PIECES if title == caption]
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(code, f"documentation, {caption}", "exec"), names)  # noqa: S102
    return names


FUNCTION = printed("function")
SignUpView = printed("class-based")["SignUpView"]


@open_registration
class BareView(CreateView):  # type: ignore[type-arg]
    """The host alone, for the budget."""

    form_class = SignUpView.form_class
    template_name = SignUpView.template_name
    success_url = SignUpView.success_url


class WithoutEmailView(InvitationRequiredMixin, FormView):  # type: ignore[type-arg]
    """Django's own form asks for no address."""

    form_class = UserCreationForm
    template_name = SignUpView.template_name
    success_url = "/"


class ForgetfulView(SignUpView):  # type: ignore[misc]
    """What many people would write: it saves the form beside the claim."""

    def form_valid(self, form: Any) -> HttpResponseBase:
        form.save()
        return HttpResponse("signed up")


@invitation_required
def forgetful(request: HttpRequest) -> HttpResponse:
    form = UserCreationForm(request.POST)
    form.save()
    return HttpResponse("signed up")


def make_form(request: HttpRequest) -> Any:
    form_class = FUNCTION["SignUpForm"]
    typed = request.POST if request.method == "POST" else None
    return form_class(typed, request=request, **form_arguments(request, form_class))


def show(request: HttpRequest, form: Any) -> HttpResponse:
    context = form_context(request, form.opened) | {"form": form}
    return render(request, SignUpView.template_name, context)


async def sign_up_without_gate(request: HttpRequest) -> HttpResponseBase:
    form = await sync_to_async(make_form)(request)
    if not await sync_to_async(form.is_valid)():
        return await sync_to_async(show)(request, form)
    user = await sync_to_async(FUNCTION["create_account"])(request, form)
    await alogin(request, user)
    return redirect(await sync_to_async(arriving.destination_of)(user) or "/")


class AsyncView(View):
    """A class-based view with asynchronous methods."""

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        return await sign_up_without_gate(request)

    post = get


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Home of {request.user}")


urlpatterns = [
    path("", home, name="home"),
    path("accounts/register/", SignUpView.as_view(), name="sign_up"),
    path("accounts/bare/", BareView.as_view()),
    path("accounts/without-email/", WithoutEmailView.as_view()),
    path("accounts/function/", FUNCTION["sign_up"]),
    path("accounts/async/", invitation_required(sign_up_without_gate)),
    path("accounts/async-class/", invitation_required(AsyncView.as_view())),
    path("accounts/forgetful/", forgetful),
    path("accounts/forgetful-class/", ForgetfulView.as_view()),
    path("api/drf/", printed("DRF")["SignUpAPIView"].as_view()),
    path("api/ninja/", printed("ninja")["api"].urls),
    path("accounts/", include("invitation.routes")),
    path("accounts/password_reset/", PasswordResetView.as_view(), name="password_reset"),
    path("accounts/", include("django.contrib.auth.urls")),
    path("admin/", admin.site.urls),
]
