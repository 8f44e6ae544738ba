"""What a site without redux among its apps does with invitations: everything but register."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.core import mail
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client, override_settings
from django.urls import reverse

from invitation.models import InvitationKey
from invitation.routes import urlpatterns
from tests import scenes
from tests.factories import make_user

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        "registration" in django_settings.INSTALLED_APPS, reason="this site has redux"
    ),
]


def test_the_checks_have_nothing_to_say() -> None:
    """Of the site as it is, only that nobody can sign up."""
    with override_settings(SILENCED_SYSTEM_CHECKS=["invitation.W035"]):
        call_command("check", fail_level="DEBUG")
    with pytest.raises(SystemCheckError, match="W035"):
        call_command("check", fail_level="WARNING")


def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True)


def test_redux_is_not_imported() -> None:
    for pattern in urlpatterns:
        assert callable(pattern.callback)
    assert [name for name in sys.modules if name.split(".")[0] == "registration"] == []


def test_each_page_of_a_member_is_shown(member_client: Client) -> None:
    for name in ("invite", "invite_list", "list", "received", "join"):
        assert member_client.get(reverse(f"invitation_{name}")).status_code == 200, name


def test_somebody_with_an_account_follows_a_link_and_joins_a_group(
    member_client: Client, commit: Any, settings: Any
) -> None:
    club = Group.objects.create(name="Club")
    settings.INVITATION_GRANTABLE_GROUPS = lambda inviter: [club]
    invited = make_user("bob")
    with commit():
        member_client.post(reverse("invitation_invite"), {"email": invited.email})
    InvitationKey.objects.get().groups.add(club)
    browser = Client()
    browser.force_login(invited)
    link = scenes.path_in(mail.outbox[0], part="/invited/")
    page = browser.get(link, follow=True)
    assert (page.status_code, page.context["register_url"]) == (200, "")
    with commit():
        browser.post(reverse("invitation_accept"))
    assert invited.groups.get().name == "Club"
    assert InvitationKey.objects.get().state == InvitationKey.Status.ACCEPTED


def test_a_stranger_is_welcomed_and_may_decline(member_client: Client, commit: Any) -> None:
    with commit():
        member_client.post(reverse("invitation_invite"), {"email": "new@example.org"})
    browser = Client()
    page = browser.get(scenes.path_in(mail.outbox[0], part="/invited/"), follow=True)
    assert page.status_code == 200
    with commit():
        browser.post(reverse("invitation_decline"))
    assert InvitationKey.objects.get().state == InvitationKey.Status.DECLINED


def test_the_commands_run(member: Any) -> None:
    for name in ("cleanupinvitation", "sendinvitations"):
        call_command(name, verbosity=0)


def test_a_deleted_account_closes_its_invitations(member: Any, member_client: Client) -> None:
    member_client.post(reverse("invitation_invite"), {"email": "new@example.org"})
    member.delete()
    assert InvitationKey.objects.get().state == InvitationKey.Status.REVOKED
