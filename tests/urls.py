"""A site with the one include that the documentation teaches: redux's two-step registration."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/", include("invitation.urls")),
]
