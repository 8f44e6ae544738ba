"""A site whose administrators approve each account."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/", include("invitation.backends.admin_approval.urls")),
]
