"""Settings of a process that a test starts: its database, and its mail server with short waits."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, django

DATABASES["default"]["NAME"] = os.environ["FAULTS_DATABASE"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {"timeout": 60}

INVITATION_DELIVERY = os.environ.get("FAULTS_DELIVERY", "tests.faults.hasty.HastyDelivery")
_BACKEND, _PORT = "django.core.mail.backends.smtp.EmailBackend", int(os.environ["FAULTS_PORT"])
_TLS = "FAULTS_TLS" in os.environ
_LOGIN = "FAULTS_LOGIN" in os.environ
if django.VERSION >= (6, 1):
    _OPTIONS = {"host": "127.0.0.1", "port": _PORT, "use_tls": _TLS}
    _OPTIONS |= {"username": "site", "password": "secret"} if _LOGIN else {}
    MAILERS = {"default": {"BACKEND": _BACKEND, "OPTIONS": _OPTIONS}}
else:
    EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT, EMAIL_USE_TLS = _BACKEND, "127.0.0.1", _PORT, _TLS
    if _LOGIN:
        EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = "site", "secret"
LOGGING = {"version": 1}
