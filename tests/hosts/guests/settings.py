"""Settings of a site with redux, with guests and with invitations."""

from __future__ import annotations

from tests import settings
from tests.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = ["invitation.lazysignup", "tests.lazysignup.shop", *settings.INSTALLED_APPS]
MIDDLEWARE = list(settings.MIDDLEWARE)
MIDDLEWARE.insert(
    MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1,
    "invitation.lazysignup.middleware.LazySignupMiddleware",
)
ROOT_URLCONF = "tests.hosts.guests.urls"
MIGRATION_MODULES = {"users": None}
LAZYSIGNUP_WITH_INVITATION = True
