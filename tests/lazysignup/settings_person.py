"""Settings of a site with guests whose address is unique beside the login name."""

from __future__ import annotations

from tests.lazysignup import settings as guests
from tests.lazysignup.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = [*guests.INSTALLED_APPS, "tests.lazysignup.persons"]
MIGRATION_MODULES = {"users": None, "persons": None}
AUTH_USER_MODEL = "persons.Person"
