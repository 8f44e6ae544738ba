"""URLconf for the one-step workflow of django-registration behind the invitation gate."""

from django_registration.backends.one_step import urls as host

from invitation import routes
from invitation.backends.registration5.base import gated, register_at
from invitation.backends.registration5.one_step.views import RegistrationView

urlpatterns = [
    *routes.urlpatterns,
    *gated(register_at(RegistrationView.as_view()), host.urlpatterns),
]
