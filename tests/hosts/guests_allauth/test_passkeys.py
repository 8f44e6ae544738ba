"""A guest signs up with a passkey: on a site with other settings, in a process of its own."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.conf import settings as site
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client

from invitation.lazysignup.models import LazyUser
from invitation.models import Acceptance, InvitationKey
from tests.factories import ADDRESS, make_invitation, make_user
from tests.hosts.guests.people import follow
from tests.hosts.guests_allauth import passkeys
from tests.lazysignup.people import PERSON
from tests.lazysignup.shop.models import Item
from tests.test_kinds_of_site import run_on

SIGNUP, PASSKEY = "/accounts/signup/passkey/", "/accounts/2fa/webauthn/signup/"
CONFIRM = "/accounts/confirm-email/"
API = "/_allauth/{}/v1/auth/webauthn/signup"
HERE = "tests/hosts/guests_allauth/test_passkeys.py"
THERE = "tests.hosts.guests_allauth.settings_passkeys"
there = getattr(site, "MFA_PASSKEY_SIGNUP_ENABLED", False)
only_there = pytest.mark.skipif(not there, reason="runs in a process of its own, see below")
pytestmark = pytest.mark.django_db
User = get_user_model()


@pytest.mark.skipif(there, reason="It would run itself.")
def test_all_of_it_on_a_site_with_passkeys() -> None:
    run = run_on(THERE, HERE)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    assert "7 passed" in run.stdout


@pytest.fixture
def invitation() -> InvitationKey:
    return make_invitation(make_user())


def code() -> str:
    found = re.search(r"^\s*([A-Z0-9]{4,}(?:-[A-Z0-9]+)*)\s*$", str(mail.outbox[-1].body), re.M)
    assert found
    return found[1]


def make_passkey(client: Client) -> Any:
    options = client.get(PASSKEY).context["js_data"]["creation_options"]
    made = passkeys.make(options)
    return client.post(PASSKEY, {"name": "Phone", "credential": json.dumps(made)})


def has_signed_up(client: Client, before: Any) -> bool:
    account = User.objects.get(email=ADDRESS)
    return (
        account == before == Item.objects.get().owner == Authenticator.objects.get().user
        and User.objects.count() == 2  # with the inviter
        and not LazyUser.objects.exists()
        and EmailAddress.objects.get(user=account).verified
        and Acceptance.objects.get().user == account
        and client.session["basket"] == ["seed"]
        and client.session["_auth_user_id"] == str(account.pk)
        and client.get("/who/").content.decode() == account.get_username()
    )


@only_there
def test_a_guest_makes_a_passkey(guest: Client, account: Any, invitation: InvitationKey) -> None:
    session, other = guest.session.session_key, Client(headers=PERSON)
    other.cookies = guest.cookies.copy()
    follow(guest, invitation)
    assert guest.post(SIGNUP, {"email": ADDRESS})["Location"] == PASSKEY
    assert not LazyUser.objects.exists()
    assert make_passkey(guest).status_code == 302
    assert has_signed_up(guest, account)
    assert guest.session.session_key != session
    assert other.get("/who/").content == b"nobody"


@only_there
def test_a_guest_with_a_copied_link_types_the_code_before(
    guest: Client, account: Any, invitation: InvitationKey, django_capture_on_commit_callbacks: Any
) -> None:
    follow(guest, invitation, "key")
    with django_capture_on_commit_callbacks(execute=True):
        assert guest.post(SIGNUP, {"email": ADDRESS})["Location"] == CONFIRM
    assert guest.post(CONFIRM, {"code": code()})["Location"] == PASSKEY
    assert make_passkey(guest).status_code == 302
    assert has_signed_up(guest, account)


@only_there
def test_a_guest_who_makes_no_passkey_gets_in_by_the_address(
    guest: Client, account: Any, invitation: InvitationKey, django_capture_on_commit_callbacks: Any
) -> None:
    follow(guest, invitation)
    guest.post(SIGNUP, {"email": ADDRESS})
    assert guest.get("/who/").content == b"nobody"
    assert guest.session["basket"] == ["seed"]
    later = Client(headers=PERSON)
    with django_capture_on_commit_callbacks(execute=True):
        to_code = later.post("/accounts/login/", {"login": ADDRESS})["Location"]
    assert later.post(to_code, {"code": code()}).status_code == 302
    assert later.session["_auth_user_id"] == str(account.pk)
    assert Item.objects.get().owner == account
    # The first browser still waits for the passkey.
    assert guest.get(PASSKEY).status_code == 200


@only_there
@pytest.mark.parametrize("email", [ADDRESS, "eve@example.org"])
def test_a_guest_who_is_refused_stays_a_guest(
    guest: Client, account: Any, invitation: InvitationKey, email: str
) -> None:
    if email != ADDRESS:
        follow(guest, invitation)
    assert guest.post(SIGNUP, {"email": email}).status_code in (200, 403)
    assert LazyUser.objects.get().user == account == Item.objects.get().owner
    assert guest.get("/who/").content.decode() == account.get_username()
    assert guest.session["basket"] == ["seed"]
    assert not Acceptance.objects.exists()


@only_there
@pytest.mark.parametrize("kind", ["browser", "app"])
def test_a_guest_makes_a_passkey_in_the_api(
    guest: Client, account: Any, invitation: InvitationKey, kind: str
) -> None:
    client, address = guest, API.format(kind)

    def send(method: str, data: dict[str, Any] | None = None) -> Any:
        headers = {}
        if kind == "app":
            client.cookies.clear()
            headers = {"x-session-token": tokens[-1]}
        ask = getattr(client, method)
        response = ask(address, data, content_type="application/json", headers=headers)
        if token := response.json().get("meta", {}).get("session_token"):
            tokens.append(token)
        return response

    tokens = [guest.session.session_key]
    if kind == "app":
        client = Client(headers=PERSON)
    started = send("post", {"email": ADDRESS, "invitation_key": invitation.mail_key})
    assert started.status_code == 401, started.content
    options = send("get").json()["data"]["creation_options"]
    done = send("put", {"name": "Phone", "credential": passkeys.make(options)})
    assert done.status_code == 200, done.content
    if kind == "app":
        guest.cookies["sessionid"] = tokens[-1]
    assert has_signed_up(guest, account)
