"""Settings of a site with dj-rest-auth, with guests and with invitations."""

from __future__ import annotations

from tests.hosts.guests_allauth.settings import *  # noqa: F403 (that is what this module is for)
from tests.hosts.rest_auth import settings as rest_auth_site

INSTALLED_APPS = [
    "invitation.lazysignup",
    "tests.lazysignup.shop",
    *rest_auth_site.INSTALLED_APPS,
]
REST_AUTH = rest_auth_site.REST_AUTH
ROOT_URLCONF = "tests.hosts.guests_rest_auth.urls"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.TokenAuthentication",
    ]
}
