"""The pages that every test site has."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path


def home(request: HttpRequest) -> HttpResponse:
    """Answer with a page that says who is looking at it."""
    return HttpResponse(f"Home of {request.user}")


urlpatterns = [
    path("", home, name="home"),
    path("admin/", admin.site.urls),
]
