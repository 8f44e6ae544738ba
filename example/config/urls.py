"""Say which address leads where."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

if settings.HOST == "allauth":
    accounts = [
        path("accounts/", include("invitation.backends.allauth.urls")),
        path("accounts/", include("allauth.urls")),
    ]
else:
    accounts = [path("accounts/", include("invitation.urls"))]

urlpatterns = [
    path("", include("seedlibrary.urls")),
    path("guests/", include("invitation.lazysignup.urls")),
    *accounts,
    path("admin/", admin.site.urls),
]
