"""URLconf of the site, with both workflows."""

from __future__ import annotations

from django.urls import include, path

from tests.lazysignup.urls import put, remember, who

urlpatterns = [
    path("", who, name="home"),
    path("who/", who),
    path("put/", put),
    path("remember/", remember),
    path("one/", include("invitation.backends.registration5.one_step.urls")),
    path("two/", include("invitation.backends.registration5.activation.urls")),
]
