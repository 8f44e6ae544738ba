"""Settings of a site with django-allauth and with guests, but without invitations."""

from __future__ import annotations

from tests.hosts.guests_allauth import settings as invited_site
from tests.hosts.guests_allauth.settings import *  # noqa: F403 (that is what this module is for)

INSTALLED_APPS = [app for app in invited_site.INSTALLED_APPS if app != "invitation"]
ROOT_URLCONF = "tests.hosts.guests_alone.urls"
del ACCOUNT_ADAPTER, SOCIALACCOUNT_ADAPTER, INVITATION_VERIFIED_ADDRESSES  # noqa: F821 (the star)
