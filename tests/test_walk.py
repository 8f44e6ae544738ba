"""The walk that 1.0 documented, from the settings to the clean-up, on every kind of site.

What cannot be switched while a process runs, such as the user model: this file runs again under
other settings, see ``test_kinds_of_site.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.contrib.auth import SESSION_KEY
from django.core import mail
from django.core.management import call_command
from django.db import connections
from django.test import Client, modify_settings

from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.scenes import COMPLETE, INVITE, LANDING, NEWCOMER, PASSWORD, REGISTER, answers

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]
Commit = Callable[..., Any]

LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
#: Every URLconf that the documentation teaches, and whether a second email asks to activate.
SITES = {
    "tests.urls": True,
    "tests.urls_before_redux": True,
    "tests.urls_simple": False,
    "tests.urls_verified": False,
}
LANGUAGES = ["en", "de", "ar", "zh-hant", "pt-br"]
TIME_ZONES = ["Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati"]
#: Each language and each time zone once; their other pairs where there is time.
PLACES = [
    pytest.param(
        language,
        time_zone,
        marks=[] if place % 3 == zone else [pytest.mark.exhaustive],
    )
    for place, language in enumerate(LANGUAGES)
    for zone, time_zone in enumerate(TIME_ZONES)
]


def walk(commit: Commit, *, activation: bool) -> None:
    """Invite, follow the link, register, activate, log in, find the key used, clean up."""
    member, member_client = scenes.make_user("inviter"), Client()
    member_client.force_login(member)

    # A member invites; the quota is spent; the email leaves.
    assert member_client.get(INVITE).context["remaining_invitations"] == 10
    with commit():
        response = member_client.post(INVITE, {"email": NEWCOMER, "note": "Come."})
    assert response["Location"] == "/accounts/invitations/"
    response = member_client.get(COMPLETE)
    assert response.context["mail_state"] == "sent"
    assert response.context["remaining_invitations"] == 9
    [invitation_mail] = mail.outbox
    assert invitation_mail.to == [NEWCOMER]
    link = scenes.path_in(invitation_mail, part="/invited/")

    # Without the link nobody gets in; with it, the newcomer does.
    assert Client().get(REGISTER).status_code == 403
    newcomer = Client()
    response = newcomer.get(link)
    assert (response.status_code, response["Location"]) == (302, LANDING)
    page = newcomer.get(LANDING)
    assert page.status_code == 200
    response = newcomer.get(page.context["register_url"])
    assert response.context["form"]["email"].value() == NEWCOMER
    with commit():
        response = newcomer.post(page.context["register_url"], answers())
    assert response.status_code == 302
    assert newcomer.get(response["Location"]).status_code == 200

    # The account wants its activation where the workflow has one.
    account = scenes.accounts().get()
    assert account.is_active is not activation
    if activation:
        with commit():
            response = scenes.activate(newcomer, scenes.path_in(mail.outbox[1], part="/activate/"))
        assert newcomer.get(response["Location"]).status_code == 200
        login = {"username": account.get_username(), "password": PASSWORD}
        assert newcomer.post("/accounts/login/", login).status_code == 302
    assert len(mail.outbox) == 1 + activation
    assert newcomer.session[SESSION_KEY] == str(account.pk)
    acceptance = Acceptance.objects.get()
    assert (acceptance.user, acceptance.invitation.from_user) == (account, member)
    assert acceptance.activated_at is not None

    # The newcomer is a member now, and the key is used.
    assert newcomer.get(INVITE).context["remaining_invitations"] == 10
    assert Client().get(link).status_code == 410
    key = link.rstrip("/").rsplit("/", 1)[1]
    response = Client().post(REGISTER, answers(name="second", invitation_key=key))
    assert (response.status_code, scenes.flags(response)) == (410, {"no_uses_left_key"})

    # What expires comes back to the quota, says so for a month, and goes; what was accepted stays.
    with commit():
        member_client.post(INVITE, {"email": "silent@example.com"})
    assert member_client.get(INVITE).context["remaining_invitations"] == 8
    silent = scenes.path_in(mail.outbox[-1], part="/invited/")
    with time_machine.travel(datetime.now(timezone.utc) + timedelta(days=8), tick=False):
        assert Client().get(silent).status_code == 410
        with commit():
            call_command("cleanupinvitation", stdout=StringIO())
        assert scenes.flags(Client().get(silent)) == {"expired_key"}
    with time_machine.travel(datetime.now(timezone.utc) + timedelta(days=40), tick=False):
        with commit():
            call_command("cleanupinvitation", stdout=StringIO())
        assert Client().get(silent).status_code == 404
    assert [row.email for row in InvitationKey.objects.all()] == [NEWCOMER]
    assert member_client.get(INVITE).context["remaining_invitations"] == 9


@pytest.fixture
def atomic_requests(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let each request be one transaction, or not, as the parameter says."""
    settings = connections.settings["default"]
    before = settings["ATOMIC_REQUESTS"]
    settings["ATOMIC_REQUESTS"] = request.param
    yield
    settings["ATOMIC_REQUESTS"] = before


@pytest.mark.parametrize(("urlconf", "activation"), SITES.items(), ids=SITES)
def test_on_each_kind_of_registration(
    settings: Any, commit: Commit, urlconf: str, activation: bool
) -> None:
    settings.ROOT_URLCONF = urlconf
    walk(commit, activation=activation)


@pytest.mark.parametrize("atomic_requests", [True, False], indirect=True)
@pytest.mark.parametrize("login_required", [True, False])
@pytest.mark.parametrize("urlconf", ["tests.urls", "tests.urls_verified"])
def test_with_atomic_requests_and_required_logins(
    settings: Any, commit: Commit, atomic_requests: None, login_required: bool, urlconf: str
) -> None:
    settings.ROOT_URLCONF = urlconf
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != LOGIN_REQUIRED]
    if login_required:
        settings.MIDDLEWARE.append(LOGIN_REQUIRED)
    walk(commit, activation=SITES[urlconf])


@pytest.mark.parametrize(("language", "time_zone"), PLACES)
def test_in_any_language_and_time_zone(
    settings: Any, commit: Commit, language: str, time_zone: str
) -> None:
    settings.LANGUAGE_CODE = language
    settings.TIME_ZONE = time_zone
    walk(commit, activation=True)


@pytest.mark.parametrize("urlconf", SITES)
def test_without_contrib_sites(settings: Any, commit: Commit, urlconf: str) -> None:
    settings.ROOT_URLCONF = urlconf
    with modify_settings(INSTALLED_APPS={"remove": ["django.contrib.sites"]}):
        walk(commit, activation=SITES[urlconf])


def test_with_no_setting_of_ours_at_all(settings: Any, commit: Commit) -> None:
    names = [name for name in dir(settings) if name.startswith("INVIT")]
    for name in [*names, "ACCOUNT_INVITATION_DAYS"]:
        if hasattr(settings, name):
            delattr(settings, name)
    walk(commit, activation=True)


def test_with_an_activation_that_never_comes(commit: Commit, member: Any) -> None:
    invitation = scenes.invite(member)
    with commit():
        scenes.visit(invitation).post(REGISTER, answers())
    account = scenes.accounts().get()
    scenes.accounts().update(date_joined=account.date_joined - timedelta(days=30))
    call_command("cleanupregistration")
    assert not scenes.accounts().exists()
    again = scenes.visit(invitation)
    with commit():
        assert again.post(REGISTER, answers()).status_code == 302
    assert scenes.accounts().count() == 1


@pytest.mark.django_db(transaction=True)
def test_with_real_transactions() -> None:
    member_client = Client()
    member_client.force_login(scenes.make_user("inviter"))
    member_client.post(INVITE, {"email": NEWCOMER})
    newcomer = Client()
    newcomer.get(scenes.path_in(mail.outbox[0], part="/invited/"))
    newcomer.post(REGISTER, answers())
    scenes.activate(newcomer, scenes.path_in(mail.outbox[1], part="/activate/"))
    assert scenes.accounts().get().is_active
    assert Acceptance.objects.get().activated_at is not None
