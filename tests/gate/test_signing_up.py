"""Any code that creates accounts uses an invitation with ``claiming``: both, or neither."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import RequestFactory

from invitation import gate, keys
from invitation.exceptions import AddressMismatch, KeyRefused, KeyUsedUp, NoKey
from invitation.models import Acceptance, InvitationKey
from tests import scenes
from tests.factories import make_user
from tests.scenes import NEWCOMER

pytestmark = pytest.mark.django_db


@pytest.fixture
def invitation(member: Any) -> InvitationKey:
    return scenes.invite(member)


def in_parameters(key: str) -> Any:
    return RequestFactory().post("/", {"invitation_key": key})


def in_a_header(key: str) -> Any:
    return RequestFactory().post("/", headers={"X-Invitation-Key": key})


def in_json(key: object) -> Any:
    body = json.dumps({"invitation_key": key})
    return RequestFactory().post("/", body, content_type="application/json")


def in_what_a_framework_has_read(key: str) -> Any:
    request = in_json(key)
    request.read()
    request.data = {"invitation_key": key}
    return request


WAYS = [in_parameters, in_a_header, in_json, in_what_a_framework_has_read]


@pytest.mark.parametrize("way", WAYS)
def test_a_request_carries_a_key(way: Callable[[str], Any], invitation: InvitationKey) -> None:
    request = way(invitation.mail_key)
    opened = gate.carried(request)
    assert opened.invitation == invitation
    assert opened.channel == keys.MAIL
    assert gate.may_sign_up(request)


def test_a_request_is_asked_once(invitation: InvitationKey, django_assert_num_queries: Any) -> None:
    request = in_json(invitation.key)
    with django_assert_num_queries(1):
        assert gate.carried(request) is gate.carried(request)


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '"x"', '{"invitation_key": 3}', "[" * 9999]
)
def test_a_body_without_a_key_is_as_none(body: str) -> None:
    request = RequestFactory().post("/", body, content_type="application/json")
    assert isinstance(gate.carried(request), NoKey)
    assert not gate.may_sign_up(request)


def test_a_body_that_somebody_else_has_read_is_as_none(invitation: InvitationKey) -> None:
    request = in_json(invitation.key)
    request.read()
    assert isinstance(gate.carried(request), NoKey)


def test_a_body_that_is_too_big_is_as_none(invitation: InvitationKey, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert isinstance(gate.carried(in_json(invitation.key)), NoKey)


def test_the_header_is_hidden_in_error_reports(invitation: InvitationKey) -> None:
    request = in_a_header(invitation.mail_key)
    gate.carried(request)
    assert invitation.locator not in repr(request.META)
    assert gate.given_key(request) == invitation.mail_key


def test_the_account_and_the_use_are_made_together(invitation: InvitationKey) -> None:
    request = in_parameters(invitation.mail_key)
    with gate.claiming(request, NEWCOMER) as claim:
        claim.user = make_user("newcomer", email=NEWCOMER)
    acceptance = Acceptance.objects.get()
    assert (acceptance.user, acceptance.invitation) == (claim.user, invitation)
    assert acceptance.activated_at is not None
    assert gate.claimed(request) is claim.opened
    assert isinstance(gate.carried(request), KeyUsedUp)


def test_an_account_that_is_not_usable_yet_waits(invitation: InvitationKey) -> None:
    with gate.claiming(in_parameters(invitation.key), NEWCOMER) as claim:
        claim.user = make_user("newcomer", email=NEWCOMER)
        claim.usable = False
    assert Acceptance.objects.get().activated_at is None


@pytest.mark.parametrize("mode", [True, False])
def test_a_block_without_an_account_uses_nothing(
    invitation: InvitationKey, mode: bool, settings: Any
) -> None:
    settings.INVITE_MODE = mode
    request = in_parameters(invitation.key if mode else "")
    with pytest.raises(ValueError, match="set the claim's user"), gate.claiming(request, NEWCOMER):
        make_user("newcomer", email=NEWCOMER)
    assert not scenes.accounts().exists()
    invitation.refresh_from_db()
    assert invitation.uses == 0
    assert gate.claimed(request) is None


def test_an_error_in_the_block_uses_nothing(invitation: InvitationKey) -> None:
    request = in_parameters(invitation.key)
    with pytest.raises(ZeroDivisionError), gate.claiming(request, NEWCOMER) as claim:
        claim.user = 1 / len(make_user("newcomer", email=NEWCOMER).last_name)
    assert not scenes.accounts().exists()
    invitation.refresh_from_db()
    assert invitation.uses == 0


@pytest.mark.parametrize("end", scenes.ENDS)
def test_a_key_that_opens_nothing_runs_no_block(invitation: InvitationKey, end: str) -> None:
    scenes.end(invitation, end)
    with pytest.raises(KeyRefused) as refused, gate.claiming(in_parameters(invitation.key)):
        pytest.fail("The block ran.")
    assert refused.value.code == scenes.ENDS[end][0]


def test_another_address_runs_no_block(invitation: InvitationKey) -> None:
    with (
        pytest.raises(AddressMismatch),
        gate.claiming(in_parameters(invitation.key), "x@example.org"),
    ):
        pytest.fail("The block ran.")


class TestOpenRegistration:
    """With INVITE_MODE off, an invitation is used if there is one."""

    @pytest.fixture(autouse=True)
    def open_to_all(self, settings: Any) -> None:
        settings.INVITE_MODE = False

    def test_nobody_needs_one(self) -> None:
        request = in_parameters("")
        assert gate.may_sign_up(request)
        with gate.claiming(request, NEWCOMER) as claim:
            claim.user = make_user("newcomer", email=NEWCOMER)
        assert claim.opened is None
        assert gate.claimed(request) is None
        assert scenes.accounts().exists()

    def test_one_for_another_address_is_not_used(self, invitation: InvitationKey) -> None:
        with gate.claiming(in_parameters(invitation.key), "x@example.org") as claim:
            claim.user = make_user("x", email="x@example.org")
        assert not Acceptance.objects.exists()

    def test_one_that_fits_is_used(self, invitation: InvitationKey) -> None:
        with gate.claiming(in_parameters(invitation.key), NEWCOMER) as claim:
            claim.user = make_user("newcomer", email=NEWCOMER)
        assert Acceptance.objects.get().invitation == invitation

    def test_one_that_somebody_else_was_faster_with_is_not_missed(
        self, invitation: InvitationKey
    ) -> None:
        request = in_parameters(invitation.key)
        gate.carried(request)
        scenes.end(invitation, "used")
        with gate.claiming(request, NEWCOMER) as claim:
            claim.user = make_user("newcomer", email=NEWCOMER)
        assert claim.opened is None
        assert scenes.accounts().exists()
