"""URLconf for allauth: this app's pages, and the sign-up pages that claim the invitation.

A site includes it before ``allauth.urls``, at the same prefix.
"""

from __future__ import annotations

from allauth import app_settings
from django.conf import settings
from django.urls import path

from invitation import gate, routes
from invitation.backends.allauth.views import SignupByPasskeyView, SignupView

_pages = []
if not (app_settings.SOCIALACCOUNT_ONLY or app_settings.HEADLESS_ONLY):
    _pages += [
        path("signup/", SignupView.as_view(), name="account_signup"),
        # The name that this app's pages and the sites of 1.0 know.
        path("signup/", SignupView.as_view(), name="registration_register"),
    ]
    if getattr(settings, "MFA_PASSKEY_SIGNUP_ENABLED", False):
        passkey = SignupByPasskeyView.as_view()
        _pages.append(path("signup/passkey/", passkey, name="account_signup_by_passkey"))
if app_settings.SOCIALACCOUNT_ENABLED and not app_settings.HEADLESS_ONLY:
    from invitation.backends.allauth.social_views import SocialSignupView

    social = SocialSignupView.as_view()
    _pages.append(path("3rdparty/signup/", social, name="socialaccount_signup"))

urlpatterns = [*routes.urlpatterns, *gate.all_on_a_site(_pages)]
