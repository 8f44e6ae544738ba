"""What the link in an activation email shows, does, and proves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import Group
from django.core import mail
from django.db.models import ProtectedError
from django.test import Client
from registration import signals as redux_signals
from registration.models import RegistrationProfile

from invitation import flows, keys
from invitation.backends import activation
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.factories import make_invitation, make_user
from tests.scenes import NEWCOMER, PASSWORD, REGISTER, RESEND, answers

Commit = Callable[..., Any]
INBOX = "/accounts/invitations/received/"
DONE = "/accounts/activate/complete/"
NEW_PASSWORD = "another-horse-battery"
URLCONFS = ["tests.urls", "tests.urls_verified", "tests.urls_admin_approval", "tests.urls_classic"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def urlconf(settings: Any) -> str:
    settings.ROOT_URLCONF = "tests.urls"
    return "tests.urls"


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


@pytest.fixture
def register(invitation: InvitationKey, commit: Commit) -> Callable[..., str]:
    """Call it, and somebody has registered; it returns the path of the link to activate."""

    def do(channel: str = keys.COPY) -> str:
        mail.outbox.clear()
        with commit():
            answer = scenes.visit(invitation, channel=channel).post(REGISTER, answers())
        assert answer.status_code == 302
        return scenes.path_in(mail.outbox[-1], part="/activate/")

    return do


def account() -> Any:
    return scenes.accounts().get()


def typed(password: str = NEW_PASSWORD) -> dict[str, str]:
    return {"new_password1": password, "new_password2": password}


@pytest.fixture(params=URLCONFS)
def workflow(request: Any, settings: Any) -> str:
    settings.ROOT_URLCONF = request.param
    return str(request.param)


# -- who has written the password --------------------------------------------------------------


def test_the_password_of_who_registered_with_a_copied_link_does_not_outlive_the_activation(
    workflow: str, register: Callable[..., str]
) -> None:
    link = register(keys.COPY)
    victim = Client()
    victim.get(link)
    victim.post(link, typed())
    assert not account().check_password(PASSWORD)
    assert account().check_password(NEW_PASSWORD)


@pytest.mark.parametrize("method", ["get", "head", "options"])
@pytest.mark.parametrize("channel", keys.CHANNELS)
def test_looking_at_the_link_changes_nothing(
    workflow: str, register: Callable[..., str], method: str, channel: str
) -> None:
    if workflow == "tests.urls_verified" and channel == keys.MAIL:
        pytest.skip("No second email is sent.")
    link = register(channel)
    before = scenes.dump()
    getattr(Client(), method)(link)
    assert scenes.dump() == before


def test_the_page_shows_who_made_the_account_and_asks_for_a_password(
    workflow: str, register: Callable[..., str]
) -> None:
    link = register(keys.COPY)
    page = Client().get(link)
    assert page.status_code == 200
    assert page.context["account"] == account()
    text = page.content.decode()
    assert account().get_username() in text
    assert 'name="new_password1"' in text
    assert 'autocomplete="new-password"' in text
    assert 'name="not_me"' in text
    assert "no-store" in page["Cache-Control"]
    assert page["Referrer-Policy"] == "same-origin"


# -- what is proven ----------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["invitation forgotten", "acceptance deleted", "invitation deleted"])
@pytest.mark.parametrize("channel", keys.CHANNELS)
def test_an_address_that_is_typed_later_is_never_proven(
    urlconf: str, register: Callable[..., str], invitation: InvitationKey, gone: str, channel: str
) -> None:
    link = register(channel)
    page = Client().get(link)
    Client().post(link, typed() if (page.context and page.context.get("form")) else {})
    user = account()
    assert user.is_active
    assert flows.proven_addresses(user) == {NEWCOMER}
    if gone == "invitation forgotten":
        flows.forget_ended(timedelta(0))
    elif gone == "acceptance deleted":
        Acceptance.objects.all().delete()
    else:
        InvitationKey.objects.all().delete()
    # What was proven still is.
    assert flows.proven_addresses(user) == {NEWCOMER}
    user.email = "ceo@example.com"
    user.save()
    group = Group.objects.create(name="Board")
    waiting = make_invitation(make_user("chair"), "ceo@example.com")
    waiting.groups.add(group)
    browser = Client()
    browser.force_login(user)
    assert "chair" not in browser.get(INBOX).content.decode()
    assert browser.post(f"{INBOX}{waiting.pk}/accept/").status_code == 404
    assert flows.proven_addresses(user) == set()
    assert not user.groups.exists()
