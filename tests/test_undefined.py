"""No template of ours asks for a variable that its view does not give.

Django logs such a one at DEBUG, with the whole context.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from invitation import keys
from invitation.flows import arriving
from tests import scenes
from tests.scenes import DECLINE, LANDING, REGISTER, RENEWAL
from tests.test_kept_nowhere import URLCONFS, address, own, stage, visitors
from tests.test_walk import SITES, walk

__all__ = ["stage"]

pytestmark = [pytest.mark.django_db, pytest.mark.anywhere]

OURS = ("invitation/", "registration/", "admin/invitation/")
#: What is no variable of a context: a value of the session, if the visitor has just registered; and
#: a method of the account that the admin's own template asks for first.
ELSEWHERE = {
    ("registration/registration_complete.html", "registration_email"),
    ("admin/invitation/acceptance/tree.html", "get_short_name"),
}


class Undefined:
    """What templates of ours have looked up in vain, in place of Django's logger."""

    def __init__(self) -> None:
        self.found: set[tuple[str, str]] = set()

    def debug(self, message: str, *args: Any, **options: Any) -> None:
        name, template = str(args[0]), str(args[-1])
        if template.startswith(OURS):
            self.found.add((template, name))
        logging.getLogger("django.template").debug(message, *args, **options)


@pytest.fixture(autouse=True)
def undefined(monkeypatch: pytest.MonkeyPatch) -> Iterator[Undefined]:
    """Let the test fail if a template of ours has looked up in vain."""
    undefined = Undefined()
    monkeypatch.setattr("django.template.base.logger", undefined)
    yield undefined
    assert undefined.found - ELSEWHERE == set()


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("urlconf", URLCONFS)
def test_on_no_page(
    settings: Any, stage: dict[str, Any], member: Any, urlconf: str, method: str
) -> None:
    settings.ROOT_URLCONF = urlconf
    pages = list(own(urlconf))
    for visitor in visitors(member, stage["invitation_key"]):
        for pattern in pages:
            getattr(visitor, method)(address(pattern, stage))


@pytest.mark.parametrize(("urlconf", "activation"), SITES.items(), ids=SITES)
def test_nor_in_a_mail(settings: Any, commit: Any, urlconf: str, activation: bool) -> None:
    settings.ROOT_URLCONF = urlconf
    walk(commit, activation=activation)


@pytest.mark.parametrize("how", scenes.ENDS)
def test_nor_where_an_invitation_has_ended(member: Any, commit: Any, how: str) -> None:
    invitation = scenes.invite(member)
    visitor = scenes.visit(invitation)
    scenes.end(invitation, how)
    for page in (scenes.link(invitation.mail_key), LANDING, REGISTER, DECLINE, RENEWAL):
        visitor.get(page)
    with commit():
        visitor.post(RENEWAL)
    owner = Client()
    owner.force_login(member)
    for page in ("detail", "edit", "link", "renew"):
        owner.get(reverse(f"invitation_{page}", args=[invitation.pk]))
    with commit():
        owner.post(reverse("invitation_renew", args=[invitation.pk]))


def test_nor_where_somebody_may_not_share_any_more(stage: dict[str, Any], member: Any) -> None:
    scenes.may_not_share(member)
    owner = Client()
    owner.force_login(member)
    for page in ("detail", "pause", "resume", "edit"):
        for method in (owner.get, owner.post):
            method(reverse(f"invitation_shared_{page}", args=[stage["shared"]]))


def test_nor_where_no_invitation_is_left(settings: Any, member_client: Client) -> None:
    settings.INVITATIONS_PER_USER = 0
    member_client.get(scenes.INVITE)
    member_client.post(scenes.INVITE, {"email": scenes.NEWCOMER})


def test_nor_in_the_admin(stage: dict[str, Any]) -> None:
    boss = Client()
    boss.force_login(scenes.make_user("boss", is_staff=True, is_superuser=True))
    boss.get(reverse("admin:invitation_acceptance_tree", args=[stage["pk"]]))
    for name in ("invitationkey", "invitationemail", "acceptance"):
        boss.get(reverse(f"admin:invitation_{name}_changelist"))


def test_the_lookout_sees_what_is_missing(
    undefined: Undefined, settings: Any, tmp_path: Any
) -> None:
    (tmp_path / "invitation").mkdir()
    (tmp_path / "invitation" / "base.html").write_text("{% if nowhere %}{% endif %}")
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]
    Client().get(LANDING)
    assert undefined.found == {("invitation/wrong_invitation_key.html", "nowhere")}
    undefined.found.clear()


def test_the_keys_of_a_page_are_known_by_what_they_print(member: Any) -> None:
    opened = arriving.open_invitation(scenes.invite(member).mail_key)
    assert isinstance(opened.key, keys.Secret)
    assert opened.key.split(".")[1] not in repr(opened.key)
