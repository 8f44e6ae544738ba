"""Settings of a site with every app that signs people up."""

from __future__ import annotations

from tests import settings
from tests.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = [
    # The label of redux is that of an app of dj-rest-auth, too.
    *(app for app in settings.INSTALLED_APPS if app != "registration"),
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.socialaccount",
    "rest_framework",
    "rest_framework.authtoken",
    "dj_rest_auth",
    "dj_rest_auth.registration",
    "djoser",
    "guest_user",
]
MIDDLEWARE = [*settings.MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
ROOT_URLCONF = "tests.hosts.doors.urls"
ACCOUNT_ADAPTER = "invitation.backends.allauth.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "invitation.backends.allauth.SocialAccountAdapter"
