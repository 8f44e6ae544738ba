"""URLconf of the pages for guests, with the names of lazysignup and of django-guest-user."""

from __future__ import annotations

from django.urls import path
from django.views.generic import TemplateView

from invitation.lazysignup import decorators, guests, views

_convert = views.ConvertView.as_view()
_ready = TemplateView.as_view(template_name="lazysignup/done.html", extra_context=guests.LOOK)
_done = decorators.regular_user_required(_ready)

urlpatterns = [
    path("", _convert, name="lazysignup_convert"),
    path("done/", _done, name="lazysignup_convert_done"),
    path("confirm/<str:token>/", views.ConfirmView.as_view(), name="lazysignup_confirm"),
    path("look-around/", views.LookAroundView.as_view(), name="lazysignup_look_around"),
    path("", _convert, name="guest_user_convert"),
    path("success/", _done, name="guest_user_convert_success"),
]
