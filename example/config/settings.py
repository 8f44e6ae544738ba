"""Set up the seed library, a small site that neighbours join by invitation."""

import os
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent

# Folder of what the site writes: the database and the emails.
VAR_DIR = Path(os.environ.get("SEEDLIBRARY_VAR", BASE_DIR / "var"))
VAR_DIR.mkdir(parents=True, exist_ok=True)

# Which app signs people up: "redux" or "allauth". `make demo HOST=allauth` sets it.
HOST = os.environ.get("SEEDLIBRARY_HOST", "redux")
if HOST not in ("redux", "allauth"):
    raise ImproperlyConfigured(f'HOST is "{HOST}", but it must be "redux" or "allauth".')

# As in production, so that the site's own error pages are shown. DJANGO_DEBUG=1 shows tracebacks.
DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only-for-this-example-and-no-secret-at-all")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "seedlibrary",
    "invitation.lazysignup",
    "invitation",
    "registration",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.sites",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "seedlibrary.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "invitation.lazysignup.middleware.LazySignupMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "seedlibrary.demonstration.accounts",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": VAR_DIR / "seedlibrary.sqlite3",
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL",
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login" if HOST == "allauth" else "auth_login"
LOGIN_REDIRECT_URL = "members"

# Whether the log-in page shows accounts that need no password: "manage.py demo" sets it.
SEEDLIBRARY_DEMO = False

SITE_ID = 1
LANGUAGE_CODE = "en-gb"
# The pages follow the browser's language. An inviter chooses the language of the email.
LANGUAGES = [
    ("en-gb", "British English"),
    ("de", "German"),
    ("es", "Spanish"),
    ("fr", "French"),
]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Europe/London"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"

# No email leaves this computer: each lands in a folder, and the page "Inbox" shows it.
MAIL_DIR = VAR_DIR / "mail"
DEFAULT_FROM_EMAIL = "Linden Row Seed Library <library@lindenrow.example>"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "seedlibrary.mailbox.EmailBackend"}}
else:
    EMAIL_BACKEND = "seedlibrary.mailbox.EmailBackend"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {
        "django.request": {"handlers": ["console"], "level": "ERROR"},
        "invitation": {"handlers": ["console"], "level": "WARNING"},
    },
}

if HOST == "allauth":
    INSTALLED_APPS.remove("registration")
    INSTALLED_APPS += [
        "allauth",
        "allauth.account",
        "allauth.socialaccount",
        "allauth.socialaccount.providers.dummy",
    ]
    MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
    TEMPLATES[0]["DIRS"].insert(0, BASE_DIR / "templates_allauth")
    AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
    ACCOUNT_ADAPTER = "invitation.backends.allauth.AccountAdapter"
    SOCIALACCOUNT_ADAPTER = "invitation.backends.allauth.SocialAccountAdapter"
    INVITATION_VERIFIED_ADDRESSES = "invitation.backends.allauth.verified_addresses"
    # People log in with their address. Who came with the emailed link has proven it already.
    ACCOUNT_LOGIN_METHODS = {"email"}
    ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
    ACCOUNT_EMAIL_VERIFICATION = "mandatory"
else:
    # django-registration-redux: days to confirm a new account's address.
    ACCOUNT_ACTIVATION_DAYS = 7

# django-invitation
ACCOUNT_INVITATION_DAYS = 14
INVITATION_EXPIRY_CHOICES = [3, 14, 30]
INVITATIONS_PER_USER = 5
INVITATION_RETENTION_DAYS = 90
INVITATION_LISTS = {"rows": 2000}
INVITATION_LIMITS = {"inviter": 2500}  # a list of 2,000 people goes out on one day
# Nobody invites a robot, or an address that looks like one of the librarians.
INVITATION_BLOCKED_RECIPIENTS = ["noreply@*", "staff.lindenrow.example"]
INVITATION_DESTINATIONS = [
    ("/", _("The shelf with the seeds")),
    ("/members/", _("The members' page")),
]
# "manage.py sendinvitations" in cron sends reminders. Inviters get an email about each outcome.
INVITATION_REMINDER_DAYS = 3
INVITATION_NOTIFY_INVITER = ["accepted", "declined", "expired"]
# Guests can fill a basket before they sign up, and invited people can look around first.
LAZYSIGNUP_DAYS = 14
LAZYSIGNUP_WITH_INVITATION = True
INVITATION_BASE_URL = os.environ.get("SITE_URL", "http://127.0.0.1:8000")
