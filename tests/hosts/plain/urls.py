"""URLconf of the site: each way to sign up is the code that docs/plain.rst prints."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.forms import UserCreationForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import include, path
from django.views.generic import CreateView, FormView, View

from invitation.backends.account_mails import PasswordResetView
from invitation.backends.plain import (
    InvitationRequiredMixin,
    invitation_required,
    open_registration,
)
from tests.documented import DOCS, code_blocks


def printed(caption: str) -> dict[str, Any]:
    """Return the names that the code with this caption defines."""
    [code] = [code for title, code in code_blocks(DOCS / "plain.rst") if title == caption]
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(code, f"docs/plain.rst, {caption}", "exec"), names)  # noqa: S102
    return names


FUNCTION, ASYNC = printed("function"), printed("async")
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


class AsyncView(View):
    """A class-based view with asynchronous methods."""

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await ASYNC["sign_up"].__wrapped__(request)
        return response

    post = get


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Home of {request.user}")


urlpatterns = [
    path("", home, name="home"),
    path("accounts/register/", SignUpView.as_view(), name="sign_up"),
    path("accounts/bare/", BareView.as_view()),
    path("accounts/without-email/", WithoutEmailView.as_view()),
    path("accounts/function/", FUNCTION["sign_up"]),
    path("accounts/async/", ASYNC["sign_up"]),
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
