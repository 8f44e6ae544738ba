"""The emailed invitation takes the place of the activation email."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.core import mail
from django.test import Client
from registration.backends.default.views import RegistrationView

from invitation import keys
from invitation.models import InvitationKey
from tests import scenes
from tests.backends.contract import OneStepContract, TwoStepContract
from tests.scenes import REGISTER, answers


@pytest.mark.anywhere
class TestVerified(OneStepContract):
    urlconf = "tests.urls_verified"
    host_view = RegistrationView

    def test_another_address_gets_an_activation_mail_and_no_login(
        self, settings: Any, visitor: Client, commit: Callable[..., Any]
    ) -> None:
        settings.INVITATION_EMAIL_POLICY = "any"
        with commit():
            response = visitor.post(REGISTER, answers("other@example.com"))
        assert response["Location"] == "/accounts/register/complete/"
        assert [sent.to for sent in mail.outbox] == [["other@example.com"]]
        assert SESSION_KEY not in visitor.session

    def test_the_site_chooses_where_the_newcomer_is_led(
        self, settings: Any, visitor: Client
    ) -> None:
        settings.SIMPLE_BACKEND_REDIRECT_URL = "/welcome/"
        assert visitor.post(REGISTER, answers())["Location"] == "/welcome/"

    def test_an_invitation_addressed_to_nobody_proves_nothing(self, member: Any) -> None:
        invitation = InvitationKey.objects.create_invitation(member)
        visitor = scenes.visit(invitation, channel=keys.MAIL)
        visitor.post(REGISTER, answers())
        assert not scenes.accounts().get().is_active


@pytest.mark.anywhere
class TestVerifiedWithACopiedLink(TwoStepContract):
    """Whoever has the link from anywhere but the email registers in two steps."""

    urlconf = "tests.urls_verified"
    host_view = RegistrationView
    channel = keys.COPY
