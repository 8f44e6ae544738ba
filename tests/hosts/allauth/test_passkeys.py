"""Signing up with a passkey: on a site with other settings, in a process of its own."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings as site
from django.core import mail
from django.test import Client

from invitation import keys
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.scenes import NEWCOMER
from tests.test_kinds_of_site import run_on

SIGNUP, PASSKEY = "/accounts/signup/passkey/", "/accounts/2fa/webauthn/signup/"
CONFIRM = "/accounts/confirm-email/"
HERE, THERE = "tests/hosts/allauth/test_passkeys.py", "tests.hosts.allauth.settings_passkeys"
there = getattr(site, "MFA_PASSKEY_SIGNUP_ENABLED", False)
only_there = pytest.mark.skipif(not there, reason="runs in a process of its own, see below")
pytestmark = pytest.mark.django_db


@pytest.mark.skipif(there, reason="It would run itself.")
def test_all_of_it_on_a_site_with_passkeys() -> None:
    run = run_on(THERE, HERE)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    assert "5 passed" in run.stdout


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


@only_there
def test_without_a_key_it_is_closed() -> None:
    response = Client().get(SIGNUP)
    assert (response.status_code, scenes.flags(response)) == (403, {"no_key"})
    assert Client().post(SIGNUP, {"email": NEWCOMER}).status_code == 403
    assert not scenes.accounts().exists()


@only_there
def test_the_holder_of_the_email_is_asked_for_a_passkey_at_once(invitation: InvitationKey) -> None:
    visitor = scenes.visit(invitation)
    form = visitor.get(SIGNUP).context["form"]
    assert form["email"].value() == NEWCOMER
    assert visitor.post(SIGNUP, {"email": NEWCOMER})["Location"] == PASSKEY
    assert visitor.get(PASSKEY).status_code == 200
    assert Acceptance.objects.get().user == scenes.accounts().get()
    assert mail.outbox == []


@only_there
def test_the_holder_of_a_copied_link_types_the_code_before(
    invitation: InvitationKey, commit: Any
) -> None:
    visitor = scenes.visit(invitation, channel=keys.COPY)
    with commit():
        assert visitor.post(SIGNUP, {"email": NEWCOMER})["Location"] == CONFIRM
    assert Acceptance.objects.get().activated_at is None
    [message] = mail.outbox
    found = re.search(r"^\s*([A-Z0-9]{4,}(?:-[A-Z0-9]+)*)\s*$", message.body, re.MULTILINE)
    assert found
    assert visitor.post(CONFIRM, {"code": found[1]})["Location"] == PASSKEY
    assert Acceptance.objects.get().activated_at is not None


@only_there
def test_another_address_is_an_error_of_the_form(invitation: InvitationKey) -> None:
    visitor = scenes.visit(invitation)
    response = visitor.post(SIGNUP, {"email": "other@example.com"})
    assert response.context["form"].has_error("email")
    assert Acceptance.objects.count() == 0


@only_there
def test_the_key_works_once(invitation: InvitationKey) -> None:
    scenes.visit(invitation).post(SIGNUP, {"email": NEWCOMER})
    response = Client().post(SIGNUP, {"email": NEWCOMER, "invitation_key": invitation.mail_key})
    assert (response.status_code, scenes.flags(response)) == (410, {"no_uses_left_key"})
