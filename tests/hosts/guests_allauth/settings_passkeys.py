"""Settings of a site with allauth and guests on which people sign up with a passkey."""

from __future__ import annotations

from tests.hosts.guests_allauth.settings import *  # noqa: F403 (that is what this module is for)

MFA_PASSKEY_SIGNUP_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
