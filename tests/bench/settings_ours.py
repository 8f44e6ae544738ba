"""Settings of the same site with this app."""

from __future__ import annotations

from tests.bench import settings_redux
from tests.bench.settings_redux import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = ["invitation", *settings_redux.INSTALLED_APPS]
ROOT_URLCONF = "tests.urls"
