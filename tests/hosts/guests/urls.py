"""URLconf of the site: each host under a prefix of its own."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import include, path
from django.views.generic import CreateView

from invitation import gate
from invitation.backends.classic.invitation import InvitationBackend
from invitation.backends.classic.simple import SimpleBackend
from invitation.backends.classic.urls import patterns
from invitation.backends.plain import InvitationRequiredMixin, form_arguments, invitation_required
from tests.lazysignup.urls import put, remember, who


class SignUpForm(UserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = get_user_model()
        fields = ("username", "email")


class SignUpView(InvitationRequiredMixin, CreateView):  # type: ignore[type-arg]
    form_class = SignUpForm
    template_name = "registration/registration_form.html"
    success_url = "/who/"


@invitation_required
def sign_up(request: HttpRequest) -> HttpResponseBase:
    form = SignUpForm(request.POST or None, **form_arguments(request, SignUpForm))
    if request.method == "POST" and form.is_valid():
        with gate.claiming(request, form.cleaned_data["email"]) as claim:
            claim.user = form.save()
        return redirect("/who/")
    return render(request, "registration/registration_form.html", {"form": form})


@invitation_required
def other(request: HttpRequest) -> HttpResponseBase:
    """Make an account that is not that of the guest."""
    with gate.claiming(request, request.POST["email"]) as claim:
        claim.user = get_user_model().objects.create_user("newcomer", request.POST["email"])
    return redirect("/who/")


OneStep = InvitationBackend.wrapping(SimpleBackend)
pages: dict[str, Any] = {"who": who, "put": put, "remember": remember}


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse("home")


urlpatterns = [
    path("", home, name="home"),
    path("login/", LoginView.as_view(template_name="admin/login.html"), name="login"),
    *(path(f"{name}/", view, name=name) for name, view in pages.items()),
    path("plain/register/", SignUpView.as_view()),
    path("function/register/", sign_up),
    path("other/register/", other),
    path("classic/", include(patterns("invitation.backends.classic.InvitationBackend"))),
    path("classic-simple/", include(patterns(OneStep, activation=False))),
    path("default/", include("invitation.backends.default.urls")),
    path("verified/", include("invitation.backends.verified.urls")),
    path("approval/", include("invitation.backends.admin_approval.urls")),
    path("convert/", include("invitation.lazysignup.urls")),
    path("simple/", include("invitation.backends.simple.urls")),
]
