"""Settings of a site that registers nobody: redux is installed, but no app of the site.

``test_kinds_of_site.py`` runs ``test_site.py`` with these settings, in a process of its own.
"""

from __future__ import annotations

from tests import settings
from tests.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "registration"]
ROOT_URLCONF = "tests.without_redux.urls"
del ACCOUNT_ACTIVATION_DAYS, REGISTRATION_ADMINS  # noqa: F821 (come with the star)
