"""Settings of the site whose emails are sent by workers, which are processes of their own.

The tests and the workers share one database. The tests make it and tell the workers its name by
``INVITATION_TEST_DB_NAME``, and in this way also the delivery, the broker and the mail server's
port.
"""

from __future__ import annotations

import os
import tempfile

import django

from tests.settings import *  # noqa: F403

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    DATABASES["default"] = {  # noqa: F405
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "unused",
        # In memory, it would be the tests' alone.
        "TEST": {"NAME": os.path.join(tempfile.gettempdir(), f"invitation-{os.getpid()}.sqlite3")},
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30},
    }
if "INVITATION_TEST_DB_NAME" in os.environ:
    DATABASES["default"]["NAME"] = os.environ["INVITATION_TEST_DB_NAME"]  # noqa: F405

INSTALLED_APPS += ["django_tasks_db"]  # noqa: F405
if django.VERSION < (6, 0):
    INSTALLED_APPS += ["django_tasks"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

CELERY_BROKER_URL = os.environ.get("INVITATION_TEST_BROKER", "memory://")

INVITATION_DELIVERY = os.environ.get(
    "INVITATION_TEST_DELIVERY", "invitation.delivery.outbox.OutboxDelivery"
)

SMTP = "django.core.mail.backends.smtp.EmailBackend"
SMTP_PORT = int(os.environ.get("INVITATION_TEST_SMTP_PORT", "1"))
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": SMTP, "OPTIONS": {"host": "127.0.0.1", "port": SMTP_PORT}}}
else:
    EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT = SMTP, "127.0.0.1", SMTP_PORT
