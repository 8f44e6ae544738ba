"""Settings of a site with guests whose login name is an email address."""

from __future__ import annotations

from tests.lazysignup.settings import *  # noqa: F403 (that is what this module is for)

AUTH_USER_MODEL = "users.EmailUser"
