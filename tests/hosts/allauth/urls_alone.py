"""URLconf of a site with allauth, and without invitations."""

from __future__ import annotations

from django.urls import include, path

from tests.hosts.allauth.urls import home

urlpatterns = [path("", home, name="home"), path("accounts/", include("allauth.urls"))]
