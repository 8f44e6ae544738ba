"""What a site with allauth may switch on: codes, passkeys, MFA, rate limits, hidden accounts."""

from __future__ import annotations

import re
from smtplib import SMTPException
from typing import Any

import pytest
from allauth.account.forms import SignupForm
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import get_hasher
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invitation import keys
from invitation.backends.allauth import claiming_forms, verified_addresses
from invitation.flows import arriving
from invitation.flows.after_commit import transactions
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.scenes import LANDING, NEWCOMER, answers
from tests.undone import undone_claims, undone_commits

SIGNUP = "/accounts/signup/"
CONFIRM = "/accounts/confirm-email/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


@pytest.fixture
def visitor(invitation: InvitationKey) -> Client:
    return scenes.visit(invitation)


@pytest.fixture
def copied(invitation: InvitationKey) -> Client:
    return scenes.visit(invitation, channel=keys.COPY)


# Codes


def code_in(message: Any) -> str:
    found = re.search(r"^\s*([A-Z0-9]{4,}(?:-[A-Z0-9]+)*)\s*$", message.body, re.MULTILINE)
    assert found, message.body
    return found[1]


@pytest.fixture
def by_code(settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
    settings.ACCOUNT_SIGNUP_FIELDS = ["email*"]
    settings.ACCOUNT_LOGIN_METHODS = {"email"}


def test_who_comes_from_the_email_types_no_code(by_code: None, visitor: Client) -> None:
    assert list(visitor.get(SIGNUP).context["form"].fields) == ["email", "invitation_hint"]
    assert visitor.post(SIGNUP, {"email": NEWCOMER})["Location"] == "/"
    account = scenes.accounts().get()
    assert not account.has_usable_password()
    assert visitor.session[SESSION_KEY] == str(account.pk)
    assert mail.outbox == []


def test_who_has_a_copied_link_types_the_code_and_lands_where_the_invitation_leads(
    by_code: None, copied: Client, commit: Any
) -> None:
    InvitationKey.objects.update(destination="/welcome/")
    with commit():
        assert copied.post(SIGNUP, {"email": NEWCOMER})["Location"] == CONFIRM
    assert Acceptance.objects.get().activated_at is None
    assert SESSION_KEY not in copied.session
    response = copied.post(CONFIRM, {"code": code_in(mail.outbox[0])})
    assert response["Location"] == "/welcome/"
    account = scenes.accounts().get()
    assert copied.session[SESSION_KEY] == str(account.pk)
    assert verified_addresses(account) == [NEWCOMER]
    assert arriving.has_proven(account)
    assert Acceptance.objects.get().activated_at is not None


@pytest.mark.parametrize("policy", ["exact", "any"])
def test_a_newcomer_cannot_confirm_an_address_that_the_invitation_does_not_admit(
    by_code: None, settings: Any, copied: Client, policy: str, commit: Any
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = True
    settings.INVITATION_EMAIL_POLICY = policy
    copied.post(SIGNUP, {"email": NEWCOMER})
    mail.outbox.clear()
    with commit():
        changed = copied.post(CONFIRM, {"action": "change", "email": "other@example.com"})
    if policy == "exact":
        assert changed.status_code == 403
        assert NEWCOMER in changed.content.decode()
        assert mail.outbox == []
        return
    response = copied.post(CONFIRM, {"code": code_in(mail.outbox[0])})
    assert response["Location"] == "/"
    # Later, it is an address like any other.
    with commit():
        copied.post("/accounts/email/", {"email": "third@example.com", "action_add": "on"})
    assert mail.outbox[-1].to == ["third@example.com"]


@pytest.mark.parametrize("invited", [True, False])
def test_without_invite_mode_a_newcomer_may_change_the_address(
    by_code: None, settings: Any, copied: Client, invited: bool, commit: Any
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_CHANGE = True
    settings.INVITE_MODE = False
    browser = copied if invited else Client()
    browser.post(SIGNUP, {"email": NEWCOMER})
    settings.INVITE_MODE = not invited
    mail.outbox.clear()
    with commit():
        browser.post(CONFIRM, {"action": "change", "email": "other@example.com"})
    assert [sent.to for sent in mail.outbox] == [["other@example.com"]]


def test_where_a_link_logs_in_it_leads_where_the_invitation_does(
    settings: Any, copied: Client, commit: Any
) -> None:
    settings.ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
    InvitationKey.objects.update(destination="/welcome/")
    with commit():
        copied.post(SIGNUP, answers())
    response = copied.post(scenes.path_in(mail.outbox[0], part="/confirm-email/"))
    assert response["Location"] == "/welcome/"
    assert SESSION_KEY in copied.session


def test_a_member_who_confirms_another_address_stays_where_they_are(
    visitor: Client, commit: Any
) -> None:
    InvitationKey.objects.update(destination="/welcome/")
    assert visitor.post(SIGNUP, answers())["Location"] == "/welcome/"
    mail.outbox.clear()
    with commit():
        visitor.post("/accounts/email/", {"email": "second@example.com", "action_add": "on"})
    response = visitor.post(scenes.path_in(mail.outbox[-1], part="/confirm-email/"))
    assert response["Location"] == "/"
    assert Acceptance.objects.get().user.email == NEWCOMER


@pytest.mark.django_db(transaction=True)
def test_the_password_is_hashed_before_the_transaction(visitor: Client) -> None:
    hashed: list[bool] = []
    hasher = get_hasher()
    encode = type(hasher).encode

    def note(self: Any, *args: Any, **kwargs: Any) -> Any:
        hashed.append(connection.in_atomic_block)
        return encode(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(hasher), "encode", note)
        assert visitor.post(SIGNUP, answers()).status_code == 302
    assert hashed
    assert not any(hashed)
    assert scenes.accounts().get().check_password(scenes.PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_an_email_of_a_login_that_fails_is_an_error_as_before(member: Any) -> None:
    EmailAddress.objects.create(user=member, email=member.email, primary=True)
    typed = {"login": "member", "password": "secret"}
    with scenes.broken_mail(), pytest.raises(SMTPException):
        Client().post("/accounts/login/", typed)


@pytest.mark.django_db(transaction=True)
def test_who_gets_no_email_is_told_so(copied: Client) -> None:
    mail.outbox.clear()
    with scenes.broken_mail():
        page = copied.post(SIGNUP, answers(), follow=True)
    told = [str(message) for message in page.context["messages"]]
    assert len(told) == 1
    assert "was not sent" in told[0]


# The other modes of email verification


@pytest.mark.parametrize("verification", ["optional", "none"])
def test_where_nobody_must_confirm_the_account_is_usable_with_any_key(
    settings: Any, copied: Client, invitation: InvitationKey, verification: str
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = verification
    assert copied.post(SIGNUP, answers())["Location"] == "/"
    assert not EmailAddress.objects.get().verified
    assert Acceptance.objects.get().activated_at is not None
    scenes.accounts().update(last_login=None)
    scenes.accounts().get().delete()
    invitation.refresh_from_db()
    assert invitation.status == "accepted"


@pytest.mark.parametrize("active", [True, False])
def test_an_account_whose_address_staff_have_verified_keeps_the_invitation_used(
    copied: Client, invitation: InvitationKey, active: bool
) -> None:
    copied.post(SIGNUP, answers())
    EmailAddress.objects.update(verified=True)
    scenes.accounts().update(is_active=active)
    scenes.accounts().get().delete()
    invitation.refresh_from_db()
    assert invitation.status == ("accepted" if active else "pending")


def test_an_account_that_may_not_log_in_yet_is_not_activated(
    settings: Any, visitor: Client
) -> None:
    settings.ACCOUNT_FORMS = {"signup": "tests.hosts.allauth.sites_own.WaitingForm"}
    assert visitor.post(SIGNUP, answers())["Location"] == "/accounts/inactive/"
    assert Acceptance.objects.get().activated_at is None


# Hidden accounts


@pytest.mark.parametrize("channel", keys.CHANNELS)
def test_an_address_that_has_an_account_reveals_nothing_and_uses_nothing(
    invitation: InvitationKey, channel: str, commit: Any
) -> None:
    scenes.make_user("someone", email=NEWCOMER)
    before = scenes.dump()
    visitor = scenes.visit(invitation, channel=channel)
    with commit():
        response = visitor.post(SIGNUP, answers())
    assert (response.status_code, response["Location"]) == (302, CONFIRM)
    after = scenes.dump()
    del after["django_session"], before["django_session"]
    assert after == before
    assert [sent.to for sent in mail.outbox] == [[NEWCOMER]]


def test_the_answer_is_the_same_as_for_an_address_without_one(member: Any, commit: Any) -> None:
    scenes.make_user("someone", email="known@example.com")
    answered = []
    for email in ("known@example.com", "unknown@example.com"):
        visitor = scenes.visit(scenes.invite(member, email), channel=keys.COPY)
        with commit():
            response = visitor.post(SIGNUP, answers(email, name=email[:5]))
        cookies = {name: (c.value == "", c["max-age"]) for name, c in visitor.cookies.items()}
        page = visitor.get(response["Location"]).content.decode().replace(email, "")
        del response["Expires"]
        answered.append((response.status_code, dict(response.items()), cookies, page))
    assert answered[0] == answered[1]


def test_where_accounts_are_not_hidden_the_form_says_that_there_is_one(
    settings: Any, visitor: Client, invitation: InvitationKey
) -> None:
    settings.ACCOUNT_PREVENT_ENUMERATION = False
    scenes.make_user("someone", email=NEWCOMER)
    response = visitor.post(SIGNUP, answers())
    assert response.context["form"].has_error("email")
    invitation.refresh_from_db()
    assert invitation.status == "pending"
    # And they can log in and accept.
    assert visitor.cookies["invitation_key"].value


def test_who_has_an_account_logs_in_and_accepts(visitor: Client, invitation: InvitationKey) -> None:
    account = scenes.make_user("someone", email=NEWCOMER)
    EmailAddress.objects.create(user=account, email=NEWCOMER, verified=True, primary=True)
    login = visitor.get(LANDING).context["login_url"]
    response = visitor.post(login, {"login": "someone", "password": "secret"})
    assert response["Location"] == LANDING
    assert visitor.post("/accounts/invited/accept/").status_code == 200
    acceptance = Acceptance.objects.get()
    assert (acceptance.user, acceptance.invitation) == (account, invitation)


def sign_up_somebody(email: str = NEWCOMER) -> None:
    """Do what another process may do: sign up somebody who has verified this address."""
    account = scenes.make_user("someone", email=email)
    EmailAddress.objects.create(user=account, email=email, verified=True, primary=True)


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.django_db(transaction=True)
def test_an_address_that_somebody_took_meanwhile_gets_no_second_account(
    settings: Any,
    visitor: Client,
    invitation: InvitationKey,
    hidden: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transactions, "PAUSE", 0)
    settings.ACCOUNT_PREVENT_ENUMERATION = hidden
    with undone_commits(1, meanwhile=sign_up_somebody):
        response = visitor.post(SIGNUP, answers())
    if hidden:
        assert response["Location"] == CONFIRM
    else:
        assert response.context["form"].has_error("email")
    assert scenes.accounts().count() == 1
    invitation.refresh_from_db()
    assert (invitation.status, invitation.uses) == ("pending", 0)


def test_where_several_accounts_may_have_an_address_only_one_has_it_verified(
    settings: Any, visitor: Client
) -> None:
    settings.ACCOUNT_PREVENT_ENUMERATION = "strict"
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    sign_up_somebody()
    assert visitor.post(SIGNUP, answers())["Location"] == "/"
    account = scenes.accounts().get(username="newcomer")
    assert Acceptance.objects.get().user == account
    assert verified_addresses(account) == []


# MFA


def test_a_second_factor_is_no_obstacle(visitor: Client) -> None:
    account = scenes.make_user("someone", email=NEWCOMER)
    EmailAddress.objects.create(user=account, email=NEWCOMER, verified=True, primary=True)
    TOTP.activate(account, "A" * 32)
    assert Authenticator.objects.count() == 1
    login = visitor.get(LANDING).context["login_url"]
    response = visitor.post(login, {"login": "someone", "password": "secret"})
    assert response["Location"].startswith("/accounts/2fa/authenticate/")
    # The invitation is carried through all steps of the login.
    assert visitor.get(LANDING).status_code == 200
    assert Acceptance.objects.count() == 0


# Rate limits


@pytest.fixture
def limited(settings: Any) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"signup": "3/m/ip", "confirm_email": "1/3m/key"}
    cache.clear()


def test_the_limits_of_allauth_hold_and_do_no_harm(
    limited: None, member: Any, invitation: InvitationKey
) -> None:
    visitor = scenes.visit(invitation)
    for _attempt in range(3):
        assert visitor.post(SIGNUP, answers(password2="x")).status_code == 200
    response = visitor.post(SIGNUP, answers())
    assert response.status_code == 429
    invitation.refresh_from_db()
    assert invitation.status == "pending"
    cache.clear()
    assert visitor.post(SIGNUP, answers()).status_code == 302


def test_the_pages_of_an_invitation_are_open_to_who_is_over_the_limit(
    limited: None, visitor: Client
) -> None:
    for _attempt in range(4):
        visitor.post(SIGNUP, answers(password2="x"))
    assert visitor.get(LANDING).status_code == 200
    assert visitor.get(SIGNUP).status_code == 200


# Pages


def test_the_address_is_asked_for_twice_and_filled_in_twice(settings: Any, visitor: Client) -> None:
    settings.ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "email2*", "password1*"]
    form = visitor.get(f"{SIGNUP}?email=other@example.com").context["form"]
    assert (form["email"].value(), form["email2"].value()) == (NEWCOMER, NEWCOMER)


def test_the_page_is_kept_nowhere(visitor: Client) -> None:
    for response in (visitor.get(SIGNUP), visitor.post(SIGNUP, answers())):
        assert "no-store" in response["Cache-Control"]
        assert response["X-Robots-Tag"] == "noindex"
        assert response["Referrer-Policy"] == "same-origin"


@pytest.mark.django_db(transaction=True)
def test_a_claim_is_its_own_transaction_where_each_request_is_one(
    visitor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "PAUSE", 0)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    with undone_claims(2) as claims:
        assert visitor.post(SIGNUP, answers()).status_code == 302
    assert claims == [False, False, True]
    assert Acceptance.objects.get().user == scenes.accounts().get()


def test_a_form_that_claims_already_is_left_as_it_is() -> None:
    claiming = claiming_forms.claiming_class(SignupForm)
    assert claiming_forms.claiming_class(claiming) is claiming


def test_a_page_that_a_script_asks_for_answers_it(visitor: Client) -> None:
    headers = {"X-Requested-With": "XMLHttpRequest"}
    response = visitor.post(SIGNUP, answers(password2="x"), headers=headers)
    assert response.status_code == 400
    assert response.json()["form"]["errors"] == []
    response = visitor.post(SIGNUP, answers(), headers=headers)
    assert response.json()["location"] == "/"
    assert Acceptance.objects.count() == 1


def test_a_robot_in_the_honeypot_uses_nothing(
    settings: Any, visitor: Client, invitation: InvitationKey
) -> None:
    settings.ACCOUNT_SIGNUP_FORM_HONEYPOT_FIELD = "phone_number"
    assert visitor.post(SIGNUP, answers(phone_number="1")).status_code == 302
    assert not scenes.accounts().exists()
    invitation.refresh_from_db()
    assert invitation.status == "pending"


# Queries

#: What the gate may cost beyond allauth alone.
BUDGET = 4


def queries(browser: Client, method: str, *typed: Any) -> int:
    with CaptureQueriesContext(connection) as asked:
        response = getattr(browser, method)(SIGNUP, *typed)
    assert response.status_code in (200, 302)
    return sum(not query["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN")) for query in asked)


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_gate_costs_few_queries(settings: Any, visitor: Client, method: str) -> None:
    typed = (answers(),) if method == "post" else ()
    gated = queries(visitor, method, *typed)
    scenes.accounts().delete()
    settings.INVITE_MODE = False
    settings.ACCOUNT_ADAPTER = "tests.hosts.allauth.sites_own.VerifyingAdapter"
    settings.ROOT_URLCONF = "tests.hosts.allauth.urls_alone"
    alone = queries(Client(), method, *typed)
    assert gated - alone <= BUDGET, (gated, alone)
