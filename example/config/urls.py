"""Say which address leads where."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

if settings.HOST == "allauth":
    accounts = [
        # Guests sign up on allauth's page, too, so that it knows their addresses.
        path("guests/", RedirectView.as_view(pattern_name="account_signup", query_string=True)),
        path("accounts/", include("invitation.backends.allauth.urls")),
        path("accounts/", include("allauth.urls")),
    ]
else:
    accounts = [path("accounts/", include("invitation.urls"))]

urlpatterns = [
    path("", include("seedlibrary.urls")),
    *accounts,
    path("guests/", include("invitation.lazysignup.urls")),
    path("admin/", admin.site.urls),
]
