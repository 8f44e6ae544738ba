"""Settings of the test site: what a small site with redux's two-step registration has.

``INVITATION_TEST_DB`` chooses the database: ``sqlite`` (default), ``postgresql`` or ``mariadb``.
The other two are reached at ``INVITATION_TEST_DB_HOST`` and ``INVITATION_TEST_DB_PORT``, with
``INVITATION_TEST_DB_USER`` and ``INVITATION_TEST_DB_PASSWORD``; ``make test-services`` starts both
servers and sets all of these. ``INVITATION_TEST_ISOLATION`` is an isolation level in words, such as
``serializable``; without it, it is Django's own.
"""

from __future__ import annotations

import os
from typing import Any

import django

ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "postgresql": "django.db.backends.postgresql",
    "mariadb": "django.db.backends.mysql",
}


def database(name: str = "invitation") -> dict[str, Any]:
    """Return the settings of the chosen database; the tests' own is called ``test_<name>``."""
    kind = os.environ.get("INVITATION_TEST_DB", "sqlite")
    if kind == "sqlite":
        return {"ENGINE": ENGINES[kind], "NAME": ":memory:"}
    settings: dict[str, Any] = {
        "ENGINE": ENGINES[kind],
        "NAME": name,
        "HOST": os.environ.get("INVITATION_TEST_DB_HOST", "127.0.0.1"),
        "PORT": os.environ.get("INVITATION_TEST_DB_PORT", ""),
        "USER": os.environ.get("INVITATION_TEST_DB_USER", ""),
        "PASSWORD": os.environ.get("INVITATION_TEST_DB_PASSWORD", ""),
    }
    level = os.environ.get("INVITATION_TEST_ISOLATION", "read committed")
    if kind == "postgresql":
        from django.db.backends.postgresql.psycopg_any import IsolationLevel

        settings["OPTIONS"] = {"isolation_level": IsolationLevel[level.upper().replace(" ", "_")]}
    if kind == "mariadb":
        settings["OPTIONS"] = {"charset": "utf8mb4", "isolation_level": level}
        settings["TEST"] = {"CHARSET": "utf8mb4"}
    return settings


SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["example.com"]
ROOT_URLCONF = "tests.urls"
SITE_ID = 1

DATABASES = {"default": database()}

INSTALLED_APPS = [
    "invitation",
    "registration",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.sites",
    "django.contrib.staticfiles",
    "tests.users",
]
# Their tables are made from the models: no migration to keep in step.
MIGRATION_MODULES = {"users": None}

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# A real hasher would be most of the tests' time.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"

DEFAULT_FROM_EMAIL = "site@example.com"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
else:
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

ACCOUNT_ACTIVATION_DAYS = 7
# Without it redux warns at each request for approval.
REGISTRATION_ADMINS = [("Approver", "approver@example.com")]
