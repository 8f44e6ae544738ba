"""URLconf for redux's one-step registration behind the invitation gate."""

from registration.backends.simple.urls import urlpatterns as redux_urlpatterns

from invitation import routes
from invitation.backends.redux import gated
from invitation.backends.simple.views import RegistrationView

urlpatterns = [
    *routes.urlpatterns,
    *gated(redux_urlpatterns, {"registration_register": RegistrationView.as_view()}),
]
