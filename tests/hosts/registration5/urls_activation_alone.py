"""URLconf with the host alone, for the budget."""

from django.urls import include, path

urlpatterns = [path("accounts/", include("django_registration.backends.activation.urls"))]
