"""Settings of a site that gunicorn serves; what goes wrong is written to its log."""

from __future__ import annotations

import os

from tests.faults.settings_crowd import *  # noqa: F403

PASSWORD_HASHERS = [os.environ["CROWD_HASHER"]]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["console"], "level": "ERROR"}},
}
