"""URLconf for allauth's API: the addresses that sign people up.

A site includes it before ``allauth.headless.urls``, at the same prefix.
"""

from __future__ import annotations

from typing import Any

from allauth import app_settings
from allauth.headless import app_settings as headless_settings
from allauth.headless.constants import Client
from django.conf import settings
from django.urls import path

from invitation import gate
from invitation.backends.allauth.headless import LoginView, SignupView

_views: dict[str, Any] = {}
if not app_settings.SOCIALACCOUNT_ONLY:
    _views["auth/signup"] = SignupView
    if gate.knows_guests():
        _views["auth/login"] = LoginView
if app_settings.SOCIALACCOUNT_ENABLED:
    from invitation.backends.allauth.headless_social import ProviderSignupView

    _views["auth/provider/signup"] = ProviderSignupView
if app_settings.MFA_ENABLED and getattr(settings, "MFA_PASSKEY_SIGNUP_ENABLED", False):
    from invitation.backends.allauth.headless_passkeys import SignupWebAuthnView

    _views["auth/webauthn/signup"] = SignupWebAuthnView

urlpatterns = gate.all_on_a_site(
    path(f"{client}/v1/{address}", view.as_api_view(client=Client(client)))
    for client in headless_settings.CLIENTS
    for address, view in _views.items()
)
