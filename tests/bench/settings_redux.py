"""Settings of a site with redux alone, whose start is compared with that of ours."""

from __future__ import annotations

from tests import settings
from tests.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = [
    app for app in settings.INSTALLED_APPS if app not in ("invitation", "tests.users")
]
ROOT_URLCONF = "tests.bench.urls_redux"
