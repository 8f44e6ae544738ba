"""The check of the index by which emails recognise people who have an account."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from invitation.checks import mails
from invitation.delivery.base import BaseDelivery
from invitation.delivery.email import EmailDelivery
from invitation.delivery.members import MemberKnowledge


class Wordless(BaseDelivery):
    """A delivery that writes no email of ours."""

    def send(self, mail: Any) -> None:
        """Send nothing."""


class Indifferent(EmailDelivery):
    """A delivery that has one email for everybody."""

    recognises_members = False


def found(check: Any) -> list[str]:
    return [message.id for message in check(None)]


@pytest.fixture(autouse=True)
def _unindexed(monkeypatch: pytest.MonkeyPatch) -> None:
    field = get_user_model()._meta.get_field("email")
    for name in ("unique", "db_index"):
        monkeypatch.setitem(vars(field), name, False)


def test_a_user_table_without_an_index_for_addresses_is_reported() -> None:
    assert found(mails.check_members) == ["invitation.W033"]


@pytest.mark.parametrize("index", ["upper", "lower", "exact"])
def test_a_site_that_says_that_it_has_one_is_not(
    monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    monkeypatch.setattr(MemberKnowledge, "email_index", index)
    assert found(mails.check_members) == found(mails.check_delivery) == []


def test_nor_a_user_model_that_declares_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(get_user_model()._meta.get_field("email")), "db_index", True)
    assert found(mails.check_members) == []


def test_nor_a_user_model_without_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_user_model(), "EMAIL_FIELD", "nothing")
    assert found(mails.check_members) == []


@pytest.mark.parametrize("name", ["Wordless", "Indifferent", "NoSuchClass"])
def test_nor_a_site_that_needs_none(settings: Any, name: str) -> None:
    settings.INVITATION_DELIVERY = f"{__name__}.{name}"
    assert found(mails.check_members) == []


def test_an_unknown_index_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemberKnowledge, "email_index", "iexact")
    assert found(mails.check_delivery) == ["invitation.E057"]
