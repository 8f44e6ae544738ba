"""Settings of a process in which many visitors come at once: passwords take their real time."""

from __future__ import annotations

import json
import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES["default"] |= json.loads(os.environ["CROWD_DATABASE"])
ROOT_URLCONF = os.environ["CROWD_URLS"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]

INVITATIONS_PER_USER = None
INVITATION_DELIVERY = "invitation.delivery.dummy.DummyDelivery"
# All visitors of a test come from one address: no limit for a client either.
INVITATION_LIMITS = dict.fromkeys(("inviter", "recipient", "domain", "site", "client"))
