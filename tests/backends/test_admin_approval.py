"""Redux's registration with approval behind the gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.db.models.signals import pre_save
from django.test import Client
from registration.backends.admin_approval.views import RegistrationView
from registration.models import SupervisedRegistrationProfile

from invitation import signals
from invitation.models import Acceptance
from tests import scenes
from tests.backends.contract import TwoStepContract


@pytest.mark.anywhere
class TestAdminApproval(TwoStepContract):
    urlconf = "tests.urls_admin_approval"
    host_view = RegistrationView
    usable_when_activated = False

    @pytest.fixture
    def approver(self, db: None) -> Client:
        """Return the browser of an administrator."""
        client = Client()
        client.force_login(scenes.make_user("boss", is_staff=True, is_superuser=True))
        return client

    def test_the_profile_is_the_supervised_one(self, registered: Client) -> None:
        assert SupervisedRegistrationProfile.objects.get().user == scenes.accounts().get()

    def test_the_approval_is_recorded_and_announced_once(
        self, registered: Client, approver: Client, commit: Callable[..., Any]
    ) -> None:
        self.activate(registered, commit)
        assert Acceptance.objects.get().activated_at is None
        approval = scenes.path_in(mail.outbox[-1], part="/approve/")
        with scenes.received(signals.invitation_activated) as activated:
            for _ in range(2):
                with commit():
                    approver.post(approval)
        assert scenes.accounts().get().is_active
        assert Acceptance.objects.get().activated_at is not None
        assert len(activated) == 1

    def test_an_account_that_was_not_approved_gives_the_invitation_back(
        self, registered: Client, commit: Callable[..., Any]
    ) -> None:
        self.activate(registered, commit)
        invitation = Acceptance.objects.get().invitation
        scenes.accounts().get().delete()
        invitation.refresh_from_db()
        assert invitation.status == "pending"

    def test_an_activation_whose_request_for_approval_is_not_sent_can_be_repeated(
        self, registered: Client, commit: Callable[..., Any]
    ) -> None:
        with scenes.broken_mail():
            response = self.activate(registered, commit)
        assert response.status_code == 503
        assert "open the link in your mail again" in response.content.decode()
        assert not SupervisedRegistrationProfile.objects.get().activated
        assert self.activate(registered, commit).status_code == 302
        assert SupervisedRegistrationProfile.objects.get().activated
        assert "/approve/" in mail.outbox[-1].body

    def test_an_approval_counts_also_where_nobody_can_be_told_of_it(
        self, registered: Client, approver: Client, commit: Callable[..., Any]
    ) -> None:
        self.activate(registered, commit)
        approval = scenes.path_in(mail.outbox[-1], part="/approve/")
        with scenes.broken_mail(), scenes.received(signals.invitation_activated) as activated:
            with commit():
                response = approver.post(approval)
            assert response["Location"] == "/accounts/approve/complete/"
            assert "could not be told" in approver.get(response["Location"]).content.decode()
        assert scenes.accounts().get().is_active
        assert len(activated) == 1

    def test_what_breaks_an_approval_otherwise_is_not_hidden(
        self, registered: Client, approver: Client, commit: Callable[..., Any]
    ) -> None:
        self.activate(registered, commit)
        approval = scenes.path_in(mail.outbox[-1], part="/approve/")
        with scenes.crashing(pre_save, sender=get_user_model()), pytest.raises(scenes.Crash):
            approver.post(approval)
        assert not scenes.accounts().get().is_active

    def test_the_approval_stays_closed_to_visitors(
        self, registered: Client, commit: Callable[..., Any]
    ) -> None:
        self.activate(registered, commit)
        approval = scenes.path_in(mail.outbox[-1], part="/approve/")
        assert Client().post(approval).status_code == 302
        assert not scenes.accounts().get().is_active

    @pytest.mark.parametrize("method", ["get", "head", "options"])
    def test_looking_at_the_approval_approves_nothing(
        self, registered: Client, approver: Client, commit: Callable[..., Any], method: str
    ) -> None:
        self.activate(registered, commit)
        approval = scenes.path_in(mail.outbox[-1], part="/approve/")
        getattr(approver, method)(approval)
        assert not scenes.accounts().get().is_active
