"""Signing up with an account of another provider: allauth's dummy one, the whole way round."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.dummy.provider import DummyProvider
from django.contrib.auth import SESSION_KEY, get_user_model
from django.core import mail
from django.db import OperationalError, connection
from django.db.models.signals import post_save
from django.test import Client

from invitation import keys
from invitation.flows import arriving
from invitation.flows.after_commit import transactions
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.scenes import NEWCOMER, Crash, answers
from tests.undone import undone_claims, undone_commits

FORM = "/accounts/3rdparty/signup/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


@pytest.fixture
def visitor(invitation: InvitationKey) -> Client:
    return scenes.visit(invitation)


def come(browser: Client, email: str = NEWCOMER, *, process: str = "login", **typed: Any) -> Any:
    """Go to the provider, agree there, and return what the site answers."""
    away = browser.post(f"/accounts/dummy/login/?process={process}")
    assert away.status_code == 302
    known = {"id": 7, "email": email, "username": "newcomer"} | typed
    return browser.post(away["Location"], known)


def test_the_invitation_survives_the_way_to_the_provider_and_back(
    visitor: Client, invitation: InvitationKey, commit: Any
) -> None:
    with commit():
        response = come(visitor)
    assert (response.status_code, response["Location"]) == (302, "/")
    account = scenes.accounts().get()
    assert SocialAccount.objects.get().user == account
    assert visitor.session[SESSION_KEY] == str(account.pk)
    acceptance = Acceptance.objects.get()
    assert (acceptance.invitation, acceptance.user) == (invitation, account)
    assert acceptance.activated_at is not None
    assert EmailAddress.objects.get().verified
    assert arriving.has_proven(account)
    assert mail.outbox == []


def test_a_copied_link_proves_nothing_on_the_way_either(
    invitation: InvitationKey, commit: Any
) -> None:
    visitor = scenes.visit(invitation, channel=keys.COPY)
    with commit():
        response = come(visitor)
    assert response["Location"] == "/accounts/confirm-email/"
    assert not EmailAddress.objects.get().verified
    assert Acceptance.objects.get().activated_at is None
    assert len(mail.outbox) == 1


def test_where_the_provider_has_verified_the_address_nobody_is_asked_again(
    invitation: InvitationKey,
) -> None:
    response = come(scenes.visit(invitation, channel=keys.COPY), email_verified="on")
    assert response["Location"] == "/"
    assert Acceptance.objects.get().activated_at is not None


def test_where_logins_from_providers_need_no_verified_address_the_account_is_usable(
    settings: Any, invitation: InvitationKey
) -> None:
    settings.SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
    visitor = scenes.visit(invitation, channel=keys.COPY)
    assert come(visitor)["Location"] == "/"
    assert not EmailAddress.objects.get().verified
    assert Acceptance.objects.get().activated_at is not None


@pytest.mark.parametrize("auto", [True, False])
def test_without_a_key_nobody_comes_in(settings: Any, auto: bool) -> None:
    settings.SOCIALACCOUNT_AUTO_SIGNUP = auto
    browser = Client()
    response = come(browser)
    assert (response.status_code, scenes.flags(response)) == (403, {"no_key"})
    assert "socialaccount_sociallogin" not in browser.session
    assert not scenes.accounts().exists()
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize("end", scenes.ENDS)
def test_a_key_whose_invitation_has_ended_says_why(
    visitor: Client, invitation: InvitationKey, end: str
) -> None:
    scenes.end(invitation, end)
    code, status = scenes.ENDS[end]
    response = come(visitor)
    assert (response.status_code, scenes.flags(response)) == (status, {code})
    assert not scenes.accounts().exists()


@pytest.mark.parametrize("auto", [True, False])
def test_another_address_gets_a_page_and_the_invitation_still_works(
    settings: Any, visitor: Client, invitation: InvitationKey, auto: bool
) -> None:
    settings.SOCIALACCOUNT_AUTO_SIGNUP = auto
    response = come(visitor, "other@example.com", email_verified="on")
    assert response.status_code == 403
    assert "invitation/wrong_address.html" in [used.name for used in response.templates]
    assert NEWCOMER in response.content.decode()
    assert not get_user_model().objects.filter(email="other@example.com").exists()
    assert not SocialAccount.objects.exists()
    assert visitor.get(FORM)["Location"] == "/accounts/login/"
    assert visitor.post("/accounts/signup/", answers()).status_code == 302
    assert Acceptance.objects.get().invitation == invitation


def test_with_the_policy_any_another_address_signs_up(settings: Any, visitor: Client) -> None:
    settings.INVITATION_EMAIL_POLICY = "any"
    come(visitor, "other@example.com")
    assert Acceptance.objects.get().user == scenes.accounts("other@example.com").get()
    assert not EmailAddress.objects.get().verified


def test_without_auto_signup_the_form_is_shown_with_the_address_locked(
    settings: Any, visitor: Client
) -> None:
    settings.SOCIALACCOUNT_AUTO_SIGNUP = False
    assert come(visitor)["Location"] == FORM
    page = visitor.get(FORM)
    assert page.status_code == 200
    assert page.context["form"]["email"].value() == NEWCOMER
    assert "readonly" in str(page.context["form"]["email"])
    assert page.context["inviter_name"]
    response = visitor.post(FORM, {"username": "newcomer", "email": "other@example.com"})
    assert response.context["form"].has_error("email")
    assert visitor.post(FORM, {"username": "newcomer", "email": NEWCOMER})["Location"] == "/"
    assert SocialAccount.objects.get().user == scenes.accounts().get()
    assert visitor.cookies["invitation_key"].value == ""


@pytest.mark.parametrize("fields", [["username*", "email*"], ["username*", "email"]])
def test_a_provider_without_an_address_leads_to_the_form(
    settings: Any, visitor: Client, fields: list[str]
) -> None:
    settings.ACCOUNT_SIGNUP_FIELDS = fields
    assert come(visitor, "")["Location"] == FORM
    form = visitor.get(FORM).context["form"]
    assert (form["email"].value(), "readonly" in str(form["email"])) == (NEWCOMER, True)
    typed = {"username": "newcomer", "email": NEWCOMER}
    assert visitor.post(FORM, typed)["Location"] == "/"
    assert Acceptance.objects.get().user == scenes.accounts().get()
    assert EmailAddress.objects.get().verified


def test_where_no_form_asks_for_an_address_the_provider_must_give_it(
    settings: Any, visitor: Client
) -> None:
    settings.ACCOUNT_SIGNUP_FIELDS = ["username*"]
    response = come(visitor, "")
    assert response.status_code == 403
    assert NEWCOMER in response.content.decode()
    assert not SocialAccount.objects.exists()
    assert come(visitor)["Location"] == "/"


def test_a_shared_link_lets_people_without_an_address_in(settings: Any, member: Any) -> None:
    settings.ACCOUNT_SIGNUP_FIELDS = ["username*", "email"]
    invitation = InvitationKey.objects.create_invitation(member)
    assert come(scenes.visit(invitation), "")["Location"] == "/accounts/confirm-email/"
    assert Acceptance.objects.get().user.email == ""


def test_of_several_addresses_the_account_gets_the_admitted_one(
    invitation: InvitationKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two(provider: Any, data: Any) -> list[EmailAddress]:
        return [
            EmailAddress(email="other@example.com", verified=True, primary=True),
            EmailAddress(email=NEWCOMER, verified=False, primary=False),
        ]

    monkeypatch.setattr(DummyProvider, "extract_email_addresses", two)
    come(scenes.visit(invitation, channel=keys.COPY))
    account = scenes.accounts().get()
    assert account.email == NEWCOMER
    assert [row.email for row in EmailAddress.objects.filter(user=account)] == [NEWCOMER]
    assert not EmailAddress.objects.get().verified
    assert Acceptance.objects.get().user == account


@pytest.mark.parametrize("auto", [True, False])
def test_an_address_that_has_an_account_reveals_nothing_and_uses_nothing(
    settings: Any, visitor: Client, invitation: InvitationKey, auto: bool
) -> None:
    settings.SOCIALACCOUNT_AUTO_SIGNUP = auto
    scenes.make_user("someone", email=NEWCOMER)
    response = come(visitor)
    if not auto:
        assert response["Location"] == FORM
        response = visitor.post(FORM, {"username": "newcomer", "email": NEWCOMER})
    assert response["Location"] == "/accounts/confirm-email/"
    assert scenes.accounts().count() == 1
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("pending", 0)


# Accounts that are there


def test_logging_in_with_a_provider_needs_no_invitation(member: Any) -> None:
    SocialAccount.objects.create(user=member, provider="dummy", uid="7")
    EmailAddress.objects.create(user=member, email=member.email, verified=True, primary=True)
    browser = Client()
    assert come(browser, "other@example.com")["Location"] == "/"
    assert browser.session[SESSION_KEY] == str(member.pk)


def test_logging_in_uses_no_invitation(member: Any, visitor: Client) -> None:
    SocialAccount.objects.create(user=member, provider="dummy", uid="7")
    EmailAddress.objects.create(user=member, email=member.email, verified=True, primary=True)
    come(visitor, "other@example.com")
    assert visitor.session[SESSION_KEY] == str(member.pk)
    assert Acceptance.objects.count() == 0
    assert visitor.cookies["invitation_key"].value
    assert visitor.get(scenes.LANDING).status_code == 200


def test_connecting_a_provider_needs_no_invitation(member: Any, member_client: Client) -> None:
    response = come(member_client, "other@example.com", process="connect")
    assert response["Location"] == "/accounts/3rdparty/"
    assert SocialAccount.objects.get().user == member
    assert member_client.session[SESSION_KEY] == str(member.pk)


# Both or neither


@pytest.mark.parametrize("auto", [True, False])
@pytest.mark.parametrize("model", [get_user_model(), SocialAccount, EmailAddress, Acceptance])
def test_what_goes_wrong_in_the_claim_leaves_nothing(
    settings: Any, visitor: Client, auto: bool, model: type
) -> None:
    settings.SOCIALACCOUNT_AUTO_SIGNUP = auto
    if not auto:
        come(visitor)
    before = {name: rows for name, rows in scenes.dump().items() if name != "django_session"}

    def sign_up() -> Any:
        form = {"username": "newcomer", "email": NEWCOMER}
        return come(visitor) if auto else visitor.post(FORM, form)

    with scenes.crashing(post_save, sender=model), pytest.raises(Crash):
        sign_up()
    after = {name: rows for name, rows in scenes.dump().items() if name != "django_session"}
    assert after == before
    assert SESSION_KEY not in visitor.session


@pytest.mark.parametrize("auto", [True, False])
@pytest.mark.django_db(transaction=True)
def test_what_the_database_undoes_is_done_again_with_fresh_rows(
    settings: Any, visitor: Client, auto: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "PAUSE", 0)
    settings.SOCIALACCOUNT_AUTO_SIGNUP = auto
    if auto:
        away = visitor.post("/accounts/dummy/login/?process=login")
        address, typed = away["Location"], {"id": 7, "email": NEWCOMER, "username": "newcomer"}
    else:
        come(visitor)
        address, typed = FORM, {"username": "newcomer", "email": NEWCOMER}
    with undone_claims(2) as claims:
        response = visitor.post(address, typed)
    assert claims == [False, False, True]
    assert response["Location"] == "/"
    account = scenes.accounts().get()
    assert SocialAccount.objects.get().user == account
    assert EmailAddress.objects.get().user == account
    assert Acceptance.objects.get().user == account
    assert visitor.session[SESSION_KEY] == str(account.pk)


@pytest.mark.django_db(transaction=True)
def test_after_many_tries_the_person_is_asked_to_try_again_and_can(
    settings: Any, visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "PAUSE", 0)
    settings.SOCIALACCOUNT_AUTO_SIGNUP = False
    come(visitor)
    typed = {"username": "newcomer", "email": NEWCOMER}
    with undone_commits(99):
        response = visitor.post(FORM, typed)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert not scenes.accounts().exists()
    assert visitor.post(FORM, typed)["Location"] == "/"


@pytest.mark.django_db(transaction=True)
def test_a_name_that_somebody_took_meanwhile_is_an_error_of_the_form(
    settings: Any, visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "PAUSE", 0)
    settings.SOCIALACCOUNT_AUTO_SIGNUP = False
    come(visitor)
    with undone_commits(1, meanwhile=lambda: scenes.make_user("newcomer")):
        response = visitor.post(FORM, {"username": "newcomer", "email": NEWCOMER})
    assert response.context["form"].has_error("username")
    assert visitor.post(FORM, {"username": "another", "email": NEWCOMER})["Location"] == "/"
    assert SocialAccount.objects.get().user == scenes.accounts().get()


@pytest.mark.django_db(transaction=True)
def test_an_address_that_somebody_took_meanwhile_leads_to_the_form(
    visitor: Client, invitation: InvitationKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "PAUSE", 0)

    def sign_up_somebody() -> None:
        account = scenes.make_user("someone", email=NEWCOMER)
        EmailAddress.objects.create(user=account, email=NEWCOMER, verified=True, primary=True)

    away = visitor.post("/accounts/dummy/login/?process=login")
    with undone_claims(1, meanwhile=sign_up_somebody):
        response = visitor.post(away["Location"], {"id": 7, "email": NEWCOMER})
    assert response["Location"] == FORM
    assert not SocialAccount.objects.exists()
    response = visitor.post(FORM, {"username": "newcomer", "email": NEWCOMER})
    assert response["Location"] == "/accounts/confirm-email/"
    assert scenes.accounts().count() == 1
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("pending", 0)


@pytest.mark.parametrize("error", [(1213, "Deadlock found"), ("disk I/O error",)])
@pytest.mark.django_db(transaction=True)
def test_in_one_transaction_with_the_request_the_person_is_asked_to_try_again(
    visitor: Client, monkeypatch: pytest.MonkeyPatch, error: tuple[Any, ...]
) -> None:
    def conflict(**kwargs: Any) -> None:
        raise OperationalError(*error)

    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    away = visitor.post("/accounts/dummy/login/?process=login")
    typed = {"id": 7, "email": NEWCOMER, "username": "newcomer"}
    post_save.connect(conflict, sender=SocialAccount)
    try:
        if len(error) == 1:
            with pytest.raises(OperationalError):
                visitor.post(away["Location"], typed)
        else:
            response = visitor.post(away["Location"], typed)
            assert (response.status_code, response["Retry-After"]) == (503, "5")
    finally:
        post_save.disconnect(conflict, sender=SocialAccount)
    assert not scenes.accounts().exists()
    assert come(visitor)["Location"] == "/"
    assert Acceptance.objects.get().user == scenes.accounts().get()


# The modes of a site


def test_without_invite_mode_anybody_comes_in(settings: Any) -> None:
    settings.INVITE_MODE = False
    assert come(Client(), email_verified="on")["Location"] == "/"
    assert Acceptance.objects.count() == 0


def test_without_invite_mode_an_invitation_is_still_recorded(
    settings: Any, visitor: Client, invitation: InvitationKey
) -> None:
    settings.INVITE_MODE = False
    come(visitor)
    assert Acceptance.objects.get().invitation == invitation


def test_without_invite_mode_another_address_leaves_the_invitation_open(
    settings: Any, visitor: Client, invitation: InvitationKey
) -> None:
    settings.INVITE_MODE = False
    come(visitor, "other@example.com")
    assert scenes.accounts("other@example.com").exists()
    invitation.refresh_from_db()
    assert invitation.status == "pending"
