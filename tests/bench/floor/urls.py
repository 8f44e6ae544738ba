from __future__ import annotations

from django.urls import path

from tests.bench.floor import views

urlpatterns = [
    path("invite/", views.invite),
    path("<str:key>/", views.opened),
]
