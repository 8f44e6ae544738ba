"""URLconf of a site that signs people up in one step."""

from django.urls import include, path

from invitation.backends.account_mails import PasswordResetView

urlpatterns = [
    path("", include("tests.urls_common")),
    path("accounts/", include("invitation.backends.registration5.one_step.urls")),
    path("accounts/", include("django_registration.backends.one_step.urls")),
    path("accounts/password_reset/", PasswordResetView.as_view(), name="password_reset"),
    path("accounts/", include("django.contrib.auth.urls")),
]
