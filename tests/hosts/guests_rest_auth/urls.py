"""URLconf of the site with dj-rest-auth and with guests."""

from __future__ import annotations

from django.urls import include, path

from tests.hosts.guests_allauth.urls import urlpatterns as pages_of_guests

urlpatterns = [
    path("auth/registration/", include("dj_rest_auth.registration.urls")),
    path("auth/", include("dj_rest_auth.urls")),
    *pages_of_guests,
]
