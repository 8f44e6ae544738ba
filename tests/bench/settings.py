"""Settings of the site that is measured: that of the tests, with the floor beside it."""

from __future__ import annotations

import os

from tests import settings
from tests.settings import *  # noqa: F403 (that is what this module is for)

#: Larger than anything that is measured, yet a limit: what is limited is counted.
MANY = 10**9

ROOT_URLCONF = "tests.bench.urls"
INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.bench.floor"]
ALLOWED_HOSTS = ["testserver", "example.com"]
INVITATIONS_PER_USER = MANY
INVITATION_LIMITS = dict.fromkeys(("inviter", "recipient", "domain", "site", "client"), MANY)

DATABASES = {"default": settings.database(os.environ.get("INVITATION_BENCH_DATABASE", "bench"))}
if "sqlite3" in DATABASES["default"]["ENGINE"]:
    # A file, as on a site, and what docs/reference/databases.rst asks for. Neither database waits
    # for the disk: else ratios would tell more about the disk.
    DATABASES["default"]["NAME"] = os.environ.get("INVITATION_BENCH_DATABASE", ":memory:")
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
    }
else:
    # Threads and commands of a site keep their connections as well.
    DATABASES["default"]["CONN_MAX_AGE"] = None
# Redux alone stands beside ours, to be compared with.
SILENCED_SYSTEM_CHECKS = ["invitation.E017"]
