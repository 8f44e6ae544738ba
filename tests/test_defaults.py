"""The story of an expired invitation, with the defaults and the daily cleanup of the README."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth import SESSION_KEY
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from invitation.models import InvitationKey
from tests import scenes
from tests.scenes import INVITE, NEWCOMER, REGISTER, RENEWAL, answers

pytestmark = pytest.mark.django_db
Commit = Callable[..., Any]
LIST = "/accounts/invitations/"


def days(number: int, commit: Commit) -> Any:
    """Let days pass, with a cleanup on each, and return the clock on the last one."""
    start = timezone.now()
    for day in range(1, number + 1):
        with time_machine.travel(start + timedelta(days=day), tick=False), commit():
            call_command("cleanupinvitation", verbosity=0)
    return time_machine.travel(start + timedelta(days=number), tick=False)


def test_an_expired_invitation_says_so_and_is_renewed(
    settings: Any, member: Any, member_client: Client, commit: Commit
) -> None:
    settings.ROOT_URLCONF = "tests.urls_verified"
    with commit():
        member_client.post(INVITE, {"email": NEWCOMER})
    link = scenes.path_in(mail.outbox[0], part="/invited/")
    with days(20, commit):
        # The invited person is too late, and asks for a new one.
        newcomer = Client()
        assert scenes.flags(newcomer.get(link)) == {"expired_key"}
        assert newcomer.get(RENEWAL).status_code == 200
        with commit():
            newcomer.post(RENEWAL)
        assert mail.outbox[1].to == [member.email]
        # The inviter sees it in the list, and follows the link in the email.
        member_client.force_login(member)
        assert NEWCOMER in member_client.get(LIST).content.decode()
        page = scenes.path_in(mail.outbox[1], part="/renew/")
        assert member_client.get(page).status_code == 200
        with commit():
            member_client.post(page)
        assert mail.outbox[2].to == [NEWCOMER]
        # The same link works again.
        assert newcomer.get(scenes.path_in(mail.outbox[2], part="/invited/")).status_code == 302
        assert newcomer.get(link).status_code == 302
        with commit():
            newcomer.post(REGISTER, answers())
        assert newcomer.session[SESSION_KEY] == str(scenes.accounts().get().pk)


def test_it_is_kept_for_thirty_days(member_client: Client, commit: Commit) -> None:
    member_client.post(INVITE, {"email": NEWCOMER})
    with days(37, commit):
        assert InvitationKey.objects.get().status == "expired"
    with days(38, commit):
        assert not InvitationKey.objects.exists()
