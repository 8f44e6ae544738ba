"""Include this to gate redux's registration with approval by an administrator."""

from registration.backends.admin_approval.urls import urlpatterns as redux_urlpatterns

from invitation import routes
from invitation.backends.admin_approval.views import RegistrationView
from invitation.backends.redux import gated

urlpatterns = [*routes.urlpatterns, *gated(redux_urlpatterns, RegistrationView.as_view())]
