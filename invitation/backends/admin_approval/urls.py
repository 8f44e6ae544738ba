"""URLconf for redux's registration with approval by an administrator, behind the gate."""

from django.contrib.auth.decorators import permission_required
from registration.backends.admin_approval.urls import urlpatterns as redux_urlpatterns

from invitation import routes
from invitation.backends.admin_approval import views
from invitation.backends.redux import gated

#: Redux requires the same permission.
superusers_only = permission_required("is_superuser")

urlpatterns = [
    *routes.urlpatterns,
    *gated(
        redux_urlpatterns,
        {
            "registration_register": views.RegistrationView.as_view(),
            "registration_resend_activation": views.ResendActivationView.as_view(),
            "registration_activate": views.ActivationView.as_view(),
            "registration_admin_approve": superusers_only(views.ApprovalView.as_view()),
        },
    ),
]
