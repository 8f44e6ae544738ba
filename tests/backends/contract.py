"""What every backend for redux must show beyond the contract of all hosts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPDataError
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.backends import ModelBackend
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.forms import BooleanField, CharField, Form, ModelForm
from django.test import Client, RequestFactory
from django.test.utils import override_script_prefix
from django.urls import resolve
from registration import signals as redux_signals

from invitation import keys
from invitation.flows.mail import account_mails, suppress
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.backends.host_contract import (
    Commit,
    HostContract,
    OneStepHostContract,
    TwoStepHostContract,
)
from tests.scenes import INVITE, NEWCOMER, REGISTER, RESEND, answers


class BackendContract(HostContract):
    """Show what holds for each workflow of redux."""

    #: The URLconf of a site whose only include is this backend's.
    urlconf: str
    #: The view of the host that the backend's view must be.
    host_view: type
    register_url = REGISTER
    form_template = "registration/registration_form.html"
    claim_verb = "claim"
    late_signal = (redux_signals.user_registered, {})

    @pytest.fixture(autouse=True)
    def site(self, settings: Any) -> None:
        settings.ROOT_URLCONF = self.urlconf

    @pytest.fixture
    def view(self) -> Any:
        """Return the class of the view that the include names."""
        return resolve(REGISTER).func.view_class

    @pytest.fixture
    def form_class(self, view: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[type], None]:
        """Call it with a form class, and the site has that one."""
        return lambda form: monkeypatch.setattr(view, "form_class", form)

    # -- the gate ---------------------------------------------------------------------------

    def test_registration_allowed_is_where_the_key_is_checked(
        self, view: Any, invitation: InvitationKey
    ) -> None:
        for query, allowed in (({}, False), ({"invitation_key": invitation.key}, True)):
            asked = view()
            asked.setup(RequestFactory().get(REGISTER, query))
            assert asked.registration_allowed() is allowed

    def test_a_site_may_allow_still_less(
        self, view: Any, visitor: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(view, "registration_allowed", lambda self: False)
        assert visitor.get(REGISTER)["Location"] == "/accounts/register/closed/"

    # -- the form ---------------------------------------------------------------------------

    def test_what_a_form_saves_beside_the_account_is_saved_once(
        self, visitor: Client, view: Any, form_class: Any
    ) -> None:
        saved: list[Any] = []

        class SitesForm(view.form_class):  # type: ignore[misc]
            def _save_m2m(self) -> None:
                super()._save_m2m()
                saved.append(self.instance.pk)

        form_class(SitesForm)
        visitor.post(REGISTER, answers())
        assert saved == [scenes.accounts().get().pk]

    def test_a_form_with_more_fields_is_honoured(
        self, visitor: Client, view: Any, form_class: Any
    ) -> None:
        class SitesForm(view.form_class):  # type: ignore[misc]
            tos = BooleanField()

        form_class(SitesForm)
        assert "tos" in visitor.post(REGISTER, answers()).context["form"].errors
        assert visitor.post(REGISTER, answers(tos="on")).status_code == 302

    def test_a_form_that_asks_for_no_address_is_told_what_is_wrong(
        self, visitor: Client, view: Any, form_class: Any
    ) -> None:
        form_class(self.form_without_email(view))
        before = scenes.dump()
        response = visitor.post(REGISTER, answers(login="newcomer"))
        assert response.status_code == 200
        assert response.context["form"].non_field_errors()
        assert scenes.dump() == before

    def test_a_form_that_asks_for_no_address_registers_where_any_will_do(
        self, settings: Any, visitor: Client, view: Any, form_class: Any
    ) -> None:
        settings.INVITATION_EMAIL_POLICY = "any"
        form_class(self.form_without_email(view))
        assert visitor.post(REGISTER, answers(login="newcomer")).status_code == 302
        assert Acceptance.objects.get().user is not None

    def form_without_email(self, view: Any) -> type:
        class SitesForm(view.form_class):  # type: ignore[misc]
            email = None
            login = CharField()

            class Meta(view.form_class.Meta):  # type: ignore[misc]
                fields = ()

            def _post_clean(self) -> None:
                setattr(self.instance, get_user_model().USERNAME_FIELD, "newcomer")
                super()._post_clean()

        return SitesForm

    # -- both or neither --------------------------------------------------------------------

    def test_a_field_of_ours_does_not_reach_the_sites_own_form(
        self, visitor: Client, view: Any, form_class: Any
    ) -> None:
        seen: list[set[str]] = []

        class SitesForm(view.form_class):  # type: ignore[misc]
            def save(self, commit: bool = True) -> Any:
                seen.append(set(self.cleaned_data))
                return super().save(commit=commit)

        form_class(SitesForm)
        assert visitor.post(REGISTER, self.filled_in(visitor)).status_code == 302
        assert seen
        assert "invitation_hint" not in set().union(*seen)

    # -- what is recorded and announced -----------------------------------------------------

    def test_the_registration_is_announced_once_by_the_backends_own_view(
        self, visitor: Client
    ) -> None:
        with scenes.received(redux_signals.user_registered) as registered:
            visitor.post(REGISTER, answers())
        [sent] = registered
        assert issubclass(sent["sender"], self.host_view)
        assert sent["user"] == scenes.accounts().get()
        assert sent["request"].path == REGISTER

    # -- who is signed in -------------------------------------------------------------------

    def test_who_is_signed_in_is_led_to_the_first_page_where_no_other_is_named(
        self, settings: Any, member_client: Client
    ) -> None:
        settings.LOGIN_REDIRECT_URL = None
        assert member_client.get(REGISTER)["Location"] == "/"

    def test_its_page_for_a_closed_site_needs_no_login(self, settings: Any) -> None:
        required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
        others = [name for name in settings.MIDDLEWARE if name != required]
        settings.MIDDLEWARE = [*others, required]
        assert Client().get("/accounts/register/closed/").status_code == 200

    def test_a_site_may_let_members_register_again(
        self, visitor: Client, member: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "registration.views.ACCOUNT_AUTHENTICATED_REGISTRATION_REDIRECTS", False
        )
        visitor.force_login(member)
        assert visitor.post(REGISTER, answers()).status_code == 302
        assert scenes.accounts().count() == 1

    # -- the modes of a site ----------------------------------------------------------------

    @pytest.mark.parametrize("invite_mode", [True, False])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_a_site_that_is_closed_is_closed_to_everybody(
        self, settings: Any, visitor: Client, invite_mode: bool, method: str
    ) -> None:
        settings.REGISTRATION_OPEN = False
        settings.INVITE_MODE = invite_mode
        for client in (visitor, Client()):
            response = getattr(client, method)(REGISTER, answers())
            assert (response.status_code, response["Location"]) == (
                302,
                "/accounts/register/closed/",
            )
        assert visitor.get("/accounts/register/closed/").status_code == 200
        assert not scenes.accounts().exists()


class TwoStepContract(TwoStepHostContract, BackendContract):
    """Show what is added by a second step: activation by the link in redux's own email."""

    landing_url = "/accounts/register/complete/"
    activated_url = "/accounts/activate/complete/"

    def activate(self, visitor: Client, commit: Commit) -> Any:
        with commit():
            return scenes.activate(visitor, scenes.path_in(mail.outbox[0], part="/activate/"))

    def test_one_mail_asks_to_activate(self, registered: Client) -> None:
        [activation] = mail.outbox
        assert activation.to == [NEWCOMER]
        assert "/accounts/activate/" in activation.body

    def test_who_asks_for_the_mail_again_may_let_the_browser_fill_in_the_address(self) -> None:
        form = Client().get(RESEND).context["form"]
        assert 'autocomplete="email"' in str(form["email"])

    def test_the_clean_up_of_redux_gives_the_invitation_back(
        self, registered: Client, invitation: InvitationKey
    ) -> None:
        long_ago = scenes.accounts().get().date_joined - timedelta(days=30)
        scenes.accounts().update(date_joined=long_ago)
        call_command("cleanupregistration")
        assert not scenes.accounts().exists()
        invitation.refresh_from_db()
        assert (invitation.status, invitation.uses) == ("pending", 0)

    def test_redux_may_be_told_to_mail_nothing(
        self, visitor: Client, view: Any, monkeypatch: pytest.MonkeyPatch, commit: Commit
    ) -> None:
        monkeypatch.setattr(view, "mails_activation", False)
        with commit():
            response = visitor.post(REGISTER, answers())
        assert response.status_code == 302
        assert mail.outbox == []

    def test_a_form_that_saves_nothing_itself_is_honoured(
        self, visitor: Client, form_class: Any
    ) -> None:
        login_name = get_user_model().USERNAME_FIELD
        fields = {name: CharField() for name in (login_name, "email", "password")}
        form_class(type("PlainForm", (Form,), fields))
        response = visitor.post(REGISTER, answers(password=scenes.PASSWORD))
        assert response.status_code == 302
        assert scenes.accounts().get().check_password(scenes.PASSWORD)

    @pytest.mark.parametrize("domain", ["xn--bcher-kva.example", "bücher.example"])
    def test_such_a_form_gets_the_invited_address_whatever_script_was_typed(
        self, member: Any, form_class: Any, domain: str
    ) -> None:
        login_name = get_user_model().USERNAME_FIELD
        fields = {name: CharField() for name in (login_name, "email", "password")}
        form_class(type("PlainForm", (Form,), fields))
        invitation = scenes.invite(member, "new@bücher.example")
        typed = answers(f"new@{domain}", password=scenes.PASSWORD)
        scenes.visit(invitation, channel=self.channel).post(REGISTER, typed)
        assert Acceptance.objects.get().user.email == invitation.email

    @pytest.mark.django_db(transaction=True)
    def test_an_activation_mail_that_fails_can_be_sent_again(
        self, invitation: InvitationKey
    ) -> None:
        mail.outbox.clear()
        visitor = scenes.visit(invitation, channel=keys.COPY)
        with scenes.broken_mail():
            assert visitor.post(REGISTER, answers()).status_code == 302
        assert mail.outbox == []
        visitor.post(RESEND, {"email": NEWCOMER})
        [activation] = mail.outbox
        assert "/activate/" in activation.body

    @pytest.mark.parametrize("atomic_requests", [False, True])
    @pytest.mark.django_db(transaction=True)
    def test_who_gets_no_activation_mail_is_told_so(
        self,
        invitation: InvitationKey,
        atomic_requests: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic_requests)
        visitor = scenes.visit(invitation, channel=keys.COPY)
        with scenes.broken_mail():
            response = visitor.post(REGISTER, answers(), follow=True)
        assert response.status_code == 200
        page = response.content.decode()
        assert "was not sent" in page
        assert "We sent" not in page
        assert f'href="{RESEND}"' in page

    @pytest.mark.django_db(transaction=True)
    def test_a_site_without_messages_registers_as_well(
        self, settings: Any, invitation: InvitationKey, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = "django.contrib.messages"
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if app not in name]
        visitor = scenes.visit(invitation, channel=keys.COPY)
        with scenes.broken_mail():
            assert visitor.post(REGISTER, answers(), follow=True).status_code == 200
        assert "Connection unexpectedly closed" in caplog.text
        assert "MessageFailure" not in caplog.text

    @pytest.mark.django_db(transaction=True)
    def test_where_the_mail_goes_out_nobody_is_told_otherwise(
        self, invitation: InvitationKey
    ) -> None:
        visitor = scenes.visit(invitation, channel=keys.COPY)
        page = visitor.post(REGISTER, answers(), follow=True).content.decode()
        assert "was not sent" not in page

    @pytest.mark.parametrize("error", [ConnectionRefusedError, SMTPDataError, ZeroDivisionError])
    def test_whether_the_mail_goes_out_again_or_not_the_page_says_the_same(
        self, registered: Client, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ) -> None:
        def broken(*arguments: Any) -> None:
            raise error(*((550, b"no") if error is SMTPDataError else ("down",)))

        monkeypatch.setattr(scenes.BrokenBackend, "send_messages", broken)
        with scenes.broken_mail():
            response = Client().post(RESEND, {"email": NEWCOMER})
            unknown = Client().post(RESEND, {"email": "unknown@example.com"})
        sent = Client().post(RESEND, {"email": NEWCOMER})
        assert response.status_code == unknown.status_code == 200
        # Nobody learns from it who has an account that waits.
        shown = response.content.decode()
        assert shown == sent.content.decode()
        assert shown.replace(NEWCOMER, "unknown@example.com") == unknown.content.decode()

    def test_asking_again_sends_the_same_link(self, registered: Client, commit: Commit) -> None:
        # Else anybody who knows the address could kill the link that is in its mailbox.
        before = scenes.dump()
        Client().post(RESEND, {"email": NEWCOMER.upper()})
        after = scenes.dump()
        counters = "invitation_mailcounter"
        assert after.pop(counters) != before.pop(counters)
        assert after == before
        first, second = mail.outbox
        assert second.to == [NEWCOMER]
        assert scenes.path_in(first, part="/activate/") == scenes.path_in(second, part="/activate/")
        assert self.activate(registered, commit)["Location"] == "/accounts/activate/complete/"

    # -- how many emails anybody may cause ----------------------------------------------------

    def register(self, link: InvitationKey, commit: Commit, *typed: str, **more: Any) -> Any:
        with commit():
            return scenes.visit(link).post(REGISTER, answers(*typed, **more))

    def test_an_address_gets_few_emails_however_often_they_are_asked_for(
        self, registered: Client
    ) -> None:
        pages = {Client().post(RESEND, {"email": NEWCOMER}).content for _ in range(10)}
        assert len(mail.outbox) == account_mails.RECIPIENT_LIMIT
        assert len(pages) == 1

    def test_one_request_sends_one_email_and_the_next_is_for_the_next_account(
        self, registered: Client, member: Any, commit: Commit
    ) -> None:
        if get_user_model().USERNAME_FIELD == "email":
            pytest.skip("No two accounts have one address here.")
        second = scenes.invite(scenes.make_user("another"))
        self.register(second, commit, NEWCOMER, "second", invitation_key=second.key)
        # The link that was passed on proves nothing, so that this one waits as well.
        waiting = scenes.accounts().filter(is_active=False).count()
        mail.outbox.clear()
        for sent in (1, 2):
            Client().post(RESEND, {"email": NEWCOMER})
            assert len(mail.outbox) == sent
        assert len({scenes.path_in(sent, part="/activate/") for sent in mail.outbox}) == waiting

    @pytest.mark.parametrize("name", ["newcomer", "somebody"])
    @pytest.mark.parametrize("email", [NEWCOMER, NEWCOMER.upper()])
    def test_registering_again_with_a_shared_link_mails_again_and_makes_no_second_account(
        self, member: Any, commit: Commit, email: str, name: str
    ) -> None:
        link = self.share()
        first = self.register(link, commit)
        [account] = scenes.accounts()
        password = account.password
        again = self.register(self.share(), commit, email, name)
        assert (again.status_code, again["Location"]) == (302, first["Location"])
        assert [found.password for found in scenes.accounts()] == [password]
        assert [sent.to for sent in mail.outbox] == [[NEWCOMER]] * 2
        assert len({scenes.path_in(sent, part="/activate/") for sent in mail.outbox}) == 1
        assert sum(InvitationKey.objects.values_list("uses", flat=True)) == 1

    def test_of_an_address_in_two_scripts_there_is_one_account(
        self, member: Any, commit: Commit
    ) -> None:
        link = self.share()
        self.register(link, commit, "new@bücher.example")
        self.register(link, commit, "new@xn--bcher-kva.example", "somebody")
        assert get_user_model()._default_manager.filter(is_active=False).count() == 1

    def test_somebody_elses_name_stays_an_error(self, member: Any, commit: Commit) -> None:
        link = self.share()
        self.register(link, commit)
        if get_user_model().USERNAME_FIELD == "email":
            pytest.skip("The name is the address here.")
        response = self.register(link, commit, "other@example.com")
        assert response.status_code == 200
        assert get_user_model().USERNAME_FIELD in response.context["form"].errors

    def test_many_registrations_and_many_resends_for_a_stranger_give_few_emails(
        self, member: Any, commit: Commit
    ) -> None:
        link = self.share()
        statuses = [
            self.register(link, commit, NEWCOMER, f"name{number}").status_code
            for number in range(8)
        ]
        for _again in range(8):
            Client().post(RESEND, {"email": NEWCOMER})
        limit = account_mails.RECIPIENT_LIMIT
        assert len(mail.outbox) == limit
        assert statuses == [302] * limit + [429] * (8 - limit)
        assert scenes.accounts().count() == 1

    def test_a_mailbox_in_many_spellings_is_one(self, member: Any, commit: Commit) -> None:
        link = self.share()
        for number in range(8):
            response = self.register(link, commit, f"new+{number}@example.com", f"name{number}")
        assert len(mail.outbox) == account_mails.RECIPIENT_LIMIT
        assert response.status_code == 429
        assert "today" in response.content.decode()

    def test_who_has_the_invitation_in_the_mail_registers_whatever_strangers_did(
        self, member: Any, commit: Commit
    ) -> None:
        link = self.share()
        for number in range(8):
            self.register(link, commit, f"new+{number}@example.com", f"name{number}")
        own = scenes.invite(member)
        assert self.register(own, commit, NEWCOMER, "own").status_code == 302

    def test_one_client_causes_so_many_emails(
        self, settings: Any, member: Any, commit: Commit
    ) -> None:
        settings.INVITATION_LIMITS = {"client": 3}
        link = self.share()
        codes = [
            self.register(link, commit, f"a{n}@example.com", f"a{n}").status_code for n in range(4)
        ]
        assert codes == [302, 302, 302, 429]
        Client().post(RESEND, {"email": "a0@example.com"})
        assert len(mail.outbox) == 3
        Client(REMOTE_ADDR="192.0.2.9").post(RESEND, {"email": "a0@example.com"})
        assert len(mail.outbox) == 4

    def test_an_unsubscribed_address_gets_nothing_for_an_account_that_anybody_may_have_made(
        self, member: Any, commit: Commit
    ) -> None:
        suppress(NEWCOMER)
        link = self.share()
        response = self.register(link, commit)
        assert response.status_code == 302
        Client().post(RESEND, {"email": NEWCOMER})
        self.register(link, commit)
        assert mail.outbox == []

    def test_an_unsubscribed_address_gets_what_its_owner_has_asked_for(
        self, invitation: InvitationKey, commit: Commit
    ) -> None:
        suppress(NEWCOMER)
        self.register(invitation, commit)
        sent = len(mail.outbox)
        assert sent == (not scenes.accounts().get().is_active)
        Client().post(RESEND, {"email": NEWCOMER})
        assert len(mail.outbox) == 2 * sent

    def test_what_is_asked_before_the_answer_is_the_same_in_every_case(
        self, registered: Client, member: Any
    ) -> None:
        suppress("unsubscribed@example.com")
        asked = []
        for email in (NEWCOMER, "unknown@example.com", "unsubscribed@example.com"):
            view = resolve(RESEND).func
            request = RequestFactory().post(RESEND, {"email": email})
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
            mail.outbox.clear()
            with scenes.statements() as statements:
                response = view(request)
                before = len(statements)
            assert mail.outbox == []
            response.close()
            asked.append(before)
            assert len(mail.outbox) == (email == NEWCOMER)
        assert len(set(asked)) == 1

    def test_who_need_not_activate_gets_no_mail(self, registered: Client, commit: Commit) -> None:
        self.activate(registered, commit)
        mail.outbox.clear()
        Client().post(RESEND, {"email": NEWCOMER})
        assert mail.outbox == []

    def test_who_is_too_late_gets_no_mail(self, registered: Client) -> None:
        long_ago = scenes.accounts().get().date_joined - timedelta(days=30)
        scenes.accounts().update(date_joined=long_ago)
        mail.outbox.clear()
        Client().post(RESEND, {"email": NEWCOMER})
        assert mail.outbox == []

    def test_a_broken_receiver_of_the_activation_is_not_taken_for_a_mail_server(
        self, registered: Client, commit: Commit
    ) -> None:
        broken = scenes.crashing(redux_signals.user_activated, FileNotFoundError)
        with broken, pytest.raises(FileNotFoundError):
            self.activate(registered, commit)


class OneStepContract(OneStepHostContract, BackendContract):
    """Show what is done at once: the account is active and logged in."""

    landing_url = "/"

    def test_a_site_below_a_path_leads_to_its_own_first_page(
        self, invitation: InvitationKey
    ) -> None:
        visitor = scenes.visit(invitation, channel=self.channel)
        with override_script_prefix("/shop/"):
            assert visitor.post(REGISTER, answers())["Location"] == "/shop/"

    # Redux would take a text of three characters for the three arguments of a redirect.
    @pytest.mark.parametrize(
        ("target", "address"),
        [("/w/", "/w/"), ("../", "../"), ("/members/", "/members/"), ("invitation_invite", INVITE)],
    )
    def test_the_site_may_say_where_to(
        self, settings: Any, visitor: Client, target: str, address: str
    ) -> None:
        settings.SIMPLE_BACKEND_REDIRECT_URL = target
        assert visitor.post(REGISTER, answers())["Location"] == address

    def test_an_authentication_backend_that_needs_the_request_gets_it(
        self, settings: Any, visitor: Client
    ) -> None:
        settings.AUTHENTICATION_BACKENDS = ["tests.backends.contract.CountingBackend"]
        visitor.post(REGISTER, answers())
        assert visitor.session[SESSION_KEY] == str(scenes.accounts().get().pk)

    def test_a_form_that_returns_another_account_logs_nobody_in(
        self, view: Any, visitor: Client, form_class: Any
    ) -> None:
        other = scenes.make_user("other")

        class SitesForm(view.form_class):  # type: ignore[misc] # the class is known at run time
            def save(self, commit: bool = True) -> Any:
                return other

        form_class(SitesForm)
        visitor.post(REGISTER, answers())
        assert SESSION_KEY not in visitor.session

    def test_a_form_with_passwords_of_its_own_is_no_error_page(
        self, visitor: Client, form_class: Any
    ) -> None:
        class SitesForm(ModelForm):
            secret = CharField()

            class Meta:
                model = get_user_model()
                fields = ("email", get_user_model().USERNAME_FIELD)

        form_class(SitesForm)
        assert visitor.post(REGISTER, answers(secret="x")).status_code == 302
        assert scenes.accounts().count() == 1

    def test_an_account_that_may_not_log_in_yet_is_no_error_page(
        self, settings: Any, visitor: Client
    ) -> None:
        settings.AUTHENTICATION_BACKENDS = ["tests.backends.contract.ClosedBackend"]
        assert visitor.post(REGISTER, answers()).status_code == 302
        assert SESSION_KEY not in visitor.session


class CountingBackend(ModelBackend):
    """Refuse to go on without a request, as those do that count attempts."""

    def authenticate(self, request: Any, **credentials: Any) -> Any:
        assert request is not None
        return super().authenticate(request, **credentials)


class ClosedBackend(ModelBackend):
    """Let nobody in."""

    def authenticate(self, request: Any, **credentials: Any) -> Any:
        return None
