"""A new account waits before it may invite."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.test import Client

from invitation.addresses.recipients import Recipient
from invitation.exceptions import AccountTooNew, InvitingForbidden
from invitation.flows import inviting, lists, sharing
from invitation.keys.sites import current_site_id
from invitation.models import InvitationKey
from tests.factories import ADDRESS, make_invitation, make_user
from tests.scenes import COMPLETE, INVITE

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]
NOON = datetime(2026, 3, 29, 12, tzinfo=timezone.utc)
AGE = timedelta(days=3)


@pytest.fixture
def newcomer(member: Any, settings: Any) -> Any:
    settings.INVITATION_MINIMUM_ACCOUNT_AGE = AGE
    member.date_joined = NOON
    member.save()
    return get_user_model()._default_manager.get(pk=member.pk)


@pytest.mark.parametrize(
    ("passed", "may"), [(timedelta(), False), (AGE - timedelta(seconds=1), False), (AGE, True)]
)
def test_the_moment_is_exact(newcomer: Any, passed: timedelta, may: bool) -> None:
    with time_machine.travel(NOON + passed, tick=False):
        assert inviting.may_invite(newcomer) is may
        if may:
            inviting.invite(newcomer, ADDRESS)
        else:
            with pytest.raises(AccountTooNew) as refused:
                inviting.invite(newcomer, ADDRESS)
            assert refused.value.code == "account_too_new"
            assert isinstance(refused.value, InvitingForbidden)
    assert InvitationKey.objects.exists() is may


@time_machine.travel(NOON, tick=False)
def test_it_says_from_when_in_the_time_of_the_reader(newcomer: Any, settings: Any) -> None:
    settings.LANGUAGE_CODE, settings.TIME_ZONE = "en", "Asia/Kathmandu"
    refusal = inviting.inviting_refusal(newcomer)
    assert refusal is not None
    assert "April 1, 2026, 5:45 p.m." in str(refusal)


def test_a_naive_site_can_say_it_too(settings: Any) -> None:
    settings.USE_TZ = False
    settings.INVITATION_MINIMUM_ACCOUNT_AGE = AGE
    user = SimpleNamespace(is_authenticated=True, is_active=True, date_joined=datetime.now())
    assert isinstance(inviting.inviting_refusal(user), AccountTooNew)


def test_a_user_model_that_does_not_know_it_asks_nothing(settings: Any) -> None:
    settings.INVITATION_MINIMUM_ACCOUNT_AGE = AGE
    assert inviting.may_invite(SimpleNamespace(is_authenticated=True, is_active=True))


@pytest.mark.parametrize("address", [INVITE, COMPLETE])
def test_the_page_says_it(newcomer: Any, address: str) -> None:
    client = Client()
    with time_machine.travel(NOON, tick=False):
        client.force_login(newcomer)
        response = client.get(address)
    assert response.status_code == 403
    assert response.context["reason"] == "account_too_new"
    assert response.context["message"] == str(response.context["message"])
    assert "2026" in response.content.decode()


@time_machine.travel(NOON, tick=False)
def test_lists_and_shared_links_say_it_too(newcomer: Any) -> None:
    people = [Recipient(1, ADDRESS)]
    newcomer.is_superuser = True
    newcomer.save()
    for verb in (lists.check_list, lists.invite_many):
        with pytest.raises(AccountTooNew):
            verb(newcomer, people)
    if sharing.may_share(make_user("old", is_superuser=True, date_joined=NOON - 2 * AGE)):
        with pytest.raises(AccountTooNew):
            sharing.share(newcomer, label="Fair", max_uses=1, expires_at=None)
        client = Client()
        client.force_login(newcomer)
        assert "2026" in client.get("/accounts/invite/link/").content.decode()


@pytest.mark.parametrize("part", ["extend", "resend", "change-link"])
def test_nor_does_he_open_again_what_he_has(newcomer: Any, part: str) -> None:
    client = Client()
    with time_machine.travel(NOON, tick=False):
        invitation = make_invitation(newcomer, site_id=current_site_id())
        client.force_login(newcomer)
        response = client.post(f"/accounts/invitations/{invitation.pk}/{part}/")
        link = client.get(f"/accounts/invitations/{invitation.pk}/link/")
    assert (response.status_code, response.context["error_code"]) == (403, "account_too_new")
    assert (link.status_code, link.context["error_code"]) == (403, "account_too_new")
