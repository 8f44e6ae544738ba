"""URLconf of the site with dj-rest-auth."""

from __future__ import annotations

from dj_rest_auth.registration.serializers import RegisterSerializer
from dj_rest_auth.registration.views import RegisterView
from django.urls import include, path

from tests.hosts.allauth import urls

urlpatterns = [
    path("auth/registration/", include("dj_rest_auth.registration.urls")),
    path("auth/", include("dj_rest_auth.urls")),
    # A door that the site forgot: the adapter stands behind it.
    path("forgotten/", RegisterView.as_view(serializer_class=RegisterSerializer)),
    *urls.urlpatterns,
]
