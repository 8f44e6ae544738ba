"""Redux's registration with approval behind the gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.db.models.signals import pre_save
from django.test import Client
from registration import signals as redux_signals
from registration.backends.admin_approval.views import RegistrationView
from registration.models import SupervisedRegistrationProfile

from invitation import signals
from invitation.backends.admin_approval import views
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
        assert "Open the link in your email again" in response.content.decode()
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
            assert (
                "was not sent. Tell the person."
                in approver.get(response["Location"]).content.decode()
            )
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

    @pytest.fixture
    def approval(self, registered: Client, commit: Callable[..., Any]) -> str:
        """Return the link that the administrators are emailed."""
        self.activate(registered, commit)
        return scenes.path_in(mail.outbox[-1], part="/approve/")

    def test_the_page_shows_whom_to_approve(self, approval: str, approver: Client) -> None:
        page = approver.get(approval)
        assert page.status_code == 200
        text = page.content.decode()
        assert scenes.accounts().get().get_username() in text
        assert scenes.NEWCOMER in text
        assert "Approve account" in text

    @pytest.mark.parametrize("middleware", [True, False])
    def test_a_form_of_another_site_approves_nobody(
        self, approval: str, settings: Any, middleware: bool
    ) -> None:
        csrf = "django.middleware.csrf.CsrfViewMiddleware"
        if not middleware:
            settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != csrf]
        boss = Client(enforce_csrf_checks=True)
        boss.force_login(scenes.make_user("boss", is_staff=True, is_superuser=True))
        assert boss.post(approval).status_code == 403
        assert not scenes.accounts().get().is_active
        boss.get(approval)
        token = boss.cookies["csrftoken"].value
        assert boss.post(approval, {"csrfmiddlewaretoken": token}).status_code == 302
        assert scenes.accounts().get().is_active

    def test_a_double_click_approves_once(self, approval: str, approver: Client) -> None:
        mail.outbox.clear()
        with scenes.received(redux_signals.user_approved) as approved:
            for _ in range(2):
                assert approver.post(approval)["Location"] == "/accounts/approve/complete/"
            assert approver.get(approval)["Location"] == "/accounts/approve/complete/"
        assert len(approved) == 1
        assert [sent.to for sent in mail.outbox] == [[scenes.NEWCOMER]]

    def test_of_two_at_once_one_approves(
        self, approval: str, approver: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        find = views.ApprovalView._profile

        def late(view: Any) -> Any:
            profile = find(view)
            monkeypatch.setattr(views.ApprovalView, "_profile", find)
            approver.post(approval)
            return profile

        with scenes.received(redux_signals.user_approved) as approved:
            monkeypatch.setattr(views.ApprovalView, "_profile", late)
            assert approver.post(approval)["Location"] == "/accounts/approve/complete/"
        assert len(approved) == 1

    @pytest.mark.parametrize("method", ["get", "post"])
    @pytest.mark.parametrize("number", [0, 999, 10**30])
    def test_a_number_that_no_account_has_is_not_there(
        self, approver: Client, method: str, number: int
    ) -> None:
        page = getattr(approver, method)(f"/accounts/approve/{number}/")
        assert page.status_code == 404
        assert "Account not approved" in page.content.decode()

    def test_an_account_whose_address_is_not_confirmed_cannot_be_approved(
        self, registered: Client, approver: Client
    ) -> None:
        profile = SupervisedRegistrationProfile.objects.get()
        for method in (approver.get, approver.post):
            assert method(f"/accounts/approve/{profile.pk}/").status_code == 404
        assert not scenes.accounts().get().is_active

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_staff_who_are_no_superusers_approve_nobody(self, approval: str, method: str) -> None:
        client = Client()
        client.force_login(scenes.make_user("clerk", is_staff=True))
        assert getattr(client, method)(approval)["Location"].startswith("/accounts/login/")
        assert not scenes.accounts().get().is_active

    def test_an_account_that_is_deleted_while_it_is_activated_gets_a_page(
        self, registered: Client, commit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Redux reads the profile, and then its account."""
        expired = SupervisedRegistrationProfile.activation_key_expired

        def late(profile: Any) -> bool:
            if not SupervisedRegistrationProfile.user.is_cached(profile):  # redux asks, not we
                scenes.accounts().get().delete()
            return bool(expired(profile))

        monkeypatch.setattr(SupervisedRegistrationProfile, "activation_key_expired", late)
        page = self.activate(registered, commit)
        assert not scenes.accounts().exists()
        assert page.status_code == 200
        assert "/approve/" not in mail.outbox[-1].body

    def test_after_a_failed_request_for_approval_no_second_password_is_asked_for(
        self, registered: Client, commit: Callable[..., Any]
    ) -> None:
        with scenes.broken_mail():
            self.activate(registered, commit)
        page = registered.get(scenes.path_in(mail.outbox[0], part="/activate/"))
        assert page.context["form"] is None
