"""Include this to gate redux's one-step registration."""

from django.conf import settings
from registration.backends.simple.urls import urlpatterns as redux_urlpatterns

from invitation import routes
from invitation.backends.redux import gated
from invitation.backends.simple.views import RegistrationView

register = RegistrationView.as_view(
    success_url=getattr(settings, "SIMPLE_BACKEND_REDIRECT_URL", "/"),
)
urlpatterns = [*routes.urlpatterns, *gated(redux_urlpatterns, register)]
