"""A site where the emailed invitation is the proof of the address."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/", include("invitation.backends.verified.urls")),
]
