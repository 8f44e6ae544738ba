"""Settings of a small site whose people sign up through dj-rest-auth, over allauth."""

from __future__ import annotations

from tests.hosts.allauth.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = [
    *INSTALLED_APPS,  # noqa: F405 (comes with the star)
    "rest_framework",
    "rest_framework.authtoken",
    "dj_rest_auth",
    "dj_rest_auth.registration",
]
ROOT_URLCONF = "tests.hosts.rest_auth.urls"
REST_AUTH = {"REGISTER_SERIALIZER": "invitation.backends.rest_auth.RegisterSerializer"}
