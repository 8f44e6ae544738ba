"""A site with the pages of the invitations alone: accounts are made by somebody else."""

from __future__ import annotations

from django.contrib.auth.views import LoginView
from django.urls import include, path

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/login/", LoginView.as_view(template_name="home.html"), name="login"),
    path("accounts/", include("invitation.routes")),
]
