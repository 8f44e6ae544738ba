"""URLconf of the site with django-allauth and with guests."""

from __future__ import annotations

from django.urls import include, path

from tests.hosts.allauth.urls import urlpatterns as pages_of_allauth
from tests.lazysignup.urls import put, remember, who

urlpatterns = [
    path("who/", who),
    path("put/", put),
    path("remember/", remember),
    path("convert/", include("invitation.lazysignup.urls")),
    *pages_of_allauth,
]
