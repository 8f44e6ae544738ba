"""A site whose accounts are active at once."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/", include("invitation.backends.simple.urls")),
]
