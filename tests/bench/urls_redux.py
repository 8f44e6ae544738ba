"""A site with redux alone."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/", include("registration.backends.default.urls")),
]
