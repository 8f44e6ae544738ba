"""Settings of a site with django-registration 5, with guests and with invitations."""

from __future__ import annotations

from tests.hosts.registration5 import settings as invited_site
from tests.hosts.registration5.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = ["invitation.lazysignup", "tests.lazysignup.shop", *invited_site.INSTALLED_APPS]
MIDDLEWARE = list(invited_site.MIDDLEWARE)
MIDDLEWARE.insert(
    MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1,
    "invitation.lazysignup.middleware.LazySignupMiddleware",
)
ROOT_URLCONF = "tests.hosts.registration5.with_guests.urls"
MIGRATION_MODULES = {"users": None, "shop": None}
