"""Settings of a site with guests and without invitations."""

from __future__ import annotations

from tests import settings
from tests.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = [
    "invitation.lazysignup",
    "tests.lazysignup.shop",
    *(app for app in settings.INSTALLED_APPS if app not in ("invitation", "registration")),
]
MIDDLEWARE = list(settings.MIDDLEWARE)
MIDDLEWARE.insert(
    MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1,
    "invitation.lazysignup.middleware.LazySignupMiddleware",
)
ROOT_URLCONF = "tests.lazysignup.urls"
del ACCOUNT_ACTIVATION_DAYS, REGISTRATION_ADMINS  # noqa: F821 (come with the star)
MIGRATION_MODULES = {"users": None}
