"""URLconf for the activation workflow of django-registration behind the invitation gate."""

from django.urls import path
from django_registration.backends.activation import urls as host

from invitation import routes
from invitation.backends.registration5.activation.views import (
    ActivationView,
    RegistrationView,
    ResendActivationView,
)
from invitation.backends.registration5.base import gated, register_at

urlpatterns = [
    *routes.urlpatterns,
    *gated(
        [
            *register_at(RegistrationView.as_view()),
            path("activate/", ActivationView.as_view(), name="django_registration_activate"),
            # The host has no such page. Its name is the one that our pages link to.
            path(
                "activate/resend/",
                ResendActivationView.as_view(),
                name="registration_resend_activation",
            ),
        ],
        host.urlpatterns,
    ),
]
