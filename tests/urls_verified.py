"""A site where the mailed invitation is the proof of the address."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/", include("invitation.backends.verified.urls")),
]
