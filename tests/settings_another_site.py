"""Settings of a site that differs wherever it may: see ``test_kinds_of_site.py``.

The email address is the login name, there is no ``django.contrib.sites``, each request is one
transaction, every page needs a login unless it says otherwise, and language and time zone are far
from the defaults.
"""

from __future__ import annotations

from tests import settings
from tests.settings import *  # noqa: F403 (that is what this module is for)

AUTH_USER_MODEL = "users.EmailUser"
DATABASES = {"default": settings.database("another_site") | {"ATOMIC_REQUESTS": True}}
if "sqlite3" in DATABASES["default"]["ENGINE"]:
    # What the check W031 asks for.
    DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE"}
INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django.contrib.sites"]
del SITE_ID  # noqa: F821 (comes with the star)
MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
LANGUAGE_CODE = "ar"
TIME_ZONE = "Asia/Kathmandu"
