"""A site with the order wrong: redux's own register/ comes first, so anybody registers."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/", include("registration.backends.default.urls")),
    path("accounts/", include("invitation.urls")),
]
