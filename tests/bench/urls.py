"""The site that is measured: ours, redux alone, and the floor."""

from __future__ import annotations

from django.urls import include, path
from registration.backends.simple.views import RegistrationView

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/", include("invitation.backends.simple.urls")),
    path("plain/register/", RegistrationView.as_view(success_url="home")),
    path("floor/", include("tests.bench.floor.urls")),
]
