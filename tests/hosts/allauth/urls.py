"""URLconf of the site with django-allauth."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse("home")


urlpatterns = [
    path("", home, name="home"),
    path("accounts/", include("invitation.backends.allauth.urls")),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("invitation.backends.allauth.headless_urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("admin/", admin.site.urls),
]
