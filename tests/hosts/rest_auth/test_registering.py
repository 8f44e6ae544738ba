"""The registration of dj-rest-auth behind the gate."""

from __future__ import annotations

import json
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from invitation import keys
from invitation.checks import doors
from invitation.flows.after_commit import transactions
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.documented import DOCS, code_blocks
from tests.hosts.rest_auth import settings as site
from tests.scenes import answers

pytestmark = pytest.mark.django_db
REGISTRATION = "/auth/registration/"


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


def register(key: str = "", *, address: str = REGISTRATION, **more: Any) -> Any:
    data = answers(**more) | ({"invitation_key": key} if key else {})
    return Client().post(address, data, content_type="application/json")


def test_without_a_key_it_is_closed() -> None:
    response = register()
    assert response.status_code == 403
    [error] = response.json()["errors"]
    assert (error["code"], error["param"]) == ("no_key", "invitation_key")
    assert not scenes.accounts().exists()


@pytest.mark.parametrize("way", ["json", "header", "form", "cookie"])
def test_with_a_key_an_account_is_made(way: str, invitation: InvitationKey) -> None:
    client, key = Client(), invitation.mail_key
    if way == "json":
        response = register(key)
    elif way == "header":
        headers = {"X-Invitation-Key": key}
        response = client.post(
            REGISTRATION, answers(), content_type="application/json", headers=headers
        )
    elif way == "form":
        response = client.post(REGISTRATION, answers(invitation_key=key))
    else:
        client.get(scenes.link(key))
        response = client.post(REGISTRATION, answers(), content_type="application/json")
    assert response.status_code in (201, 204), response.content
    assert EmailAddress.objects.get().verified
    acceptance = Acceptance.objects.get()
    assert (acceptance.invitation, acceptance.user) == (invitation, scenes.accounts().get())
    assert acceptance.activated_at is not None


def test_a_copied_link_proves_nothing(invitation: InvitationKey) -> None:
    response = register(keys.make(invitation.locator, keys.COPY, invitation.site_id))
    assert response.status_code == 201, response.content
    assert not EmailAddress.objects.get().verified
    assert Acceptance.objects.get().activated_at is None


@pytest.mark.parametrize("end", scenes.ENDS)
def test_a_key_whose_invitation_has_ended_is_refused(invitation: InvitationKey, end: str) -> None:
    scenes.end(invitation, end)
    response = register(invitation.mail_key)
    assert response.status_code == 403
    assert response.json()["errors"][0]["code"] == scenes.ENDS[end][0]
    assert not scenes.accounts().exists()


def test_another_address_is_refused(invitation: InvitationKey) -> None:
    response = register(invitation.mail_key, email="x@example.org")
    assert response.status_code == 403
    [error] = response.json()["errors"]
    assert (error["code"], error["param"]) == ("address_mismatch", "email")
    assert not scenes.accounts("x@example.org").exists()


def test_a_weak_password_uses_nothing(invitation: InvitationKey, settings: Any) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"}
    ]
    response = register(invitation.mail_key, password1="newcomer", password2="newcomer")
    assert response.status_code == 400
    assert not scenes.accounts().exists()
    invitation.refresh_from_db()
    assert invitation.uses == 0


def test_who_is_too_late_hears_why(
    invitation: InvitationKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_use = type(InvitationKey.objects).claim_use

    def too_late(*args: Any, **kwargs: Any) -> bool:
        scenes.end(invitation, "revoked")
        return bool(claim_use(*args, **kwargs))

    monkeypatch.setattr(type(InvitationKey.objects), "claim_use", too_late)
    response = register(invitation.mail_key)
    assert response.status_code == 403
    assert response.json()["errors"][0]["code"] == "revoked_key"


def test_a_database_that_undoes_everything_is_told_as_503(
    invitation: InvitationKey, monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    monkeypatch.setattr(transactions, "TRIES", 2)

    def locked(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith("INSERT INTO") and "auth_user" in sql:
            raise OperationalError("database is locked")
        return execute(sql, *args)

    with connection.execute_wrapper(locked):
        response = register(invitation.mail_key)
    assert response.status_code == 503
    assert not scenes.accounts().exists()


@pytest.mark.parametrize("key", ["none", "ended", "good"])
def test_a_forgotten_door_is_closed_by_the_adapter(key: str, invitation: InvitationKey) -> None:
    if key == "ended":
        scenes.end(invitation, "expired")
    if key == "good":
        with pytest.raises(TypeError, match=r"gate\.claiming"):
            register(invitation.mail_key, address="/forgotten/")
    else:
        response = register("" if key == "none" else invitation.mail_key, address="/forgotten/")
        assert response.status_code in (403, 410)
    assert not scenes.accounts().exists()


def test_open_registration_needs_no_key(settings: Any) -> None:
    settings.INVITE_MODE = False
    assert register().status_code == 201
    assert scenes.accounts().exists()


def test_the_check_finds_the_forgotten_door_alone() -> None:
    assert [message.msg.split('"')[1] for message in doors.check_doors(None)] == ["/forgotten/"]


PIECES = dict(code_blocks(DOCS / "howto/apis.rst"))


@pytest.mark.parametrize("code", [PIECES["club/urls.py"], PIECES["club/settings.py"]])
def test_the_documented_code_runs(code: str) -> None:
    exec(compile(code, "documentation", "exec"), {"include": include, "path": path})  # noqa: S102


def test_the_documented_code_is_that_of_this_site() -> None:
    assert PIECES["club/settings.py"].strip() == f"REST_AUTH = {json.dumps(site.REST_AUTH)}"


@pytest.mark.parametrize("channel", [keys.MAIL, keys.COPY])
def test_a_registration_takes_at_most_four_statements_of_ours(
    invitation: InvitationKey, channel: str
) -> None:
    key = keys.make(invitation.locator, channel, invitation.site_id)
    with CaptureQueriesContext(connection) as queries:
        assert register(key).status_code == 201
    ours = [query["sql"] for query in queries if '"invitation_' in query["sql"]]
    # The others are those of a login, which follows where the address is proven.
    assert len(ours) == (4 if channel == keys.MAIL else 3)
