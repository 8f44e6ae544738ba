"""URLconf for allauth: this app's pages, and the sign-up pages that claim the invitation.

A site includes it before ``allauth.urls``, at the same prefix.
"""

from __future__ import annotations

from typing import Any

from allauth import app_settings
from django.conf import settings
from django.urls import path

from invitation import gate, routes
from invitation.backends.allauth.views import LoginView, SignupByPasskeyView, SignupView

_pages: dict[str, tuple[str, Any]] = {}
if not (app_settings.SOCIALACCOUNT_ONLY or app_settings.HEADLESS_ONLY):
    _pages["account_signup"] = ("signup/", SignupView)
    # The name that this app's pages and the sites of 1.0 know.
    _pages["registration_register"] = ("signup/", SignupView)
    if getattr(settings, "MFA_PASSKEY_SIGNUP_ENABLED", False):
        _pages["account_signup_by_passkey"] = ("signup/passkey/", SignupByPasskeyView)
if gate.knows_guests() and not app_settings.HEADLESS_ONLY:
    _pages["account_login"] = ("login/", LoginView)
if app_settings.SOCIALACCOUNT_ENABLED and not app_settings.HEADLESS_ONLY:
    from invitation.backends.allauth.social_views import SocialSignupView

    _pages["socialaccount_signup"] = ("3rdparty/signup/", SocialSignupView)

urlpatterns = [
    *routes.urlpatterns,
    *gate.all_on_a_site(
        path(address, view.as_view(), name=name) for name, (address, view) in _pages.items()
    ),
]
