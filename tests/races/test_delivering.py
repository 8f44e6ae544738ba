"""Many processes empty one outbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from invitation import flows
from invitation.exceptions import MailTooSoon
from invitation.models import InvitationEmail, InvitationKey
from tests.factories import make_invitation, make_mail, make_user
from tests.races.arena import Arena, count
from tests.races.people import fresh

pytestmark = pytest.mark.django_db(transaction=True)
