"""Settings of a small site whose people sign up with django-allauth, with all of its doors."""

from __future__ import annotations

from pathlib import Path

from tests import settings
from tests.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = [
    *(app for app in settings.INSTALLED_APPS if app != "registration"),
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.dummy",
]
MIDDLEWARE = [*settings.MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
# Older versions of allauth have no template of this name.
TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [Path(__file__).parent / "templates"]}]
ROOT_URLCONF = "tests.hosts.allauth.urls"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
LOGIN_URL = "account_login"
del ACCOUNT_ACTIVATION_DAYS, REGISTRATION_ADMINS  # noqa: F821 (come with the star)

ACCOUNT_ADAPTER = "invitation.backends.allauth.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "invitation.backends.allauth.SocialAccountAdapter"
INVITATION_VERIFIED_ADDRESSES = "invitation.backends.allauth.verified_addresses"

ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_RATE_LIMITS = False
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
HEADLESS_ONLY = False
SOCIALACCOUNT_PROVIDERS = {"dummy": {}}
