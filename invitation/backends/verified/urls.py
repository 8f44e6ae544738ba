"""URLconf for redux's registration where the emailed invitation replaces the activation email."""

from registration.backends.default.urls import urlpatterns as redux_urlpatterns

from invitation import routes
from invitation.backends.default.views import ActivationView, ResendActivationView
from invitation.backends.redux import gated
from invitation.backends.verified.views import RegistrationView

urlpatterns = [
    *routes.urlpatterns,
    *gated(
        redux_urlpatterns,
        {
            "registration_register": RegistrationView.as_view(),
            "registration_resend_activation": ResendActivationView.as_view(),
            "registration_activate": ActivationView.as_view(),
        },
    ),
]
