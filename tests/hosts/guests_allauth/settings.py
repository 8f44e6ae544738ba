"""Settings of a site with django-allauth, with guests and with invitations."""

from __future__ import annotations

from tests.hosts.allauth import settings as allauth_site
from tests.hosts.allauth.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = ["invitation.lazysignup", "tests.lazysignup.shop", *allauth_site.INSTALLED_APPS]
MIDDLEWARE = list(allauth_site.MIDDLEWARE)
MIDDLEWARE.insert(
    MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1,
    "invitation.lazysignup.middleware.LazySignupMiddleware",
)
ROOT_URLCONF = "tests.hosts.guests_allauth.urls"
MIGRATION_MODULES = {"users": None, "shop": None}
LAZYSIGNUP_WITH_INVITATION = True
