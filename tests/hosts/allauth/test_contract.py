"""The contract of all hosts, through the regular form of django-allauth."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.utils import has_verified_email
from django.core import mail
from django.db.models.signals import post_save
from django.test import Client

from invitation import keys
from tests import scenes
from tests.backends.host_contract import Commit, OneStepHostContract, TwoStepHostContract


class AllauthContract:
    """What the tests know of allauth."""

    register_url = "/accounts/signup/"
    form_template = "account/signup.html"
    unique_email = True
    late_signal = (post_save, {"sender": EmailAddress})

    def is_usable(self, account: Any) -> bool:
        return has_verified_email(account)

    def make_usable(self, account: Any) -> None:
        EmailAddress.objects.filter(user=account).update(verified=True)


class TestMailed(AllauthContract, OneStepHostContract):
    """Whoever comes from the email has proven the address, and is logged in."""

    landing_url = "/"


class TestCopied(AllauthContract, TwoStepHostContract):
    """Whoever has the link from anywhere else confirms the address first."""

    channel = keys.COPY
    landing_url = "/accounts/confirm-email/"
    activated_url = "/accounts/login/"
    clicks = 1

    def activate(self, visitor: Client, commit: Commit) -> Any:
        with commit():
            return visitor.post(scenes.path_in(mail.outbox[0], part="/confirm-email/"))
