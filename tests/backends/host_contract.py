"""What every registration host must show: classes that the tests of each host inherit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model, user_logged_in
from django.contrib.auth.models import Group
from django.core import mail
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import IntegrityError
from django.db.models.signals import post_save, pre_save
from django.test import Client

from invitation import keys, signals
from invitation.exceptions import KeyRefused
from invitation.flows import arriving
from invitation.models import Acceptance, InvitationKey, InvitationQuota
from tests import scenes
from tests.scenes import LANDING, NEWCOMER, Crash, answers

Commit = Callable[..., Any]


@pytest.mark.django_db
class HostContract:
    """Show that signing up is gated, and that account and invitation are made for each other."""

    #: Path of the sign-up page.
    register_url: str
    #: Template of the sign-up page.
    form_template: str
    #: Page on which a newcomer lands who need not do anything else, or must take a second step.
    landing_url: str
    #: Whether an account is usable and logged in at once when it comes with the emailed link.
    active_at_once: bool
    #: Whether it is so with any key.
    active_with_any_key: bool = False
    #: By which link the visitor comes.
    channel = keys.MAIL
    #: Whether the host makes no second account for an address.
    unique_email = False
    #: Verb of ``arriving`` by which the host claims.
    claim_verb = "claiming"
    #: Signal that is sent inside the claim when the account has been made, and whose.
    late_signal: tuple[Any, dict[str, Any]]

    def answers(self, *typed: str, **more: Any) -> dict[str, Any]:
        """Return what a newcomer types into the form."""
        return answers(*typed, **more)

    def sign_up(self, browser: Client, *typed: str, **more: Any) -> Any:
        """Post what a newcomer types, and return the response."""
        return browser.post(self.register_url, self.answers(*typed, **more))

    def is_usable(self, account: Any) -> bool:
        """Tell whether the holder of an account can use it without a further step."""
        return bool(account.is_active)

    def make_usable(self, account: Any) -> None:
        """Let the holder of an account have taken every step."""
        account.is_active = True
        account.save()

    def share(self) -> InvitationKey:
        """Return a shared link, also where the user model knows no permissions."""
        row = scenes.invite(scenes.make_user(f"owner{InvitationKey.objects.count()}"))
        changes = {"shared": True, "email": "", "email_key": "", "max_uses": None}
        InvitationKey.objects.filter(pk=row.pk).update(**changes, pending_slot=None)
        row.refresh_from_db()
        return row

    @pytest.fixture
    def invitation(self, member: Any) -> InvitationKey:
        return scenes.invite(member)

    @pytest.fixture
    def visitor(self, invitation: InvitationKey) -> Client:
        return scenes.visit(invitation, channel=self.channel)

    @pytest.fixture
    def before_claim(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
        """Call it with what somebody else does between the check of a form and the claim."""
        claim = getattr(arriving, self.claim_verb)

        def set_up(happens: Callable[[], Any]) -> None:
            def late(*args: Any, **kwargs: Any) -> Any:
                happens()
                return claim(*args, **kwargs)

            monkeypatch.setattr(arriving, self.claim_verb, late)

        return set_up

    # -- the gate ---------------------------------------------------------------------------

    @pytest.mark.parametrize("method", ["get", "post", "head", "options", "put"])
    def test_without_a_key_it_is_closed(self, method: str) -> None:
        before = scenes.dump()
        response = getattr(Client(), method)(self.register_url)
        assert response.status_code == 403
        assert scenes.dump() == before

    def test_without_a_key_the_page_says_that_one_is_needed(self) -> None:
        response = Client().get(self.register_url)
        assert scenes.flags(response) == {"no_key"}
        assert "invitation/wrong_invitation_key.html" in [used.name for used in response.templates]

    def test_a_form_posted_without_a_key_makes_no_account(self) -> None:
        response = self.sign_up(Client())
        assert response.status_code == 403
        assert not scenes.accounts().exists()

    def test_with_a_key_the_form_is_shown(self, visitor: Client) -> None:
        response = visitor.get(self.register_url)
        assert response.status_code == 200
        assert self.form_template in [used.name for used in response.templates]

    def test_with_a_key_an_account_is_made(
        self, visitor: Client, invitation: InvitationKey, commit: Commit
    ) -> None:
        with commit():
            response = self.sign_up(visitor)
        assert response.status_code == 302
        account = scenes.accounts().get()
        assert account.check_password(scenes.PASSWORD)
        assert self.is_usable(account) is self.active_at_once
        invitation.refresh_from_db()
        assert (invitation.status, invitation.uses) == ("accepted", 1)

    def test_the_form_knows_who_invites(
        self, visitor: Client, invitation: InvitationKey, member: Any
    ) -> None:
        context = visitor.get(self.register_url).context
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
            Client().get(self.register_url, {"invitation_key": key}),
            Client().get(self.register_url, {"registration_key": key}),
            self.sign_up(Client(), invitation_key=key),
            self.sign_up(Client(), registration_key=key),
        ):
            assert (response.status_code, scenes.flags(response)) == (404, {"invalid_key"})
        assert not scenes.accounts().exists()

    @pytest.mark.parametrize("cookie", ["x", "x" * 66, "x" * 4000, '"', "%00", "null"])
    def test_a_cookie_that_is_no_key_is_refused(self, cookie: str) -> None:
        client = Client(headers={"cookie": f"invitation_key={cookie}"})
        response = self.sign_up(client)
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
        response = getattr(visitor, method)(self.register_url, self.answers())
        assert (response.status_code, scenes.flags(response)) == (status, {code})
        assert scenes.dump() == before

    def test_a_key_of_another_site_is_refused(self, invitation: InvitationKey) -> None:
        InvitationKey.objects.update(site_id=invitation.site_id + 1)
        response = Client().get(self.register_url, {"invitation_key": invitation.key})
        assert response.status_code == 404
        invitation.refresh_from_db()
        response = Client().get(self.register_url, {"invitation_key": invitation.key})
        assert response.status_code == 404

    def test_a_used_key_is_refused(self, visitor: Client, invitation: InvitationKey) -> None:
        self.sign_up(visitor)
        response = self.sign_up(Client(), name="second", invitation_key=invitation.mail_key)
        assert (response.status_code, scenes.flags(response)) == (410, {"no_uses_left_key"})
        assert scenes.accounts().count() == 1

    def test_nobody_who_registered_carries_the_key_any_longer(self, visitor: Client) -> None:
        self.sign_up(visitor)
        assert visitor.cookies["invitation_key"].value == ""
        assert visitor.cookies["invitation_key"]["max-age"] == 0

    def test_a_second_submit_of_the_same_form_does_no_harm(self, visitor: Client) -> None:
        self.sign_up(visitor)
        response = self.sign_up(visitor)
        assert response.status_code in (302, 403)
        assert scenes.accounts().count() == 1

    # -- where the key may stand ------------------------------------------------------------

    @pytest.mark.parametrize("name", ["invitation_key", "registration_key"])
    @pytest.mark.parametrize("channel", keys.CHANNELS)
    def test_the_key_may_be_posted(
        self, invitation: InvitationKey, name: str, channel: str
    ) -> None:
        key = keys.make(invitation.locator, channel, invitation.site_id)
        assert self.sign_up(Client(), **{name: key}).status_code == 302
        assert scenes.accounts().count() == 1

    @pytest.mark.parametrize("name", ["invitation_key", "registration_key"])
    def test_the_key_may_stand_in_the_address_without_cookies(
        self, invitation: InvitationKey, name: str
    ) -> None:
        client = Client()
        address = f"{self.register_url}?{name}={invitation.key}"
        assert client.get(address).status_code == 200
        client.cookies.clear()
        assert client.post(address, self.answers()).status_code == 302
        assert scenes.accounts().count() == 1

    @pytest.mark.parametrize("name", ["invitation_key", "registration_key"])
    def test_a_key_in_the_address_is_carried_from_then_on(
        self, invitation: InvitationKey, name: str
    ) -> None:
        client = Client()
        client.get(self.register_url, {name: invitation.key})
        assert client.get(LANDING).status_code == 200
        assert self.sign_up(client).status_code == 302

    def test_a_key_that_is_given_goes_before_the_one_that_is_carried(
        self, visitor: Client, member: Any
    ) -> None:
        other = scenes.invite(member, "other@example.com")
        response = visitor.get(self.register_url, {"invitation_key": other.key})
        assert response.context["invitation"] == other

    def test_a_blank_parameter_gives_no_key(self, visitor: Client) -> None:
        assert visitor.get(self.register_url, {"invitation_key": ""}).status_code == 200

    def test_of_several_keys_in_the_address_one_is_taken(self, invitation: InvitationKey) -> None:
        response = Client().get(self.register_url, {"invitation_key": ["x", invitation.key]})
        assert response.status_code == 200

    # -- cross-site requests ----------------------------------------------------------------

    def test_a_form_without_a_csrf_token_is_refused(self, invitation: InvitationKey) -> None:
        visitor = scenes.visit(invitation, enforce_csrf_checks=True)
        visitor.get(self.register_url)
        before = scenes.dump()
        assert self.sign_up(visitor).status_code == 403
        assert scenes.dump() == before

    def test_a_form_with_its_csrf_token_is_taken(self, invitation: InvitationKey) -> None:
        visitor = scenes.visit(invitation, enforce_csrf_checks=True)
        visitor.get(self.register_url)
        token = visitor.cookies["csrftoken"].value
        response = self.sign_up(visitor, csrfmiddlewaretoken=token)
        assert response.status_code == 302

    # -- the address ------------------------------------------------------------------------

    def test_the_invited_address_is_filled_in_and_locked(self, visitor: Client) -> None:
        field = visitor.get(self.register_url).context["form"]["email"]
        assert field.value() == NEWCOMER
        assert "readonly" in str(field)
        assert 'autocomplete="email"' in str(field)
        assert field.help_text

    @pytest.mark.parametrize("invite_mode", [True, False])
    def test_the_browser_is_told_what_the_fields_are_for(
        self, settings: Any, visitor: Client, invite_mode: bool
    ) -> None:
        settings.INVITE_MODE = invite_mode
        form = (Client() if not invite_mode else visitor).get(self.register_url).context["form"]
        assert 'autocomplete="email"' in str(form["email"])
        login_name = get_user_model().USERNAME_FIELD
        assert login_name == "email" or 'autocomplete="username"' in str(form[login_name])

    @pytest.mark.parametrize("email", ["other@example.com", "new@example.org", "new+1@example.com"])
    def test_another_address_is_refused_with_a_form_error(
        self, visitor: Client, invitation: InvitationKey, email: str
    ) -> None:
        before = scenes.dump()
        response = self.sign_up(visitor, email)
        assert response.status_code == 200
        [error] = response.context["form"].errors["email"]
        assert NEWCOMER in error
        assert scenes.dump() == before

    @pytest.mark.parametrize("email", ["", "new", "new@example.com\0", "a@b.c" * 2000, "nеw@x.y"])
    def test_a_bad_address_is_a_form_error(self, visitor: Client, email: str) -> None:
        response = self.sign_up(visitor, email)
        assert response.status_code == 200
        assert response.context["form"].errors

    def test_the_address_is_compared_without_regard_to_case(self, visitor: Client) -> None:
        assert self.sign_up(visitor, "NEW@Example.COM").status_code == 302

    def test_of_several_addresses_the_one_that_the_form_takes_is_compared(
        self, visitor: Client
    ) -> None:
        response = visitor.post(
            self.register_url, self.answers() | {"email": [NEWCOMER, "other@example.com"]}
        )
        assert response.status_code == 200
        assert not get_user_model().objects.filter(email="other@example.com").exists()

    def test_the_form_of_one_invitation_is_not_taken_for_another(self, member: Any) -> None:
        first = scenes.invite(member, "first@example.com")
        second = scenes.invite(member, "second@example.com")
        browser = scenes.visit(first)
        filled_in = self.answers(browser.get(self.register_url).context["form"]["email"].value())
        browser.get(scenes.link(second.mail_key))
        response = browser.post(self.register_url, filled_in)
        assert response.status_code == 200
        [error] = response.context["form"].errors["email"]
        assert "second@example.com" in error
        assert Acceptance.objects.count() == 0

    def filled_in(self, browser: Client, **typed: Any) -> dict[str, Any]:
        """Return what is posted of the page's form, hidden fields included."""
        form = browser.get(self.register_url).context["form"]
        hidden = {field.html_name: field.value() for field in form.hidden_fields()}
        return self.answers(form["email"].value(), **typed) | hidden

    def test_the_form_shows_no_more_of_the_key_than_anybody_may_see(
        self, visitor: Client, invitation: InvitationKey
    ) -> None:
        assert self.filled_in(visitor)["invitation_hint"] == invitation.key_hint
        page = visitor.get(self.register_url).content.decode()
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
        response = browser.post(self.register_url, posted)
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
            assert browser.post(self.register_url, posted).status_code == 302
        assert Acceptance.objects.get().invitation == second
        assert scenes.accounts(email).exists()

    def test_the_form_of_another_tab_says_so_beside_its_other_errors(self, member: Any) -> None:
        first = scenes.invite(member, "first@example.com")
        second = scenes.invite(member, "second@example.com")
        browser = scenes.visit(first)
        posted = self.filled_in(browser, password2="x")
        browser.get(scenes.link(second.mail_key))
        form = browser.post(self.register_url, posted).context["form"]
        assert form.has_error(NON_FIELD_ERRORS, code="another_invitation")
        assert form.has_error("password2")
        assert form["invitation_hint"].value() == second.key_hint

    @pytest.mark.parametrize("hint", ["", "x", "é" * 3000, "a\0b"])
    def test_a_hint_of_no_invitation_is_harmless(self, visitor: Client, hint: str) -> None:
        response = self.sign_up(visitor, invitation_hint=hint)
        assert response.status_code == (200 if hint else 302)
        assert scenes.accounts().count() == (0 if hint else 1)

    @pytest.mark.parametrize("domain", ["xn--bcher-kva.example", "bücher.example"])
    def test_the_account_gets_the_invited_address_whatever_script_was_typed(
        self, member: Any, domain: str
    ) -> None:
        invitation = scenes.invite(member, "new@bücher.example")
        browser = scenes.visit(invitation, channel=self.channel)
        assert self.sign_up(browser, f"new@{domain}").status_code == 302
        assert Acceptance.objects.get().user.email == invitation.email

    def test_with_the_policy_any_another_address_registers(
        self, settings: Any, visitor: Client, commit: Commit
    ) -> None:
        settings.INVITATION_EMAIL_POLICY = "any"
        field = visitor.get(self.register_url).context["form"]["email"]
        assert field.value() == NEWCOMER
        assert "readonly" not in str(field)
        mail.outbox.clear()
        with scenes.received(signals.invitation_accepted) as accepted, commit():
            response = self.sign_up(visitor, "other@example.com")
        assert response.status_code == 302
        assert Acceptance.objects.get().user == scenes.accounts("other@example.com").get()
        assert [sent["address_proven"] for sent in accepted] == [False]

    def test_with_the_policy_any_another_address_is_never_proven(
        self, settings: Any, visitor: Client
    ) -> None:
        settings.INVITATION_EMAIL_POLICY = "any"
        self.sign_up(visitor, "other@example.com")
        account = scenes.accounts("other@example.com").get()
        assert self.is_usable(account) is self.active_with_any_key

    def test_only_the_mailed_key_proves_the_address(
        self, member: Any, invitation: InvitationKey, commit: Commit
    ) -> None:
        other = scenes.invite(member, "other@example.com")
        with scenes.received(signals.invitation_accepted) as accepted, commit():
            self.sign_up(scenes.visit(invitation, channel=keys.COPY))
            self.sign_up(scenes.visit(other, channel=keys.MAIL), "other@example.com", name="other")
        assert [sent["address_proven"] for sent in accepted] == [False, True]
        assert self.is_usable(scenes.accounts().get()) is self.active_with_any_key

    def test_an_invitation_addressed_to_nobody_takes_any_address(self, member: Any) -> None:
        invitation = InvitationKey.objects.create_invitation(member)
        visitor = scenes.visit(invitation, channel=keys.COPY)
        assert visitor.get(self.register_url).context["form"]["email"].value() is None
        assert self.sign_up(visitor).status_code == 302

    # -- the form ---------------------------------------------------------------------------

    def test_a_form_with_errors_spends_nothing(self, visitor: Client) -> None:
        before = scenes.dump()
        response = self.sign_up(visitor, password2="something else")
        assert response.status_code == 200
        assert response.context["form"].errors
        assert scenes.dump() == before

    def test_an_empty_form_is_shown_again(self, visitor: Client) -> None:
        response = visitor.post(self.register_url)
        assert response.status_code == 200
        assert response.context["form"].errors

    def test_nothing_but_the_fields_of_the_form_is_taken(
        self, visitor: Client, invitation: InvitationKey
    ) -> None:
        self.sign_up(
            visitor, is_staff="1", is_superuser="1", is_active="1", max_uses="9", from_user="1"
        )
        account = scenes.accounts().get()
        assert (account.is_staff, account.is_superuser) == (False, False)
        assert self.is_usable(account) is self.active_at_once
        invitation.refresh_from_db()
        assert (invitation.max_uses, invitation.uses) == (1, 1)

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
            response = self.sign_up(visitor)
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
            response = self.sign_up(visitor)
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
            response = self.sign_up(visitor)
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
            self.sign_up(visitor)

    # -- both or neither --------------------------------------------------------------------

    def steps(self) -> dict[str, Any]:
        """Return what happens between the claim and the commit: signals to crash in."""
        return {
            "before the account": (pre_save, {"sender": get_user_model()}),
            "after the account": (post_save, {"sender": get_user_model()}),
            "in a receiver of the host's signal": self.late_signal,
            "before the acceptance": (pre_save, {"sender": Acceptance}),
            "after the acceptance": (post_save, {"sender": Acceptance}),
        }

    @pytest.mark.parametrize(
        "step",
        [
            "before the account",
            "after the account",
            "in a receiver of the host's signal",
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
            self.sign_up(visitor)
        assert scenes.dump() == before
        assert mail.outbox == []
        assert accepted == []
        assert SESSION_KEY not in visitor.session

    def test_after_something_went_wrong_the_invitation_still_works(self, visitor: Client) -> None:
        signal, connected = self.late_signal
        with scenes.crashing(signal, **connected), pytest.raises(Crash):
            self.sign_up(visitor)
        assert self.sign_up(visitor).status_code == 302

    @pytest.mark.django_db(transaction=True)
    def test_a_mail_server_that_is_down_is_no_error_page(self, visitor: Client) -> None:
        with scenes.broken_mail():
            assert self.sign_up(visitor).status_code == 302
        assert scenes.accounts().count() == 1
        assert Acceptance.objects.count() == 1

    # -- what is recorded and announced -----------------------------------------------------

    def test_who_came_through_which_invitation_is_recorded(
        self, visitor: Client, invitation: InvitationKey
    ) -> None:
        self.sign_up(visitor)
        acceptance = Acceptance.objects.get()
        assert (acceptance.invitation, acceptance.user) == (invitation, scenes.accounts().get())
        assert (acceptance.activated_at is not None) is self.active_at_once

    def test_the_acceptance_is_announced_after_the_commit(
        self, visitor: Client, invitation: InvitationKey, commit: Commit
    ) -> None:
        with ExitStack() as stack:
            accepted = stack.enter_context(scenes.received(signals.invitation_accepted))
            activated = stack.enter_context(scenes.received(signals.invitation_activated))
            with commit():
                self.sign_up(visitor)
                assert accepted == []
        [sent] = accepted
        assert sent["sender"] is InvitationKey
        assert (sent["invitation"], sent["user"]) == (invitation, scenes.accounts().get())
        assert len(activated) == self.active_at_once

    def test_the_quota_of_the_inviter_stays_spent(self, visitor: Client) -> None:
        self.sign_up(visitor)
        assert InvitationQuota.objects.get().spent == 1

    def test_an_account_that_was_there_before_is_not_touched(self, visitor: Client) -> None:
        login_name = get_user_model().USERNAME_FIELD
        before = scenes.make_user("someone", email=NEWCOMER)
        row = get_user_model().objects.filter(pk=before.pk).values().get()
        self.sign_up(visitor)
        rows = get_user_model().objects.filter(pk=before.pk)
        assert rows.values().get() == row
        only = self.unique_email or login_name == "email"
        assert scenes.accounts().count() == (1 if only else 2)

    def test_the_account_joins_the_groups_that_its_inviter_may_give(
        self, settings: Any, member: Any
    ) -> None:
        settings.INVITATION_GRANTABLE_GROUPS = lambda user: Group.objects.all()
        group = Group.objects.create(name="Altos")
        invitation = scenes.invite(member, groups=[group])
        visitor = scenes.visit(invitation, channel=self.channel)
        assert self.sign_up(visitor, groups="7", group="7").status_code == 302
        account = scenes.accounts().get()
        # A user model without groups is welcome all the same.
        assert list(account.groups.all() if hasattr(account, "groups") else [group]) == [group]

    # -- deleting the account ---------------------------------------------------------------

    def test_an_account_that_was_usable_keeps_the_invitation_used(
        self, visitor: Client, invitation: InvitationKey
    ) -> None:
        self.sign_up(visitor)
        account = scenes.accounts().get()
        self.make_usable(account)
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
        for response in (
            visitor.get(self.register_url),
            self.sign_up(visitor),
        ):
            assert (response.status_code, response["Location"]) == (302, LANDING)
        assert scenes.dump() == before

    def test_who_is_signed_in_may_sign_out_and_register(self, visitor: Client, member: Any) -> None:
        visitor.force_login(member)
        context = visitor.get(LANDING).context
        response = visitor.post(context["logout_url"], {"next": LANDING})
        assert response["Location"] == LANDING
        assert visitor.get(LANDING).context["user"].is_anonymous
        assert self.sign_up(visitor).status_code == 302

    def test_a_key_in_the_address_reaches_the_landing_page_of_who_is_signed_in(
        self, invitation: InvitationKey, member_client: Client
    ) -> None:
        response = member_client.get(
            self.register_url, {"invitation_key": invitation.key}, follow=True
        )
        assert response.context["invitation"] == invitation

    @pytest.mark.parametrize(("setting", "target"), [("/in/", "/in/"), ("home", "/")])
    def test_who_is_signed_in_without_an_invitation_is_led_into_the_site(
        self, settings: Any, member_client: Client, setting: str, target: str
    ) -> None:
        settings.LOGIN_REDIRECT_URL = setting
        assert member_client.get(self.register_url)["Location"] == target

    # -- the modes of a site ----------------------------------------------------------------

    def test_without_invite_mode_anybody_registers(self, settings: Any) -> None:
        settings.INVITE_MODE = False
        client = Client()
        response = client.get(self.register_url)
        assert response.status_code == 200
        assert "readonly" not in str(response.context["form"]["email"])
        assert response.context["invitation_key"] == ""
        assert self.sign_up(client).status_code == 302
        assert self.is_usable(scenes.accounts().get()) is self.active_with_any_key
        assert Acceptance.objects.count() == 0

    def test_without_invite_mode_a_carried_invitation_is_still_recorded(
        self, settings: Any, visitor: Client, invitation: InvitationKey
    ) -> None:
        settings.INVITE_MODE = False
        field = visitor.get(self.register_url).context["form"]["email"]
        assert field.value() == NEWCOMER
        assert "readonly" not in str(field)
        self.sign_up(visitor)
        invitation.refresh_from_db()
        assert invitation.status == "accepted"
        assert Acceptance.objects.get().user == scenes.accounts().get()

    def test_without_invite_mode_another_address_leaves_the_invitation_open(
        self, settings: Any, visitor: Client, invitation: InvitationKey
    ) -> None:
        settings.INVITE_MODE = False
        assert self.sign_up(visitor, "other@example.com").status_code == 302
        invitation.refresh_from_db()
        assert invitation.status == "pending"
        assert (
            self.is_usable(scenes.accounts("other@example.com").get()) is self.active_with_any_key
        )

    @pytest.mark.parametrize("end", scenes.ENDS)
    def test_without_invite_mode_a_dead_invitation_does_not_matter(
        self, settings: Any, visitor: Client, invitation: InvitationKey, end: str
    ) -> None:
        settings.INVITE_MODE = False
        scenes.end(invitation, end)
        assert self.sign_up(visitor).status_code == 302
        assert self.is_usable(scenes.accounts().get()) is self.active_with_any_key
        assert Acceptance.objects.count() == 0

    def test_without_invite_mode_an_invitation_that_ends_before_the_claim_does_not_matter(
        self, settings: Any, visitor: Client, invitation: InvitationKey, before_claim: Any
    ) -> None:
        settings.INVITE_MODE = False
        before_claim(lambda: scenes.end(invitation, "revoked"))
        assert self.sign_up(visitor).status_code == 302
        assert Acceptance.objects.count() == 0

    def test_without_invite_mode_a_crash_still_leaves_nothing(
        self, settings: Any, commit: Commit
    ) -> None:
        settings.INVITE_MODE = False
        signal, connected = self.late_signal
        before = scenes.dump()
        with (
            commit(),
            scenes.crashing(signal, **connected),
            pytest.raises(Crash),
        ):
            self.sign_up(Client())
        assert scenes.dump() == before
        assert mail.outbox == []

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
        assert visitor.get(self.register_url).status_code == 200
        assert visitor.get("/accounts/login/").status_code == 200
        assert self.sign_up(visitor).status_code == 302
        assert visitor.get("/accounts/invite/").status_code == (200 if self.active_at_once else 302)

    # -- where the newcomer lands -----------------------------------------------------------

    def test_who_is_logged_in_at_once_lands_where_the_invitation_leads(
        self, visitor: Client
    ) -> None:
        InvitationKey.objects.update(destination="/welcome/?new=1")
        landed = self.sign_up(visitor)["Location"]
        assert (landed == "/welcome/?new=1") is self.active_at_once

    @pytest.mark.parametrize(
        "path",
        ["//evil.example/", "https://evil.example/", "/\\evil.example", "home", "admin:index"],
    )
    def test_an_invitation_leads_nowhere_else_whatever_the_row_says(
        self, visitor: Client, path: str
    ) -> None:
        InvitationKey.objects.update(destination=path)
        assert self.sign_up(visitor)["Location"] == self.landing_url

    def test_who_registers_without_their_invitation_is_not_led_by_it(
        self, settings: Any, visitor: Client
    ) -> None:
        settings.INVITE_MODE = False
        InvitationKey.objects.update(destination="/welcome/")
        landed = self.sign_up(visitor, "other@example.com")["Location"]
        assert landed != "/welcome/"


class TwoStepHostContract(HostContract):
    """Show what is added by a second step, after which the account is usable."""

    active_at_once = False
    #: Whether the account is usable as soon as it is activated.
    usable_when_activated = True
    #: How often the link of the host's email may be followed.
    clicks = 2
    #: Page on which a newcomer lands who has activated.
    activated_url: str

    def activate(self, visitor: Client, commit: Commit) -> Any:
        """Follow the link of the host's own email, and return the last response."""
        raise NotImplementedError

    @pytest.fixture
    def registered(self, invitation: InvitationKey, commit: Commit) -> Client:
        """Return the browser of somebody who has registered, with the copied key."""
        visitor = scenes.visit(invitation, channel=keys.COPY)
        with commit():
            assert self.sign_up(visitor).status_code == 302
        return visitor

    def test_nobody_is_logged_in_before_the_activation(self, registered: Client) -> None:
        assert SESSION_KEY not in registered.session

    def test_the_activation_is_recorded_and_announced_once(
        self, registered: Client, commit: Commit
    ) -> None:
        with scenes.received(signals.invitation_activated) as activated:
            for _click in range(self.clicks):
                self.activate(registered, commit)
        acceptance = Acceptance.objects.get()
        assert (acceptance.activated_at is not None) is self.usable_when_activated
        assert len(activated) == self.usable_when_activated
        assert scenes.accounts().get().is_active is self.usable_when_activated

    def test_who_has_activated_lands_where_the_invitation_leads(
        self, registered: Client, commit: Commit
    ) -> None:
        InvitationKey.objects.update(destination="/welcome/")
        for _click in range(self.clicks):
            landed = self.activate(registered, commit)["Location"]
            assert landed == ("/welcome/" if self.usable_when_activated else self.activated_url)

    def test_after_the_activation_too_it_leads_nowhere_else(
        self, registered: Client, commit: Commit
    ) -> None:
        InvitationKey.objects.update(destination="//evil.example/")
        landed = self.activate(registered, commit)["Location"]
        assert landed == self.activated_url

    def test_an_account_that_was_never_usable_gives_the_invitation_back(
        self, registered: Client, invitation: InvitationKey
    ) -> None:
        scenes.accounts().get().delete()
        invitation.refresh_from_db()
        assert (invitation.status, invitation.uses) == ("pending", 0)
        assert self.sign_up(scenes.visit(invitation)).status_code == 302

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


class OneStepHostContract(HostContract):
    """Show what is done at once: the account is usable and its holder logged in."""

    active_at_once = True

    def test_the_newcomer_is_logged_in(self, visitor: Client) -> None:
        self.sign_up(visitor)
        assert visitor.session[SESSION_KEY] == str(scenes.accounts().get().pk)

    def test_the_newcomer_is_led_into_the_site(self, visitor: Client) -> None:
        assert self.sign_up(visitor)["Location"] == self.landing_url

    def test_the_login_gets_a_session_of_its_own(self, visitor: Client) -> None:
        planted = visitor.session
        planted["planted"] = True
        planted.save()
        self.sign_up(visitor)
        assert visitor.session.session_key != planted.session_key

    def test_nobody_is_logged_in_before_the_account_is_sure(self, visitor: Client) -> None:
        with (
            scenes.received(user_logged_in) as logged_in,
            scenes.crashing(post_save, sender=Acceptance),
            pytest.raises(Crash),
        ):
            self.sign_up(visitor)
        assert logged_in == []

    def test_no_second_mail_leaves(self, visitor: Client, commit: Commit) -> None:
        with commit():
            self.sign_up(visitor)
        assert mail.outbox == []
