"""A site that registers with a backend class of 1.0's time behind the gate."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/", include("invitation.backends.classic.urls")),
]
