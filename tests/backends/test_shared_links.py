"""Registering with a shared link: its row is not held while a password is hashed."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.signals import post_save
from django.test import Client

from invitation.flows import sharing
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.factories import make_user
from tests.scenes import NEWCOMER, PASSWORD, REGISTER, answers

pytestmark = pytest.mark.django_db

WORKFLOWS = [
    "urls",
    "urls_simple",
    "urls_admin_approval",
    "urls_verified",
    "faults.urls_classic",
]


@pytest.fixture
def link() -> InvitationKey:
    owner = make_user("owner", is_superuser=True)
    return sharing.share(owner, label="Spring fair", max_uses=3, expires_at=None)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return what takes time or a lock, in order."""
    steps: list[str] = []
    encode = MD5PasswordHasher.encode

    def hash_it(self: Any, *args: Any, **kwargs: Any) -> str:
        steps.append("hash")
        return encode(self, *args, **kwargs)

    def note(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith("UPDATE") and '"uses" =' in sql.replace("`", '"'):
            steps.append("claim")
        if sql.startswith("INSERT") and "invitation_acceptance" in sql:
            steps.append("done")
        return execute(sql, *args)

    monkeypatch.setattr(MD5PasswordHasher, "encode", hash_it)
    with connection.execute_wrapper(note):
        yield steps


@pytest.mark.parametrize("urls", WORKFLOWS)
def test_the_password_is_hashed_before_the_row_is_held(
    settings: Any, link: InvitationKey, steps: list[str], urls: str
) -> None:
    settings.ROOT_URLCONF = f"tests.{urls}"
    assert scenes.visit(link).post(REGISTER, answers()).status_code == 302
    # What "simple" hashes afterwards is to log the newcomer in.
    assert steps[: steps.index("done") + 1] == ["hash", "claim", "done"]
    assert scenes.accounts().get().check_password(PASSWORD)


@pytest.mark.parametrize("urls", WORKFLOWS)
def test_so_it_is_with_an_invitation_for_one(
    settings: Any, link: InvitationKey, steps: list[str], urls: str
) -> None:
    settings.ROOT_URLCONF = f"tests.{urls}"
    visitor = scenes.visit(scenes.invite(link.from_user))
    assert visitor.post(REGISTER, answers()).status_code == 302
    assert steps[: steps.index("done") + 1] == ["hash", "claim", "done"]


def test_nothing_of_it_stays_with_the_account(link: InvitationKey) -> None:
    saved: list[Any] = []

    def receive(instance: Any, **kwargs: Any) -> None:
        saved.append(pickle.dumps(instance))

    post_save.connect(receive, sender=User)
    try:
        assert scenes.visit(link).post(REGISTER, answers()).status_code == 302
    finally:
        post_save.disconnect(receive, sender=User)
    assert saved


def test_a_failing_registration_leaves_the_use(
    link: InvitationKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registration import signals

    with scenes.crashing(signals.user_registered), pytest.raises(scenes.Crash):
        scenes.visit(link).post(REGISTER, answers())
    link.refresh_from_db()
    assert (link.uses, Acceptance.objects.count(), scenes.accounts().count()) == (0, 0, 0)


@pytest.mark.parametrize("mode", [True, False])
def test_where_registration_is_open_a_wrong_domain_comes_without_the_link(
    settings: Any, link: InvitationKey, mode: bool
) -> None:
    settings.INVITE_MODE = mode
    InvitationKey.objects.update(allowed_domains=["example.org"])
    response = scenes.visit(link).post(REGISTER, answers(NEWCOMER))
    assert (response.status_code, scenes.accounts().count()) == ((200, 0) if mode else (302, 1))
    link.refresh_from_db()
    assert link.uses == 0


def test_somebody_signed_in_is_led_to_choose(link: InvitationKey) -> None:
    client = Client()
    client.force_login(make_user("member"))
    client.get(scenes.link(link.key))
    assert client.get(REGISTER)["Location"] == scenes.LANDING
