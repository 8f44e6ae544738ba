"""Settings of a small site with sign-up views of its own, and no registration app."""

from __future__ import annotations

from tests import settings
from tests.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "registration"]
ROOT_URLCONF = "tests.hosts.plain.urls"
LOGIN_URL = "login"
INVITATION_SIGNUP_URL = "sign_up"
del ACCOUNT_ACTIVATION_DAYS, REGISTRATION_ADMINS  # noqa: F821 (come with the star)
