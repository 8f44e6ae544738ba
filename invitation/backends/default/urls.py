"""URLconf for redux's two-step registration behind the gate, the same as ``invitation.urls``."""

from registration.backends.default.urls import urlpatterns as redux_urlpatterns

from invitation import routes
from invitation.backends.default.views import ActivationView, RegistrationView, ResendActivationView
from invitation.backends.redux import gated

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
