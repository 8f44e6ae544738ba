"""A site as 1.0 taught it: ours before the registration URLs, whose register/ is gated so."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/", include("invitation.urls")),
    path("accounts/", include("registration.backends.default.urls")),
]
