"""URLconf of the site."""

from __future__ import annotations

from django.urls import include, path

from tests.lazysignup.urls import put, remember, who

urlpatterns = [
    path("", who),
    path("who/", who),
    path("put/", put),
    path("remember/", remember),
    path("convert/", include("invitation.lazysignup.urls")),
    path("accounts/", include("allauth.urls")),
]
