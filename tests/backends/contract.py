"""What every registration backend must show: a class that the tests of each backend inherit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from smtplib import SMTPDataError
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model, user_logged_in
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group
from django.core import mail
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.db.models.signals import post_save, pre_save
from django.forms import BooleanField, CharField, Form, ModelForm
from django.test import Client, RequestFactory
from django.test.utils import override_script_prefix
from django.urls import resolve
from registration import signals as redux_signals

from invitation import keys, signals
from invitation.exceptions import KeyRefused
from invitation.flows import arriving
from invitation.flows.mail import account_mails, suppress
from invitation.models import Acceptance, InvitationKey, InvitationQuota
from tests import scenes
from tests.scenes import INVITE, LANDING, NEWCOMER, REGISTER, RESEND, Crash, answers

Commit = Callable[..., Any]


@pytest.mark.django_db
class BackendContract:
    """Show that registration is gated, and that account and invitation are made for each other."""

    #: The URLconf of a site whose only include is this backend's.
    urlconf: str
    #: Whether an account is active and logged in at once when it comes with the mailed link.
    active_at_once: bool
    #: Whether it is so with any key.
    active_with_any_key: bool = False
    #: By which link the visitor comes.
    channel = keys.MAIL
    #: The view of the host that the backend's view must be.
    host_view: type

    def share(self) -> InvitationKey:
        """Return a shared link, also where the user model knows no permissions."""
        row = scenes.invite(scenes.make_user(f"owner{InvitationKey.objects.count()}"))
        changes = {"shared": True, "email": "", "email_key": "", "max_uses": None}
        InvitationKey.objects.filter(pk=row.pk).update(**changes, pending_slot=None)
        row.refresh_from_db()
        return row

    @pytest.fixture(autouse=True)
    def site(self, settings: Any) -> None:
        settings.ROOT_URLCONF = self.urlconf

    @pytest.fixture
    def invitation(self, member: Any) -> InvitationKey:
        return scenes.invite(member)

    @pytest.fixture
    def visitor(self, invitation: InvitationKey) -> Client:
        return scenes.visit(invitation, channel=self.channel)

    @pytest.fixture
    def view(self) -> Any:
        """Return the class of the view that the include names."""
        return resolve(REGISTER).func.view_class

    @pytest.fixture
    def form_class(self, view: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[type], None]:
        """Call it with a form class, and the site has that one."""
        return lambda form: monkeypatch.setattr(view, "form_class", form)

    @pytest.fixture
    def before_claim(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
        """Call it with what somebody else does between the check of a form and the claim."""
        claim = arriving.claim

        def set_up(happens: Callable[[], Any]) -> None:
            def late(*args: Any, **kwargs: Any) -> Any:
                happens()
                return claim(*args, **kwargs)

            monkeypatch.setattr(arriving, "claim", late)

        return set_up

    # -- the gate ---------------------------------------------------------------------------

    @pytest.mark.parametrize("method", ["get", "post", "head", "options", "put"])
    def test_without_a_key_it_is_closed(self, method: str) -> None:
        before = scenes.dump()
        response = getattr(Client(), method)(REGISTER)
        assert response.status_code == 403
        assert scenes.dump() == before

    def test_without_a_key_the_page_says_that_one_is_needed(self) -> None:
        response = Client().get(REGISTER)
        assert scenes.flags(response) == {"no_key"}
        assert "invitation/wrong_invitation_key.html" in [used.name for used in response.templates]

    def test_a_form_posted_without_a_key_makes_no_account(self) -> None:
        response = Client().post(REGISTER, answers())
        assert response.status_code == 403
        assert not scenes.accounts().exists()

    def test_with_a_key_the_form_is_shown(self, visitor: Client) -> None:
        response = visitor.get(REGISTER)
        assert response.status_code == 200
        assert "registration/registration_form.html" in [used.name for used in response.templates]

    def test_with_a_key_an_account_is_made(
        self, visitor: Client, invitation: InvitationKey, commit: Commit
    ) -> None:
        with commit():
            response = visitor.post(REGISTER, answers())
        assert response.status_code == 302
        account = scenes.accounts().get()
        assert account.check_password(scenes.PASSWORD)
        assert account.is_active is self.active_at_once
        invitation.refresh_from_db()
        assert (invitation.status, invitation.uses) == ("accepted", 1)

    def test_the_form_knows_who_invites(
        self, visitor: Client, invitation: InvitationKey, member: Any
    ) -> None:
        context = visitor.get(REGISTER).context
        assert context["invitation"] == invitation
        key = keys.make(invitation.locator, self.channel, invitation.site_id)
        assert context["invitation_key"] == key
        assert context["expires_at"] == invitation.expires_at
        assert isinstance(context["inviter_name"], str)

    @pytest.mark.parametrize(
        "key",
        ["x", "x" * keys.KEY_LENGTH, "é" * 66, "x" * 5000, "a\0b", "' OR 1=1", "{}", "٣" * 66],
        ids=["short", "long enough", "accents", "huge", "NUL", "SQL", "JSON", "digits"],
    )
    def test_what_is_no_key_is_refused_wherever_it_stands(self, key: str) -> None:
        for response in (
            Client().get(REGISTER, {"invitation_key": key}),
            Client().get(REGISTER, {"registration_key": key}),
            Client().post(REGISTER, answers(invitation_key=key)),
            Client().post(REGISTER, answers(registration_key=key)),
        ):
            assert (response.status_code, scenes.flags(response)) == (404, {"invalid_key"})
        assert not scenes.accounts().exists()

    @pytest.mark.parametrize("cookie", ["x", "x" * 66, "x" * 4000, '"', "%00", "null"])
    def test_a_cookie_that_is_no_key_is_refused(self, cookie: str) -> None:
        client = Client(headers={"cookie": f"invitation_key={cookie}"})
        response = client.post(REGISTER, answers())
        assert response.status_code in (403, 404)
        assert not scenes.accounts().exists()

    @pytest.mark.parametrize("end", scenes.ENDS)
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_a_key_whose_invitation_has_ended_is_refused_and_told_why(
        self, visitor: Client, invitation: InvitationKey, end: str, method: str
    ) -> None:
        scenes.end(invitation, end)
        code, status = scenes.ENDS[end]
        before = scenes.dump()
        response = getattr(visitor, method)(REGISTER, answers())
        assert (response.status_code, scenes.flags(response)) == (status, {code})
        assert scenes.dump() == before

    def test_a_key_of_another_site_is_refused(self, invitation: InvitationKey) -> None:
        InvitationKey.objects.update(site_id=invitation.site_id + 1)
        response = Client().get(REGISTER, {"invitation_key": invitation.key})
        assert response.status_code == 404
        invitation.refresh_from_db()
        response = Client().get(REGISTER, {"invitation_key": invitation.key})
        assert response.status_code == 404

    def test_a_used_key_is_refused(self, visitor: Client, invitation: InvitationKey) -> None:
        visitor.post(REGISTER, answers())
        response = Client().post(
            REGISTER, answers(name="second", invitation_key=invitation.mail_key)
        )
        assert (response.status_code, scenes.flags(response)) == (410, {"no_uses_left_key"})
        assert scenes.accounts().count() == 1

    def test_nobody_who_registered_carries_the_key_any_longer(self, visitor: Client) -> None:
        visitor.post(REGISTER, answers())
        assert visitor.cookies["invitation_key"].value == ""
        assert visitor.cookies["invitation_key"]["max-age"] == 0

    def test_a_second_submit_of_the_same_form_does_no_harm(self, visitor: Client) -> None:
        visitor.post(REGISTER, answers())
        response = visitor.post(REGISTER, answers())
        assert response.status_code in (302, 403)
        assert scenes.accounts().count() == 1

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

    # -- where the key may stand ------------------------------------------------------------

    @pytest.mark.parametrize("name", ["invitation_key", "registration_key"])
    @pytest.mark.parametrize("channel", keys.CHANNELS)
    def test_the_key_may_be_posted(
        self, invitation: InvitationKey, name: str, channel: str
    ) -> None:
        key = keys.make(invitation.locator, channel, invitation.site_id)
        assert Client().post(REGISTER, answers(**{name: key})).status_code == 302
        assert scenes.accounts().count() == 1

    @pytest.mark.parametrize("name", ["invitation_key", "registration_key"])
    def test_the_key_may_stand_in_the_address_without_cookies(
        self, invitation: InvitationKey, name: str
    ) -> None:
        client = Client()
        address = f"{REGISTER}?{name}={invitation.key}"
        assert client.get(address).status_code == 200
        client.cookies.clear()
        assert client.post(address, answers()).status_code == 302
        assert scenes.accounts().count() == 1

    @pytest.mark.parametrize("name", ["invitation_key", "registration_key"])
    def test_a_key_in_the_address_is_carried_from_then_on(
        self, invitation: InvitationKey, name: str
    ) -> None:
        client = Client()
        client.get(REGISTER, {name: invitation.key})
        assert client.get(LANDING).status_code == 200
        assert client.post(REGISTER, answers()).status_code == 302

    def test_a_key_that_is_given_goes_before_the_one_that_is_carried(
        self, visitor: Client, member: Any
    ) -> None:
        other = scenes.invite(member, "other@example.com")
        response = visitor.get(REGISTER, {"invitation_key": other.key})
        assert response.context["invitation"] == other

    def test_a_blank_parameter_gives_no_key(self, visitor: Client) -> None:
        assert visitor.get(REGISTER, {"invitation_key": ""}).status_code == 200

    def test_of_several_keys_in_the_address_one_is_taken(self, invitation: InvitationKey) -> None:
        response = Client().get(REGISTER, {"invitation_key": ["x", invitation.key]})
        assert response.status_code == 200

    # -- cross-site requests ----------------------------------------------------------------

    def test_a_form_without_a_csrf_token_is_refused(self, invitation: InvitationKey) -> None:
        visitor = scenes.visit(invitation, enforce_csrf_checks=True)
        visitor.get(REGISTER)
        before = scenes.dump()
        assert visitor.post(REGISTER, answers()).status_code == 403
        assert scenes.dump() == before

    def test_a_form_with_its_csrf_token_is_taken(self, invitation: InvitationKey) -> None:
        visitor = scenes.visit(invitation, enforce_csrf_checks=True)
        visitor.get(REGISTER)
        token = visitor.cookies["csrftoken"].value
        response = visitor.post(REGISTER, answers(csrfmiddlewaretoken=token))
        assert response.status_code == 302

    # -- the address ------------------------------------------------------------------------

    def test_the_invited_address_is_filled_in_and_locked(self, visitor: Client) -> None:
        field = visitor.get(REGISTER).context["form"]["email"]
        assert field.value() == NEWCOMER
        assert "readonly" in str(field)
        assert 'autocomplete="email"' in str(field)
        assert field.help_text

    @pytest.mark.parametrize("invite_mode", [True, False])
    def test_the_browser_is_told_what_the_fields_are_for(
        self, settings: Any, visitor: Client, invite_mode: bool
    ) -> None:
        settings.INVITE_MODE = invite_mode
        form = (Client() if not invite_mode else visitor).get(REGISTER).context["form"]
        assert 'autocomplete="email"' in str(form["email"])
        login_name = get_user_model().USERNAME_FIELD
        assert login_name == "email" or 'autocomplete="username"' in str(form[login_name])

    @pytest.mark.parametrize("email", ["other@example.com", "new@example.org", "new+1@example.com"])
    def test_another_address_is_refused_with_a_form_error(
        self, visitor: Client, invitation: InvitationKey, email: str
    ) -> None:
        before = scenes.dump()
        response = visitor.post(REGISTER, answers(email))
        assert response.status_code == 200
        [error] = response.context["form"].errors["email"]
        assert NEWCOMER in error
        assert scenes.dump() == before

    @pytest.mark.parametrize("email", ["", "new", "new@example.com\0", "a@b.c" * 2000, "nеw@x.y"])
    def test_a_bad_address_is_a_form_error(self, visitor: Client, email: str) -> None:
        response = visitor.post(REGISTER, answers(email))
        assert response.status_code == 200
        assert response.context["form"].errors

    def test_the_address_is_compared_without_regard_to_case(self, visitor: Client) -> None:
        assert visitor.post(REGISTER, answers("NEW@Example.COM")).status_code == 302

    def test_of_several_addresses_the_one_that_the_form_takes_is_compared(
        self, visitor: Client
    ) -> None:
        response = visitor.post(REGISTER, answers() | {"email": [NEWCOMER, "other@example.com"]})
        assert response.status_code == 200
        assert not get_user_model().objects.filter(email="other@example.com").exists()

    def test_the_form_of_one_invitation_is_not_taken_for_another(self, member: Any) -> None:
        first = scenes.invite(member, "first@example.com")
        second = scenes.invite(member, "second@example.com")
        browser = scenes.visit(first)
        filled_in = answers(browser.get(REGISTER).context["form"]["email"].value())
        browser.get(scenes.link(second.mail_key))
        response = browser.post(REGISTER, filled_in)
        assert response.status_code == 200
        [error] = response.context["form"].errors["email"]
        assert "second@example.com" in error
        assert Acceptance.objects.count() == 0

    def filled_in(self, browser: Client, **typed: Any) -> dict[str, Any]:
        """Return what is posted of the page's form, hidden fields included."""
        form = browser.get(REGISTER).context["form"]
        hidden = {field.html_name: field.value() for field in form.hidden_fields()}
        return answers(form["email"].value(), **typed) | hidden

    def test_the_form_shows_no_more_of_the_key_than_anybody_may_see(
        self, visitor: Client, invitation: InvitationKey
    ) -> None:
        assert self.filled_in(visitor)["invitation_hint"] == invitation.key_hint
        page = visitor.get(REGISTER).content.decode()
        assert invitation.key_hint in page
        assert invitation.locator not in page

    @pytest.mark.parametrize("policy", ["exact", "any"])
    def test_the_form_of_another_tab_is_shown_again_for_the_invitation_that_is_carried_now(
        self, settings: Any, member: Any, commit: Commit, policy: str
    ) -> None:
        settings.INVITATION_EMAIL_POLICY = policy
        first = scenes.invite(member, "first@example.com")
        second = scenes.invite(member, "second@example.com")
        browser = scenes.visit(first)
        posted = self.filled_in(browser)
        browser.get(scenes.link(second.mail_key))
        response = browser.post(REGISTER, posted)
        assert response.status_code == 200
        form = response.context["form"]
        assert form.has_error(NON_FIELD_ERRORS, code="another_invitation")
        assert "another invitation" in response.content.decode()
        assert Acceptance.objects.count() == 0
        assert response.context["form"]["invitation_hint"].label == ""
        # What is shown now fits the second one, and is taken.
        email = "second@example.com" if policy == "exact" else "first@example.com"
        assert form["email"].value() == email
        assert form["invitation_hint"].value() == second.key_hint
        with commit():
            posted |= {"email": email, "invitation_hint": second.key_hint}
            assert browser.post(REGISTER, posted).status_code == 302
        assert Acceptance.objects.get().invitation == second
        assert scenes.accounts(email).exists()

    def test_the_form_of_another_tab_says_so_beside_its_other_errors(self, member: Any) -> None:
        first = scenes.invite(member, "first@example.com")
        second = scenes.invite(member, "second@example.com")
        browser = scenes.visit(first)
        posted = self.filled_in(browser, password2="x")
        browser.get(scenes.link(second.mail_key))
        form = browser.post(REGISTER, posted).context["form"]
        assert form.has_error(NON_FIELD_ERRORS, code="another_invitation")
        assert form.has_error("password2")
        assert form["invitation_hint"].value() == second.key_hint

    @pytest.mark.parametrize("hint", ["", "x", "é" * 3000, "a\0b"])
    def test_a_hint_of_no_invitation_is_harmless(self, visitor: Client, hint: str) -> None:
        response = visitor.post(REGISTER, answers(invitation_hint=hint))
        assert response.status_code == (200 if hint else 302)
        assert scenes.accounts().count() == (0 if hint else 1)

    @pytest.mark.parametrize("domain", ["xn--bcher-kva.example", "bücher.example"])
    def test_the_account_gets_the_invited_address_whatever_script_was_typed(
        self, member: Any, domain: str
    ) -> None:
        invitation = scenes.invite(member, "new@bücher.example")
        browser = scenes.visit(invitation, channel=self.channel)
        assert browser.post(REGISTER, answers(f"new@{domain}")).status_code == 302
        assert Acceptance.objects.get().user.email == invitation.email

    def test_with_the_policy_any_another_address_registers(
        self, settings: Any, visitor: Client, commit: Commit
    ) -> None:
        settings.INVITATION_EMAIL_POLICY = "any"
        field = visitor.get(REGISTER).context["form"]["email"]
        assert field.value() == NEWCOMER
        assert "readonly" not in str(field)
        mail.outbox.clear()
        with scenes.received(signals.invitation_accepted) as accepted, commit():
            response = visitor.post(REGISTER, answers("other@example.com"))
        assert response.status_code == 302
        assert Acceptance.objects.get().user == scenes.accounts("other@example.com").get()
        assert [sent["address_proven"] for sent in accepted] == [False]

    def test_with_the_policy_any_another_address_is_never_proven(
        self, settings: Any, visitor: Client
    ) -> None:
        settings.INVITATION_EMAIL_POLICY = "any"
        visitor.post(REGISTER, answers("other@example.com"))
        account = scenes.accounts("other@example.com").get()
        assert account.is_active is self.active_with_any_key

    def test_only_the_mailed_key_proves_the_address(
        self, member: Any, invitation: InvitationKey, commit: Commit
    ) -> None:
        other = scenes.invite(member, "other@example.com")
        with scenes.received(signals.invitation_accepted) as accepted, commit():
            scenes.visit(invitation, channel=keys.COPY).post(REGISTER, answers())
            scenes.visit(other, channel=keys.MAIL).post(
                REGISTER, answers("other@example.com", name="other")
            )
        assert [sent["address_proven"] for sent in accepted] == [False, True]
        assert scenes.accounts().get().is_active is self.active_with_any_key

    def test_an_invitation_addressed_to_nobody_takes_any_address(self, member: Any) -> None:
        invitation = InvitationKey.objects.create_invitation(member)
        visitor = scenes.visit(invitation, channel=keys.COPY)
        assert visitor.get(REGISTER).context["form"]["email"].value() is None
        assert visitor.post(REGISTER, answers()).status_code == 302

    # -- the form ---------------------------------------------------------------------------

    def test_a_form_with_errors_spends_nothing(self, visitor: Client) -> None:
        before = scenes.dump()
        response = visitor.post(REGISTER, answers(password2="something else"))
        assert response.status_code == 200
        assert response.context["form"].errors
        assert scenes.dump() == before

    def test_an_empty_form_is_shown_again(self, visitor: Client) -> None:
        response = visitor.post(REGISTER)
        assert response.status_code == 200
        assert response.context["form"].errors

    def test_nothing_but_the_fields_of_the_form_is_taken(
        self, visitor: Client, invitation: InvitationKey
    ) -> None:
        visitor.post(
            REGISTER,
            answers(is_staff="1", is_superuser="1", is_active="1", max_uses="9", from_user="1"),
        )
        account = scenes.accounts().get()
        assert (account.is_staff, account.is_superuser) == (False, False)
        assert account.is_active is self.active_at_once
        invitation.refresh_from_db()
        assert (invitation.max_uses, invitation.uses) == (1, 1)

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

    # -- losing a race ----------------------------------------------------------------------

    @pytest.mark.parametrize("end", [e for e in scenes.ENDS if e != "inactive"])
    def test_an_invitation_that_ends_before_the_claim_is_a_friendly_page(
        self,
        visitor: Client,
        invitation: InvitationKey,
        before_claim: Any,
        end: str,
        commit: Commit,
    ) -> None:
        before_claim(lambda: scenes.end(invitation, end))
        code, status = scenes.ENDS[end]
        with commit():
            response = visitor.post(REGISTER, answers())
        assert (response.status_code, scenes.flags(response)) == (status, {code})
        assert not scenes.accounts().exists()
        assert mail.outbox == []
        assert SESSION_KEY not in visitor.session

    def test_who_loses_the_last_use_of_a_shared_link_leaves_no_trace(
        self, before_claim: Any, commit: Commit
    ) -> None:
        shared = self.share()
        InvitationKey.objects.filter(pk=shared.pk).update(max_uses=1)
        visitor = scenes.visit(shared, channel=keys.COPY)
        before_claim(lambda: InvitationKey.objects.filter(pk=shared.pk).update(uses=1))
        mail.outbox.clear()
        with scenes.received(signals.invitation_accepted) as accepted, commit():
            response = visitor.post(REGISTER, answers())
        assert (response.status_code, scenes.flags(response)) == (410, {"no_uses_left_key"})
        assert not scenes.accounts().exists()
        assert not Acceptance.objects.exists()
        assert (accepted, mail.outbox) == ([], [])
        assert SESSION_KEY not in visitor.session

    def test_a_name_that_was_taken_meanwhile_is_a_form_error(
        self, visitor: Client, invitation: InvitationKey, before_claim: Any, commit: Commit
    ) -> None:
        login_name = get_user_model().USERNAME_FIELD
        address = NEWCOMER if login_name == "email" else "faster@example.com"
        before_claim(lambda: scenes.make_user("newcomer", email=address))
        with commit():
            response = visitor.post(REGISTER, answers())
        assert response.status_code == 200
        assert login_name in response.context["form"].errors
        invitation.refresh_from_db()
        assert (invitation.status, invitation.uses) == ("pending", 0)
        assert mail.outbox == []

    def test_another_breach_of_integrity_is_not_hidden(self, visitor: Client) -> None:
        with (
            scenes.crashing(pre_save, IntegrityError, sender=get_user_model()),
            pytest.raises(IntegrityError),
        ):
            visitor.post(REGISTER, answers())

    # -- both or neither --------------------------------------------------------------------

    def steps(self) -> dict[str, Any]:
        """Return what happens between the claim and the commit: signals to crash in."""
        return {
            "before the account": (pre_save, {"sender": get_user_model()}),
            "after the account": (post_save, {"sender": get_user_model()}),
            "in a receiver of user_registered": (redux_signals.user_registered, {}),
            "before the acceptance": (pre_save, {"sender": Acceptance}),
            "after the acceptance": (post_save, {"sender": Acceptance}),
        }

    @pytest.mark.parametrize(
        "step",
        [
            "before the account",
            "after the account",
            "in a receiver of user_registered",
            "before the acceptance",
            "after the acceptance",
        ],
    )
    def test_what_goes_wrong_in_the_claim_leaves_nothing(
        self, visitor: Client, step: str, commit: Commit
    ) -> None:
        signal, connected = self.steps()[step]
        before = scenes.dump()
        with (
            scenes.received(signals.invitation_accepted) as accepted,
            commit(),
            scenes.crashing(signal, **connected),
            pytest.raises(Crash),
        ):
            visitor.post(REGISTER, answers())
        assert scenes.dump() == before
        assert mail.outbox == []
        assert accepted == []
        assert SESSION_KEY not in visitor.session

    def test_after_something_went_wrong_the_invitation_still_works(self, visitor: Client) -> None:
        with scenes.crashing(redux_signals.user_registered), pytest.raises(Crash):
            visitor.post(REGISTER, answers())
        assert visitor.post(REGISTER, answers()).status_code == 302

    @pytest.mark.django_db(transaction=True)
    def test_a_mail_server_that_is_down_is_no_error_page(self, visitor: Client) -> None:
        with scenes.broken_mail():
            assert visitor.post(REGISTER, answers()).status_code == 302
        assert scenes.accounts().count() == 1
        assert Acceptance.objects.count() == 1

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

    def test_who_came_through_which_invitation_is_recorded(
        self, visitor: Client, invitation: InvitationKey
    ) -> None:
        visitor.post(REGISTER, answers())
        acceptance = Acceptance.objects.get()
        assert (acceptance.invitation, acceptance.user) == (invitation, scenes.accounts().get())
        assert (acceptance.activated_at is not None) is self.active_at_once

    def test_the_registration_is_announced_once_by_the_backends_own_view(
        self, visitor: Client
    ) -> None:
        with scenes.received(redux_signals.user_registered) as registered:
            visitor.post(REGISTER, answers())
        [sent] = registered
        assert issubclass(sent["sender"], self.host_view)
        assert sent["user"] == scenes.accounts().get()
        assert sent["request"].path == REGISTER

    def test_the_acceptance_is_announced_after_the_commit(
        self, visitor: Client, invitation: InvitationKey, commit: Commit
    ) -> None:
        with ExitStack() as stack:
            accepted = stack.enter_context(scenes.received(signals.invitation_accepted))
            activated = stack.enter_context(scenes.received(signals.invitation_activated))
            with commit():
                visitor.post(REGISTER, answers())
                assert accepted == []
        [sent] = accepted
        assert sent["sender"] is InvitationKey
        assert (sent["invitation"], sent["user"]) == (invitation, scenes.accounts().get())
        assert len(activated) == self.active_at_once

    def test_the_quota_of_the_inviter_stays_spent(self, visitor: Client) -> None:
        visitor.post(REGISTER, answers())
        assert InvitationQuota.objects.get().spent == 1

    def test_an_account_that_was_there_before_is_not_touched(self, visitor: Client) -> None:
        login_name = get_user_model().USERNAME_FIELD
        before = scenes.make_user("someone", email=NEWCOMER)
        row = get_user_model().objects.filter(pk=before.pk).values().get()
        visitor.post(REGISTER, answers())
        rows = get_user_model().objects.filter(pk=before.pk)
        assert rows.values().get() == row
        assert scenes.accounts().count() == (1 if login_name == "email" else 2)

    def test_the_account_joins_the_groups_that_its_inviter_may_give(
        self, settings: Any, member: Any
    ) -> None:
        settings.INVITATION_GRANTABLE_GROUPS = lambda user: Group.objects.all()
        group = Group.objects.create(name="Altos")
        invitation = scenes.invite(member, groups=[group])
        visitor = scenes.visit(invitation, channel=self.channel)
        assert visitor.post(REGISTER, answers(groups="7", group="7")).status_code == 302
        account = scenes.accounts().get()
        # A user model without groups is welcome all the same.
        assert list(account.groups.all() if hasattr(account, "groups") else [group]) == [group]

    # -- deleting the account ---------------------------------------------------------------

    def test_an_account_that_was_usable_keeps_the_invitation_used(
        self, visitor: Client, invitation: InvitationKey
    ) -> None:
        visitor.post(REGISTER, answers())
        account = scenes.accounts().get()
        account.is_active = True
        account.save()
        account.delete()
        invitation.refresh_from_db()
        assert (invitation.status, invitation.uses) == ("accepted", 1)
        assert Acceptance.objects.get().user is None

    # -- who is signed in -------------------------------------------------------------------

    def test_who_is_signed_in_is_led_to_the_invitation(
        self, visitor: Client, member: Any, invitation: InvitationKey
    ) -> None:
        visitor.force_login(member)
        before = scenes.dump()
        for response in (visitor.get(REGISTER), visitor.post(REGISTER, answers())):
            assert (response.status_code, response["Location"]) == (302, LANDING)
        assert scenes.dump() == before

    def test_who_is_signed_in_may_sign_out_and_register(self, visitor: Client, member: Any) -> None:
        visitor.force_login(member)
        context = visitor.get(LANDING).context
        response = visitor.post(context["logout_url"], {"next": LANDING})
        assert response["Location"] == LANDING
        assert visitor.get(LANDING).context["user"].is_anonymous
        assert visitor.post(REGISTER, answers()).status_code == 302

    def test_a_key_in_the_address_reaches_the_landing_page_of_who_is_signed_in(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        response = member_client.get(REGISTER, {"invitation_key": invitation.key}, follow=True)
        assert response.context["invitation"] == invitation

    @pytest.mark.parametrize(("setting", "target"), [("/in/", "/in/"), ("home", "/"), (None, "/")])
    def test_who_is_signed_in_without_an_invitation_is_led_into_the_site(
        self, settings: Any, member_client: Client, setting: str | None, target: str
    ) -> None:
        settings.LOGIN_REDIRECT_URL = setting
        assert member_client.get(REGISTER)["Location"] == target

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

    def test_without_invite_mode_anybody_registers(self, settings: Any) -> None:
        settings.INVITE_MODE = False
        client = Client()
        response = client.get(REGISTER)
        assert response.status_code == 200
        assert "readonly" not in str(response.context["form"]["email"])
        assert response.context["invitation_key"] == ""
        assert client.post(REGISTER, answers()).status_code == 302
        assert scenes.accounts().get().is_active is self.active_with_any_key
        assert Acceptance.objects.count() == 0

    def test_without_invite_mode_a_carried_invitation_is_still_recorded(
        self, settings: Any, visitor: Client, invitation: InvitationKey
    ) -> None:
        settings.INVITE_MODE = False
        field = visitor.get(REGISTER).context["form"]["email"]
        assert field.value() == NEWCOMER
        assert "readonly" not in str(field)
        visitor.post(REGISTER, answers())
        invitation.refresh_from_db()
        assert invitation.status == "accepted"
        assert Acceptance.objects.get().user == scenes.accounts().get()

    def test_without_invite_mode_another_address_leaves_the_invitation_open(
        self, settings: Any, visitor: Client, invitation: InvitationKey
    ) -> None:
        settings.INVITE_MODE = False
        assert visitor.post(REGISTER, answers("other@example.com")).status_code == 302
        invitation.refresh_from_db()
        assert invitation.status == "pending"
        assert scenes.accounts("other@example.com").get().is_active is self.active_with_any_key

    @pytest.mark.parametrize("end", scenes.ENDS)
    def test_without_invite_mode_a_dead_invitation_does_not_matter(
        self, settings: Any, visitor: Client, invitation: InvitationKey, end: str
    ) -> None:
        settings.INVITE_MODE = False
        scenes.end(invitation, end)
        assert visitor.post(REGISTER, answers()).status_code == 302
        assert scenes.accounts().get().is_active is self.active_with_any_key
        assert Acceptance.objects.count() == 0

    def test_without_invite_mode_an_invitation_that_ends_before_the_claim_does_not_matter(
        self, settings: Any, visitor: Client, invitation: InvitationKey, before_claim: Any
    ) -> None:
        settings.INVITE_MODE = False
        before_claim(lambda: scenes.end(invitation, "revoked"))
        assert visitor.post(REGISTER, answers()).status_code == 302
        assert Acceptance.objects.count() == 0

    def test_without_invite_mode_a_crash_still_leaves_nothing(
        self, settings: Any, commit: Commit
    ) -> None:
        settings.INVITE_MODE = False
        before = scenes.dump()
        with (
            commit(),
            scenes.crashing(redux_signals.user_registered),
            pytest.raises(Crash),
        ):
            Client().post(REGISTER, answers())
        assert scenes.dump() == before
        assert mail.outbox == []

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

    # -- pages that are open to visitors ----------------------------------------------------

    def test_its_pages_are_open_where_all_others_need_a_login(
        self, settings: Any, invitation: InvitationKey
    ) -> None:
        required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
        settings.MIDDLEWARE = [
            *(name for name in settings.MIDDLEWARE if name != required),
            required,
        ]
        visitor = scenes.visit(invitation, channel=self.channel)
        assert visitor.get(LANDING).status_code == 200
        assert visitor.get(REGISTER).status_code == 200
        assert visitor.get("/accounts/register/closed/").status_code == 200
        assert visitor.get("/accounts/login/").status_code == 200
        assert visitor.post(REGISTER, answers()).status_code == 302
        assert visitor.get("/accounts/invite/").status_code == (200 if self.active_at_once else 302)

    # -- where the newcomer lands -----------------------------------------------------------

    def test_who_is_logged_in_at_once_lands_where_the_invitation_leads(
        self, visitor: Client
    ) -> None:
        InvitationKey.objects.update(destination="/welcome/?new=1")
        landed = visitor.post(REGISTER, answers())["Location"]
        assert (landed == "/welcome/?new=1") is self.active_at_once

    @pytest.mark.parametrize(
        "path",
        ["//evil.example/", "https://evil.example/", "/\\evil.example", "home", "admin:index"],
    )
    def test_an_invitation_leads_nowhere_else_whatever_the_row_says(
        self, visitor: Client, path: str
    ) -> None:
        InvitationKey.objects.update(destination=path)
        expected = "/" if self.active_at_once else "/accounts/register/complete/"
        assert visitor.post(REGISTER, answers())["Location"] == expected

    def test_who_registers_without_his_invitation_is_not_led_by_it(
        self, settings: Any, visitor: Client
    ) -> None:
        settings.INVITE_MODE = False
        InvitationKey.objects.update(destination="/welcome/")
        landed = visitor.post(REGISTER, answers("other@example.com"))["Location"]
        assert landed != "/welcome/"


class TwoStepContract(BackendContract):
    """Show what is added by a second step: activation by the link in redux's own mail."""

    active_at_once = False
    #: Whether the account is usable as soon as it is activated.
    usable_when_activated = True

    @pytest.fixture
    def registered(self, invitation: InvitationKey, commit: Commit) -> Client:
        """Return the browser of somebody who has registered, with the copied key."""
        visitor = scenes.visit(invitation, channel=keys.COPY)
        with commit():
            assert visitor.post(REGISTER, answers()).status_code == 302
        return visitor

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

    def test_nobody_is_logged_in_before_the_activation(self, registered: Client) -> None:
        assert SESSION_KEY not in registered.session

    def test_the_activation_is_recorded_and_announced_once(
        self, registered: Client, commit: Commit
    ) -> None:
        with scenes.received(signals.invitation_activated) as activated:
            self.activate(registered, commit)
            self.activate(registered, commit)
        acceptance = Acceptance.objects.get()
        assert (acceptance.activated_at is not None) is self.usable_when_activated
        assert len(activated) == self.usable_when_activated
        assert scenes.accounts().get().is_active is self.usable_when_activated

    def test_who_has_activated_lands_where_the_invitation_leads(
        self, registered: Client, commit: Commit
    ) -> None:
        InvitationKey.objects.update(destination="/welcome/")
        usual = "/accounts/activate/complete/"
        for _click in range(2):
            landed = self.activate(registered, commit)["Location"]
            assert landed == ("/welcome/" if self.usable_when_activated else usual)

    def test_after_the_activation_too_it_leads_nowhere_else(
        self, registered: Client, commit: Commit
    ) -> None:
        InvitationKey.objects.update(destination="//evil.example/")
        landed = self.activate(registered, commit)["Location"]
        assert landed == "/accounts/activate/complete/"

    def test_an_account_that_was_never_usable_gives_the_invitation_back(
        self, registered: Client, invitation: InvitationKey
    ) -> None:
        scenes.accounts().get().delete()
        invitation.refresh_from_db()
        assert (invitation.status, invitation.uses) == ("pending", 0)
        assert scenes.visit(invitation).post(REGISTER, answers()).status_code == 302

    def test_the_clean_up_of_redux_gives_the_invitation_back(
        self, registered: Client, invitation: InvitationKey
    ) -> None:
        long_ago = scenes.accounts().get().date_joined - timedelta(days=30)
        scenes.accounts().update(date_joined=long_ago)
        call_command("cleanupregistration")
        assert not scenes.accounts().exists()
        invitation.refresh_from_db()
        assert (invitation.status, invitation.uses) == ("pending", 0)

    def test_deleting_many_accounts_at_once_gives_the_invitation_back(
        self, registered: Client, invitation: InvitationKey
    ) -> None:
        scenes.accounts().delete()
        invitation.refresh_from_db()
        assert (invitation.status, invitation.uses) == ("pending", 0)

    def test_a_released_invitation_whose_time_ran_out_stays_shut(
        self, registered: Client, invitation: InvitationKey
    ) -> None:
        scenes.end(invitation, "expired")
        scenes.accounts().get().delete()
        invitation.refresh_from_db()
        with pytest.raises(KeyRefused):
            arriving.open_invitation(invitation.key)

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
        assert "could not be sent" in page
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
        assert "could not be sent" not in page

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
        settings.INVITATION_LIMIT_PER_CLIENT = 3
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


class OneStepContract(BackendContract):
    """Show what is done at once: the account is active and logged in."""

    active_at_once = True

    def test_the_newcomer_is_logged_in(self, visitor: Client) -> None:
        visitor.post(REGISTER, answers())
        assert visitor.session[SESSION_KEY] == str(scenes.accounts().get().pk)

    def test_the_newcomer_is_led_into_the_site(self, visitor: Client) -> None:
        assert visitor.post(REGISTER, answers())["Location"] == "/"

    def test_the_login_gets_a_session_of_its_own(self, visitor: Client) -> None:
        planted = visitor.session
        planted["planted"] = True
        planted.save()
        visitor.post(REGISTER, answers())
        assert visitor.session.session_key != planted.session_key

    def test_nobody_is_logged_in_before_the_account_is_sure(self, visitor: Client) -> None:
        with (
            scenes.received(user_logged_in) as logged_in,
            scenes.crashing(post_save, sender=Acceptance),
            pytest.raises(Crash),
        ):
            visitor.post(REGISTER, answers())
        assert logged_in == []

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

    def test_a_site_below_a_path_leads_to_its_own_first_page(
        self, invitation: InvitationKey
    ) -> None:
        visitor = scenes.visit(invitation, channel=self.channel)
        with override_script_prefix("/shop/"):
            assert visitor.post(REGISTER, answers())["Location"] == "/shop/"

    def test_no_second_mail_leaves(self, visitor: Client, commit: Commit) -> None:
        with commit():
            visitor.post(REGISTER, answers())
        assert mail.outbox == []

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
