"""Say which address leads where."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("seedlibrary.urls")),
    path("accounts/", include("invitation.urls")),
    path("admin/", admin.site.urls),
]
