"""A site that registers with a backend class."""

from __future__ import annotations

from django.urls import include, path

from tests.urls_common import urlpatterns as common

urlpatterns = [path("accounts/", include("invitation.backends.classic.urls")), *common]
