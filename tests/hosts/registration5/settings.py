"""Settings of a small site whose people sign up with django-registration 5, in two steps."""

from __future__ import annotations

from tests import settings
from tests.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = [
    "django_registration" if app == "registration" else app for app in settings.INSTALLED_APPS
]
ROOT_URLCONF = "tests.hosts.registration5.urls_activation"
LOGIN_URL = "login"
del REGISTRATION_ADMINS  # noqa: F821 (comes with the star)
